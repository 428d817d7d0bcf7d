package grid

import "math"

// The clip search of the published code of GPTQ and LeanQuant: ranges p times
// as wide, p = 1, 0.99 … 0.21, and the one with the least Σ|ŵ-w|^2.4, of equal
// ones the widest.
const (
	ClipSteps = 80 // ranges that are tried
	clipGrid  = 100
)

// Clip returns the grid, made by a function such as New16 from the ends of a
// range, that rounds w with the least Σ|ŵ-w|^2.4 of those with the range
// from p·lo to p·hi, p = 1, 0.99 … 0.21. Symmetric grids want lo = -hi.
func Clip[T any](w []float32, lo, hi float64, symmetric bool, grid func(lo, hi float64) (Grid, T, error)) (best Grid, extra T, err error) {
	lo, hi = span(lo, hi, symmetric)
	least := math.Inf(1)
	for i := range ClipSteps {
		p := 1 - float64(i)/clipGrid
		g, x, fault := grid(float64(p*lo), float64(p*hi))
		if fault != nil {
			err = fault // a narrower range may still do
			continue
		}
		if e := g.clipError(w, least); e < least {
			least, best, extra = e, g, x
		}
	}
	if !math.IsInf(least, 1) {
		err = nil
	}
	return best, extra, err
}

// clipError returns Σ|ŵ-w|^2.4, or something at least as large as enough.
func (g Grid) clipError(w []float32, enough float64) float64 {
	var sum float64
	for _, v := range w {
		sum += pow24(g.Value(g.Code(float64(v))) - float64(v))
		if sum >= enough {
			return sum
		}
	}
	return sum
}

// pow24 returns |x|^2.4 = x²·|x|^0.4 within 1e-9 of itself, much faster than
// math.Pow. With x = m·2^k and a middle c of one of 32 parts of [1,2) that m is
// in, m^0.4 = c^0.4·(1+r)^0.4 with |r| ≤ 1/64; of the binomial series the
// first term left out is below 4e-11.
func pow24(x float64) float64 {
	b := math.Float64bits(x) &^ (1 << 63)
	if b < 400<<52 { // |x| < 2^-623: nothing beside the others
		return 0
	}
	part := &parts[b>>47&31]
	r := float64(math.Float64frombits(b&(1<<52-1)|1023<<52)*part.inverse) - 1
	series := 1 + float64(r*(0.4+float64(r*(-0.12+float64(r*(0.064-float64(0.0416*r)))))))
	return x * x * (part.power * series) * exponents[b>>52]
}

// parts are 1/c and c^0.4 for the 32 middles c.
var parts = func() (p [32]struct{ inverse, power float64 }) {
	for i := range p {
		c := 1 + (float64(i)+0.5)/32
		p[i].inverse, p[i].power = 1/c, math.Pow(c, 0.4)
	}
	return p
}()

// exponents are 2^(0.4·k) by the biased exponent k + 1023.
var exponents = func() (e [2048]float64) {
	for i := range e {
		e[i] = math.Exp2(0.4 * float64(i-1023))
	}
	return e
}()
