package kmeans

import (
	"math"
	"slices"
)

// A penalty finds the optimum where levels of clusters would be too dear. With
// a price on every cluster the best partition is a shortest path over the bins,
// found in one pass whatever the number of clusters; the higher the price, the
// fewer clusters. The inertia of runs is a Monge cost (the quadrangle
// inequality), so the least inertia is convex in the number of clusters and
// every number is the best one at some price (Aggarwal, Schieber and Tokuyama,
// "Finding a minimum-weight k-link path in graphs with the concave Monge
// property", Discrete Comput. Geom. 12, 1994).
type penalty struct {
	p     []sums    // prefix sums at the edges of the bins
	f     []float64 // least inertia and price of the first j bins
	from  []int32   // where the last cluster of that begins
	queue []candidate
	// Paths of the last price that gave more clusters than wanted and of the
	// last that gave fewer, from 0 to the last bin.
	more, fewer, path []int32
}

// A candidate may be where the last cluster begins, for ends from first on,
// until the next candidate's first.
type candidate struct{ from, first int32 }

// search leaves in d.path the ends of the best k clusters of the bins, of which
// there are more than k, behind a 0. The guess is a price near the right one.
func (d *penalty) search(k int, guess float64) {
	n := len(d.p) - 1
	d.f = slices.Grow(d.f[:0], n+1)[:n+1]
	d.from = slices.Grow(d.from[:0], n+1)[:n+1]
	price, least, most := guess, 0., math.Inf(1)
	d.more, d.fewer = d.more[:0], append(d.fewer[:0], 0, int32(n))
	for i := range n + 1 { // at no price every bin is a cluster
		d.more = append(d.more, int32(i))
	}
	const passes = 100 // bisection of float64 alone would take some 70
	for range passes {
		d.run(price)
		got := d.trace()
		switch {
		case got == k:
			return
		case got > k:
			least = price
			d.more, d.path = d.path, d.more
		default:
			most = price
			d.fewer, d.path = d.path, d.fewer
		}
		if price = d.next(price, least, most, got, k); !(price > least && price < most) {
			break
		}
	}
	d.splice(k)
}

// next returns the price to try after one that gave got clusters. Their number
// falls with about the third root of the price.
func (d *penalty) next(price, least, most float64, got, k int) float64 {
	if least == 0 || math.IsInf(most, 1) {
		r := float64(got) / float64(k)
		return price * r * r * r
	}
	more, fewer := math.Log(float64(len(d.more)-1)), math.Log(float64(len(d.fewer)-1))
	part := (more - math.Log(float64(k))) / (more - fewer)
	// Not so near to a bound that the bracket hardly shrinks.
	part = min(max(part, 0.1), 0.9)
	return least * math.Pow(most/least, part)
}

// run finds the shortest path of the given price for a cluster.
func (d *penalty) run(price float64) {
	n := int32(len(d.p) - 1)
	q, head := append(d.queue[:0], candidate{0, 1}), 0
	for j := int32(1); ; j++ {
		for head+1 < len(q) && q[head+1].first <= j {
			head++
		}
		i := q[head].from
		d.f[j], d.from[j] = d.f[i]+inertia(&d.p[i], &d.p[j])+price, i
		if j == n {
			break
		}
		// j wins against an earlier candidate from some end on, or never.
		for len(q) > head && d.better(j, q[len(q)-1].from, max(q[len(q)-1].first, j+1)) {
			q = q[:len(q)-1]
		}
		if len(q) == head {
			q = append(q, candidate{j, j + 1})
			continue
		}
		last := q[len(q)-1]
		if first := d.overtakes(j, last.from, max(last.first, j+1), n); first <= n {
			q = append(q, candidate{j, first})
		}
	}
	d.queue = q
}

// better reports whether a last cluster up to end should begin at a, not at b.
func (d *penalty) better(a, b, end int32) bool {
	return d.f[a]+inertia(&d.p[a], &d.p[end]) < d.f[b]+inertia(&d.p[b], &d.p[end])
}

// overtakes returns the first end in (behind, n] from which a is better than b,
// n+1 if there is none.
func (d *penalty) overtakes(a, b, behind, n int32) int32 {
	step := int32(1)
	for behind+step <= n && !d.better(a, b, behind+step) {
		behind += step
		step *= 2
	}
	lo, hi := behind, min(behind+step, n+1)
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; d.better(a, b, mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// trace writes the path of the last run to d.path and returns its clusters.
func (d *penalty) trace() int {
	d.path = d.path[:0]
	for j := int32(len(d.p) - 1); j > 0; j = d.from[j] {
		d.path = append(d.path, j)
	}
	d.path = append(d.path, 0)
	slices.Reverse(d.path)
	return len(d.path) - 1
}

// splice makes a path of k clusters of d.more and d.fewer, which cost the same
// at the price where one becomes the other: where a cluster of the one lies
// within a cluster of the other, the two may change over, and by the quadrangle
// inequality the sum of both does not grow.
func (d *penalty) splice(k int) {
	extra := k - (len(d.fewer) - 1)
	for a := range len(d.fewer) - 1 {
		// The cluster of d.more that k clusters would have here.
		if b := a + extra; d.more[b+1] <= d.fewer[a+1] {
			d.path = append(append(d.path[:0], d.more[:b+1]...), d.fewer[a+1:]...)
			return
		}
	}
	panic("kmeans: two paths do not cross")
}
