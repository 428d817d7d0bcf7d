package kmeans

import (
	"math"
	"slices"
)

// bins sets the edges of the histogram. Up to limit distinct values have a bin
// each. Otherwise every bin takes as many values as keep its inertia below a
// bound, the same for all bins, that makes for three quarters of limit to limit
// bins. Cells of equal inertia are those of the best quantiser with as many
// levels (Panter and Dite, "Quantization distortion in pulse-count modulation
// with nonuniform spacing of levels", Proc. IRE 39(1), 1951), so the histogram
// is fine wherever a cut may be worth a place, in tails too.
func (s *Solver) bins(limit int) {
	n := len(s.x)
	e := s.dp.edges[:0]
	if n <= limit {
		for i := range n + 1 {
			e = append(e, i)
		}
		s.dp.edges = e
		return
	}
	// A bound that gave too many bins, and one that gave too few.
	low, high := 0.0, math.Inf(1)
	aim := 7. / 8 * float64(limit)
	bound := s.bound(aim)
	for range 10 {
		e = s.cut(e[:0], bound, limit)
		factor := 2. // for the next bound
		if got := len(e) - 1; e[got] == n {
			if 4*got >= 3*limit {
				s.dp.edges = e
				return
			}
			high = bound
			f := float64(got) / aim
			factor = f * f * f
		} else {
			low = bound
		}
		if bound *= factor; !(bound > low && bound < high) {
			bound = math.Sqrt(low) * math.Sqrt(high)
		}
	}
	// Most of the weight lies in a few values.
	if e[len(e)-1] < n {
		e = s.cut(e[:0], high, limit)
	}
	s.dp.edges = fill(e, n, limit)
}

// bound estimates the inertia of a bin when there are aim of them. A part of
// the values whose inertia is I makes (I/bound)^(1/3) bins, as it does
// exactly where values are evenly spread.
func (s *Solver) bound(aim float64) float64 {
	n := len(s.x)
	const parts = 16 // of equal counts, the outer two halved time and again
	var sum float64
	last := 0
	to := func(i int) {
		if i > last {
			sum += math.Cbrt(inertia(&s.p[last], &s.p[i]))
			last = i
		}
	}
	for i := 2; i < n/parts; i *= 2 {
		to(i)
	}
	for i := 1; i < parts; i++ {
		to(i * n / parts)
	}
	for i := n / parts / 2; i > 1; i /= 2 {
		to(n - i)
	}
	to(n)
	return sum * sum * sum / (aim * aim * aim)
}

// cut appends edges of bins of at most the given inertia, or of one value, and
// stops where the limit of bins is reached, at the end of the values or not.
func (s *Solver) cut(e []int, bound float64, limit int) []int {
	n := len(s.x)
	e = append(e, 0)
	for lo, step := 0, 1; lo < n && len(e) <= limit; {
		// Bins [lo,in) are within the bound, and [lo,out) beyond it or the end.
		in, out := lo+1, n+1
		for i := lo + step + 1; i < out; i += step {
			if inertia(&s.p[lo], &s.p[i]) > bound {
				out = i
				break
			}
			in = i
			step *= 2
		}
		for out-in > 1 {
			mid := int(uint(in+out) / 2)
			if inertia(&s.p[lo], &s.p[mid]) > bound {
				out = mid
			} else {
				in = mid
			}
		}
		step = max((in-lo)/2, 1)
		lo = in
		e = append(e, lo)
	}
	return e
}

// fill adds edges of bins of equal counts, up to the limit.
func fill(e []int, n, limit int) []int {
	more := limit - (len(e) - 1)
	for i := 1; i < more; i++ {
		e = append(e, i*n/more)
	}
	slices.Sort(e)
	return slices.Compact(e)
}
