// Package softmax sums the exponentials of a row of logits: what a
// log-probability is normalised by. Logits are float32 and are shifted by
// their maximum in float32; exponentials and sums are float64. It computes
// log-probabilities one target at a time, never a normalised row.
package softmax

import "math"

// Max returns the largest of the logits, of which there is at least one. A NaN
// is passed over unless it is the first.
func Max(logits []float32) float32 {
	mx := logits[0]
	for _, l := range logits {
		if l > mx {
			mx = l
		}
	}
	return mx
}

// NegLogProb returns -ln softmax(logits)[i], shifted by the maximum so that
// no exponential overflows. A NaN among the logits makes it NaN.
func NegLogProb(logits []float32, i int) float64 {
	mx := Max(logits)
	return math.Log(SumExp(logits, mx)) - float64(logits[i]-mx)
}

// SumExp returns Σ e^(x-mx) in order, for x at most mx.
func SumExp(logits []float32, mx float32) float64 {
	var sum float64
	var e [256]float64
	for len(logits) > 0 {
		n := min(len(e), len(logits))
		Exps(e[:n], logits[:n], mx)
		for _, v := range e[:n] {
			sum += v
		}
		logits = logits[n:]
	}
	return sum
}

// Exps sets dst[i] to e^(x[i]-mx), for x at most mx and dst as long as x. It is
// a loop of its own because a vocabulary of exponentials is a good part of
// scoring a token: x-mx = k·ln 2 + r, |r| ≤ ln(2)/2, e^r by its Taylor series
// to the ninth power, whose rest is below r¹⁰/10! < 7e-12; its terms are summed in
// pairs, which do not wait for each other. Below 2^-1000, which adds nothing to a
// sum of at least 1, it is 0.
func Exps(dst []float64, x []float32, mx float32) {
	const shift = 3 << 51 // adding it leaves the rounded integer in the low bits
	dst = dst[:len(x)]
	for i, l := range x {
		z := float64(l-mx) * math.Log2E
		if z < -1000 {
			dst[i] = 0
			continue
		}
		k := z + shift
		r := (z - (k - shift)) * math.Ln2
		r2 := r * r
		r4 := r2 * r2
		p := (1 + r) + r2*(1.0/2+r*(1.0/6)) + r4*((1.0/24+r*(1.0/120))+r2*(1.0/720+r*(1.0/5040))+
			r4*(1.0/40320+r*(1.0/362880)))
		dst[i] = p * math.Float64frombits((math.Float64bits(k)+1023)<<52)
	}
}
