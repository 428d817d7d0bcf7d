// Package summary turns records into estimates with intervals, joined and
// compared with the baseline case by case. It computes every statistic of the
// tables and renders nothing. Doubt is part of an estimate: its warnings travel
// with it, and what the data cannot support is missing with a reason.
package summary

import (
	"fmt"
	"math"
	"slices"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is the nominal confidence of every interval, 1-Alpha.
const (
	Confidence = 0.95
	Alpha      = 1 - Confidence
)

// An Estimate is one number of a table with what is known of its precision.
type Estimate struct {
	N     int     // independent values behind it: windows, blocks
	Value float64 // NaN when Missing
	// Lo and Hi are the ends of the interval; NaN when there is none, because the
	// number is exact or N too small (then a warning says so).
	Lo, Hi float64
	// Confidence is what the interval achieves, at least the nominal 0.95; 0
	// without an interval.
	Confidence float64
	Method     string // of the interval
	// P is the two-sided p of the test that the value is 1 (a ratio); NaN when
	// none was made. Adjusted is P after Holm's correction within the table.
	P, Adjusted float64
	Significant bool     // Adjusted <= Alpha, and not WithinNoise
	WithinNoise bool     // a ratio of times that is no further from 1 than the A/A noise or control
	Missing     string   // why there is no value; empty when there is one
	Warnings    []string // reasons to doubt the numbers above
}

// exact returns the estimate of a number without chance in it.
func exact(v float64) Estimate {
	return Estimate{N: 1, Value: v, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Adjusted: math.NaN()}
}

// Exact returns the estimate of a number that follows from exact ones.
func Exact(v float64) Estimate { return exact(v) }

// Missing returns an estimate that could not be made, with the reason.
func Missing(format string, args ...any) Estimate { return missing(format, args...) }

// missing returns an estimate that could not be made.
func missing(format string, args ...any) Estimate {
	e := exact(math.NaN())
	e.N, e.Missing = 0, fmt.Sprintf(format, args...)
	return e
}

// HasInterval says whether Lo and Hi are given.
func (e Estimate) HasInterval() bool { return !math.IsNaN(e.Lo) }

// warn adds a warning.
func (e *Estimate) warn(format string, args ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...))
}

// exp returns the estimate of exp of what e estimates.
func (e Estimate) exp() Estimate {
	e.Value, e.Lo, e.Hi = math.Exp(e.Value), math.Exp(e.Lo), math.Exp(e.Hi)
	return e
}

// tInterval gives e the interval Value ± t·se with df degrees of freedom.
func (e *Estimate) tInterval(se float64, df int) {
	h := studentT(df).Quantile(1-Alpha/2) * se
	e.Lo, e.Hi, e.Confidence = e.Value-h, e.Value+h, Confidence
}

// studentT is Student's distribution with df degrees of freedom.
func studentT(df int) distuv.StudentsT { return distuv.StudentsT{Sigma: 1, Nu: float64(df)} }

// MedianRank returns the largest rank l, from 1, such that the l-th smallest and
// the l-th largest of n independent values enclose the median with at least the
// nominal confidence, and the confidence achieved, 1 - 2·P(Bin(n,½) < l). It
// returns 0, 0 for n < 6, where there is none.
func MedianRank(n int) (l int, confidence float64) {
	if n < 1 {
		return 0, 0
	}
	b := distuv.Binomial{N: float64(n), P: 0.5}
	tail := 0.0 // P(Bin < l+1) as l grows
	for {
		next := tail + b.Prob(float64(l))
		if 2*next > Alpha {
			break
		}
		tail = next
		l++
	}
	if l == 0 {
		return 0, 0
	}
	return l, 1 - 2*tail
}

// Median returns the median of xs with its order-statistic interval, which
// assumes nothing but independence.
func Median(xs []float64) Estimate {
	if len(xs) == 0 {
		return missing("no values")
	}
	s := slices.Sorted(slices.Values(xs))
	e := exact((s[(len(s)-1)/2] + s[len(s)/2]) / 2)
	e.N, e.Method = len(s), "order statistics"
	l, confidence := MedianRank(len(s))
	if l == 0 {
		e.warn("%s: an interval of the median needs at least 6", count(len(s), "value"))
		return e
	}
	e.Lo, e.Hi, e.Confidence = s[l-1], s[len(s)-l], confidence
	return e
}

// MinimalN returns the smallest number of values that can support quantile p:
// the least n whose largest value lies above it with probability 0.95,
// 1 - pⁿ >= 0.95 (protocol.md 2.1).
func MinimalN(p float64) int { return int(math.Ceil(math.Log(Alpha) / math.Log(p))) }

// Percentile returns quantile p of xs, a linear interpolation between closest
// ranks (Hyndman and Fan's type 7). It is missing when there are fewer than MinimalN(p)
// values.
func Percentile(xs []float64, p float64) Estimate {
	if n := MinimalN(p); len(xs) < n {
		return missing("%s: p%g needs at least %d", count(len(xs), "value"), 100*p, n)
	}
	v, err := stats.Percentile(xs, 100*p)
	if err != nil {
		return missing("p%g of %s: %v", 100*p, count(len(xs), "value"), err)
	}
	e := exact(v)
	e.N, e.Method = len(xs), "type 7"
	return e
}

// count returns "1 window", "2 windows".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %s", n, plural(noun))
}

// plural returns the plural of a noun.
func plural(noun string) string {
	if noun == "matrix" {
		return "matrices"
	}
	return noun + "s"
}
