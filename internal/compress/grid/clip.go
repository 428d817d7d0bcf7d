package grid

import "math"

// The clip search of the published code of GPTQ and LeanQuant: ranges p times
// as wide, p = 1, 0.99 … 0.21, and the one with the least Σ|ŵ-w|^2.4, of equal
// ones the widest.
const (
	clipSteps = 80
	clipGrid  = 100
)

// Clip returns the grid, made by a function such as New or New16 from the ends
// of a range, that rounds w with the least Σ|ŵ-w|^2.4 of those with the range
// from p·lo to p·hi, p = 1, 0.99 … 0.21. Symmetric grids want lo = -hi.
func Clip[T any](w []float32, lo, hi float64, symmetric bool, grid func(lo, hi float64) (Grid, T, error)) (best Grid, extra T, err error) {
	lo, hi = span(lo, hi, symmetric)
	least := math.Inf(1)
	for i := range clipSteps {
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

// pow24 returns |x|^2.4 = x²·|x|^0.4 within 1e-9 of itself, ten times as fast
// as math.Pow. With x = m·2^k, m in [1,2), m^0.4 is the binomial series of
// (1.5 + t)^0.4, |t| ≤ 0.5, whose first term left out is below 1e-9, and
// 2^(0.4k) comes from a table of five and a power of two.
func pow24(x float64) float64 {
	b := math.Float64bits(x) &^ (1 << 63)
	if b < 400<<52 { // |x| < 2^-623: nothing beside the others
		return 0
	}
	k := int(b>>52) - 1023
	t := math.Float64frombits(b&(1<<52-1)|1023<<52) - 1.5
	s := series[len(series)-1]
	for i := len(series) - 2; i >= 0; i-- {
		s = float64(s*t) + series[i]
	}
	// 0.4·k = 2·q + 0.4·r with k = 5·q + r.
	q := (k+5000)/5 - 1000
	return x * x * s * fifths[k-5*q] * math.Float64frombits(uint64(2*q+1023)<<52)
}

// series are the coefficients of (1.5 + t)^0.4 in t.
var series = func() (c [15]float64) {
	c[0] = math.Pow(1.5, 0.4)
	for k := 1; k < len(c); k++ {
		c[k] = c[k-1] * (0.4 - float64(k-1)) / float64(k) / 1.5
	}
	return c
}()

// fifths are 2^(0.4·r) for r = 0 … 4.
var fifths = [5]float64{1, math.Exp2(0.4), math.Exp2(0.8), math.Exp2(1.2), math.Exp2(1.6)}
