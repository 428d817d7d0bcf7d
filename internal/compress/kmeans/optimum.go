package kmeans

import "slices"

// A program is the dynamic programme of optimum: F_l(j), the least inertia of
// the first j bins in l clusters, is the least over i of F_(l-1)(i) plus the
// inertia of bins [i,j) in one cluster. The best i never falls as j grows, so
// one level takes O(bins·log bins) by divide and conquer.
type program struct {
	edges      []int     // first value of every bin, and the end
	p          []sums    // prefix sums at the edges
	best, next []float64 // F_(l-1) and F_l
	from       []int32   // best i of every level and j
	level      []int32   // the row of from that is being filled
	before     []int32   // the row of the level before
	l          int
}

// programBins is the number of bins up to which the programme is used. With
// more, and the more clusters there are, the penalty is faster.
const programBins = 128

// optimum writes the means of the best partition of the values into len(c)
// clusters that does not cut a bin, with at most the given number of bins.
// There must be more than len(c) distinct values.
func (s *Solver) optimum(c []float64, bins int) {
	s.bins(max(bins, len(c)))
	if n := len(s.dp.edges) - 1; n > programBins && n > len(c) {
		s.priced(c)
		return
	}
	s.programme(c)
}

// priced is optimum by a penalty.
func (s *Solver) priced(c []float64) {
	d := &s.penalty
	d.p = d.p[:0]
	for _, e := range s.dp.edges {
		d.p = append(d.p, s.p[e])
	}
	// With clusters of inertia e in equal balance, k of them have k·e, which
	// falls with 1/k²: one more saves 2·e.
	d.search(len(c), 2*s.bound(float64(len(c))))
	for i := range c {
		c[i] = s.centre(s.dp.edges[d.path[i]], s.dp.edges[d.path[i+1]])
	}
}

// programme is optimum by the programme.
func (s *Solver) programme(c []float64) {
	d := &s.dp
	n, k := len(d.edges)-1, len(c)
	d.p = d.p[:0]
	for _, e := range d.edges {
		d.p = append(d.p, s.p[e])
	}
	d.best = slices.Grow(d.best[:0], n+1)[:n+1]
	d.next = slices.Grow(d.next[:0], n+1)[:n+1]
	d.from = slices.Grow(d.from[:0], k*(n+1))[:k*(n+1)]
	clear(d.from)
	for j := range n + 1 {
		d.best[j] = inertia(&d.p[0], &d.p[j])
	}
	for d.l = 2; d.l <= k; d.l++ {
		d.before, d.level = d.from[(d.l-2)*(n+1):(d.l-1)*(n+1)], d.from[(d.l-1)*(n+1):d.l*(n+1)]
		first := d.l
		if d.l == k {
			first = n // nothing asks for the rest of the last level
		}
		d.solve(first, n, d.l-1, n-1)
		d.best, d.next = d.next, d.best
	}
	for l, j := k, n; l >= 1; l-- {
		i := int(d.from[(l-1)*(n+1)+j])
		c[l-1] = s.centre(d.edges[i], d.edges[j])
		j = i
	}
}

// inertia returns the inertia of the values between two prefixes in one
// cluster.
func inertia(a, b *sums) float64 {
	m, mx := b.m-a.m, b.mx-a.mx
	if !(m > 0) { // so light beside the rest that the sums do not show it
		return 0
	}
	if e := b.mxx - a.mxx - mx*mx/m; e > 0 {
		return e
	}
	return 0
}

// solve fills level l for j in [jlo,jhi], whose best i lie in [ilo,ihi].
func (d *program) solve(jlo, jhi, ilo, ihi int) {
	for jlo <= jhi {
		j := (jlo + jhi) / 2
		best, at := 0.0, -1
		// The inertia of [i,j) grows as i falls: when it alone reaches the
		// best sum, no smaller i can win. Nor can one below the best i for
		// the same j with a cluster less.
		top, end := min(ihi, j-1), &d.p[j]
		for i, stop := top, min(top, max(ilo, int(d.before[j]))); i >= stop; i-- {
			c := inertia(&d.p[i], end)
			if at >= 0 && c >= best {
				break
			}
			if f := d.best[i] + c; at < 0 || f < best {
				best, at = f, i
			}
		}
		d.next[j], d.level[j] = best, int32(at)
		d.solve(jlo, j-1, ilo, at)
		jlo, ilo = j+1, at
	}
}
