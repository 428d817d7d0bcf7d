package cpu

import "math"

// exp32 returns e^x, at most 0.6 ulp from the true value. It splits
// x = k·ln 2 + r with |r| ≤ ln(2)/2, sums the Taylor series of e^r to the
// seventh power in float64 (the rest is below r⁸/8! < 6e-9, a twentieth of an
// ulp of float32) and puts k into the exponent; rounding to float32 takes care
// of overflow and of subnormal results.
func exp32(x float32) float32 {
	// Beyond ±128 the result is infinity or zero; inside, 2^k is a float64.
	switch {
	case x > 128:
		x = 128
	case x < -128:
		x = -128
	case x != x:
		return x
	}
	// Adding 1.5·2^52 leaves the rounded integer in the low bits.
	const shift = 3 << 51
	z := float64(x) * math.Log2E
	k := z + shift
	r := (z - (k - shift)) * math.Ln2
	p := 1.0/720 + r*(1.0/5040)
	p = 1.0/120 + r*p
	p = 1.0/24 + r*p
	p = 1.0/6 + r*p
	p = 1.0/2 + r*p
	p = 1 + r*p
	p = 1 + r*p
	scale := math.Float64frombits((math.Float64bits(k) + 1023) << 52)
	return float32(p * scale)
}
