package summary

import (
	"math"
	"slices"
)

// Threshold returns the exponent of σ² up to which, by Theorem 3.1 of
// SketchTune, a random sketch approximates an n×n matrix better than low rank of
// as many numbers, n²/alpha: 1 − ln alpha / ln 2·alpha (methods.md 2.8). It is
// NaN where there is none, for alpha of a half or less. The theorem replaces
// sums by integrals and knows square matrices only.
func Threshold(alpha float64) float64 {
	if !(alpha > 0.5) {
		return math.NaN()
	}
	return 1 - math.Log(alpha)/math.Log(2*alpha)
}

// FiniteCrossover returns the exponent η at which both keep the same share of an
// n×n matrix with σ_i² = i^(−η): the sketch 1/alpha, low rank the first
// n/(2·alpha) of n terms, to the nearest. Below it the sketch keeps more. It is
// NaN where rank 1 has more numbers than the sketch, or where there is no such
// η from 0 to 4.
func FiniteCrossover(n int, alpha float64) float64 {
	rank := int(math.Round(float64(n) / (2 * alpha)))
	if rank < 1 || rank >= n {
		return math.NaN()
	}
	// What low rank keeps, less what the sketch does; it rises with η.
	excess := func(eta float64) float64 {
		var first, all float64
		for i := n; i >= 1; i-- {
			v := math.Pow(float64(i), -eta)
			all += v
			if i <= rank {
				first += v
			}
		}
		return first/all - 1/alpha
	}
	lo, hi := 0.0, 4.0
	if !(excess(lo) <= 0 && excess(hi) >= 0) {
		return math.NaN()
	}
	for hi-lo > 1e-9 {
		if mid := (lo + hi) / 2; excess(mid) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// A Crossover is where a case's sketch and low rank of as many numbers keep the
// same share of drawn square matrices.
type Crossover struct {
	Size      int // rows and columns
	Alpha     float64
	Threshold float64 // of the theorem
	// Finite is that of FiniteCrossover at Size, Large at LargeSize.
	Finite, Large float64
	// Random is that of random buckets, Projection that of the case's mapping:
	// means over draws with t intervals.
	Random, Projection Estimate
}

// LargeSize is the size at which sums are near their integrals.
const LargeSize = 4096

// Holds reports whether the interval of e holds the crossover of finite sums.
func (c Crossover) Holds(e Estimate) bool {
	return e.Missing == "" && e.HasInterval() && e.Lo <= c.Finite && c.Finite <= e.Hi
}

// A keptAt is what two approximations keep of ‖Δ‖² at one exponent.
type keptAt struct{ eta, sketch, low float64 }

// crossing returns the exponent at which the two keep the same, by linear
// interpolation of the logarithm of their ratio, which is nearly straight:
// between exponents 0.05 apart the result is off by less than 10⁻⁴. ok is false
// unless the exponents enclose exactly one.
func crossing(shares []keptAt) (eta float64, ok bool) {
	slices.SortFunc(shares, func(a, b keptAt) int {
		if a.eta < b.eta {
			return -1
		}
		return 1
	})
	found := 0
	for i := range shares[:max(len(shares)-1, 0)] {
		a, b := shares[i], shares[i+1]
		if !(min(a.sketch, a.low, b.sketch, b.low) > 0) {
			continue
		}
		y0, y1 := math.Log(a.sketch/a.low), math.Log(b.sketch/b.low)
		if y0 > 0 && y1 <= 0 {
			eta = a.eta + (b.eta-a.eta)*y0/(y0-y1)
			found++
		} else if y0 <= 0 && y1 > 0 {
			found++ // the other way: no crossover as the theorem has it
			eta = math.NaN()
		}
	}
	return eta, found == 1 && !math.IsNaN(eta)
}

// crossoverOf returns the mean crossover over draws.
func crossoverOf(draws map[int][]keptAt) Estimate {
	var xs []float64
	without := 0
	for _, draw := range sortedInts(draws) {
		if eta, ok := crossing(draws[draw]); ok {
			xs = append(xs, eta)
		} else {
			without++
		}
	}
	switch {
	case len(draws) == 0:
		return missing("no draws")
	case without > 0:
		return missing("the exponents enclose no crossover, or several, in %d of %s", without, count(len(draws), "draw"))
	}
	return mean(xs)
}

// mean returns the mean of independent draws with its t interval; of a single
// value, that value.
func mean(xs []float64) Estimate {
	if len(xs) == 0 {
		return missing("no values")
	}
	var m, sq float64
	for _, x := range xs {
		m += x / float64(len(xs))
	}
	for _, x := range xs {
		sq += (x - m) * (x - m)
	}
	e := exact(m)
	e.N = len(xs)
	if df := len(xs) - 1; df > 0 {
		e.Method = "t over draws"
		e.tInterval(math.Sqrt(sq/float64(df)/float64(len(xs))), df)
	}
	return e
}
