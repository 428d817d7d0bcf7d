package divergence

import (
	"fmt"
	"math"
	"slices"
)

// A Percentile is one of the values of all scored tokens of a case.
type Percentile struct {
	Name  string // "p99.9", "min", "max"
	Value float64
}

// tails are the percentiles wanted: of the KL divergence, whose small values
// tell nothing, from the median up; of Δp on both sides.
var (
	upperTail = []float64{50, 90, 95, 99, 99.9}
	bothTails = []float64{0.1, 1, 5, 10, 50, 90, 95, 99, 99.9}
)

// OfKL returns median, p90, p95, p99, p99.9 and maximum of the KL divergences
// of tokens; OfDP p0.1 to p99.9 of Δp, minimum and maximum. A percentile is
// left out where there are too few tokens for it (minimalN).
func OfKL(tokens []Token) []Percentile {
	all := percentiles(tokens, upperTail, func(t Token) float64 { return t.KL })
	return slices.DeleteFunc(all, func(p Percentile) bool { return p.Name == "min" })
}

// OfDP: see OfKL.
func OfDP(tokens []Token) []Percentile {
	return percentiles(tokens, bothTails, func(t Token) float64 { return t.DP })
}

// percentiles returns those in percent that tokens support, between the
// smallest and the largest value. A percentile is a linear interpolation
// between closest ranks (Hyndman and Fan's type 7).
func percentiles(tokens []Token, percent []float64, of func(Token) float64) []Percentile {
	if len(tokens) == 0 {
		return nil
	}
	xs := make([]float64, len(tokens))
	for i, t := range tokens {
		xs[i] = of(t)
	}
	slices.Sort(xs)
	out := []Percentile{{"min", xs[0]}}
	for _, p := range percent {
		if len(xs) < minimalN(p/100) {
			continue
		}
		h := float64(len(xs)-1) * p / 100
		i := int(h)
		v := xs[i]
		if i+1 < len(xs) {
			v += (h - float64(i)) * (xs[i+1] - v)
		}
		out = append(out, Percentile{fmt.Sprintf("p%g", p), v})
	}
	return append(out, Percentile{"max", xs[len(xs)-1]})
}

// minimalN is the smallest number of values that can support quantile p: the
// least n of which the largest lies above it, or the smallest below one under
// the median, with probability 0.95 (protocol.md 2.1).
func minimalN(p float64) int {
	return int(math.Ceil(math.Log(0.05) / math.Log(max(p, 1-p))))
}
