package binarize

import (
	"math"
	"slices"
	"sort"
)

// mostSalient is the largest number of salient columns that is tried in a
// block.
const mostSalient = 49

// percentiles returns the shares at which bounds between regions are tried,
// from 0.10 to 0.90: BiLLM's 81, and STBLLM's 160 for the lower of two bounds.
func percentiles(regions int) []float64 {
	n := 81
	if regions > 2 {
		n = 160
	}
	p := make([]float64, n)
	for i := range p {
		p[i] = 0.1 + 0.8*float64(i)/float64(n-1)
	}
	return p
}

// search looks for the salient columns of a block and the bounds of its
// regions.
type search struct {
	b     *binarizer
	lo, n int       // first column and number of columns
	q     []float64 // out×n: the matrix that is binarised on trial
	// order has the columns by falling sum of saliency; the first count of
	// them are salient.
	order   []int
	count   int
	salient []bool // by column
}

// newSearch ranks the columns of the block.
func (b *binarizer) newSearch(lo, hi int, w []float32) *search {
	s := &search{b: b, lo: lo, n: hi - lo, q: make([]float64, len(w)), salient: make([]bool, hi-lo)}
	sums := make([]float64, s.n)
	for i, x := range w {
		j := i % s.n
		v := float64(x)
		if b.o.Saliency == Hessian {
			u := b.u[lo+j]
			v = v * v / (u * u)
		}
		if s.q[i] = v; b.o.Search == OnWeights {
			s.q[i] = float64(x)
		}
		if s.kept(i/s.n, j) {
			sums[j] += math.Abs(v)
		}
	}
	for j := range s.n {
		s.order = append(s.order, j)
	}
	slices.SortStableFunc(s.order, func(a, b int) int {
		switch {
		case sums[a] > sums[b]:
			return -1
		case sums[a] < sums[b]:
			return 1
		}
		return 0
	})
	return s
}

// kept reports whether a weight of the block is stored.
func (s *search) kept(r, j int) bool {
	return s.b.o.Kept == nil || s.b.o.Kept[r*s.b.in+s.lo+j]
}

// run finds the salient columns, then the bounds that it returns, ascending.
func (s *search) run() []float64 {
	s.count = s.bestCount()
	for _, j := range s.order[:s.count] {
		s.salient[j] = true
	}
	return s.bestBounds()
}

// bestCount returns the number of salient columns with the least squared
// error when they get two terms and, as in the published code at this point,
// the others together do too. Of equal ones it is the smallest.
func (s *search) bestCount() int {
	most := min(mostSalient, s.n)
	errs := make([]float64, s.b.out*most)
	s.b.rows(s.n, func(r int, m *memory) {
		v := m.values[:0]
		var ends [mostSalient + 1]int // weights in so many columns
		for k, j := range s.order {
			if s.kept(r, j) {
				v = append(v, s.q[r*s.n+j])
			}
			if k < most {
				ends[k+1] = len(v)
			}
		}
		for k := 1; k <= most; k++ {
			_, _, a := fitTwo(m.rest, v[:ends[k]])
			_, _, b := fitTwo(m.rest, v[ends[k]:])
			errs[r*most+k-1] = a + b
		}
	})
	return 1 + least(errs, most)
}

// least returns the column of the least sum of a matrix of n columns, the
// first of equal ones.
func least(errs []float64, n int) int {
	sums := make([]float64, n)
	for i, e := range errs {
		sums[i%n] += e
	}
	best := 0
	for i, e := range sums {
		if e < sums[best] {
			best = i
		}
	}
	return best
}

// bestBounds returns the bounds of regions with the least squared error. One
// bound is one of 81 percentiles of |q| over the block; of two the lower is
// one of 160 and the other twice that, unless that is beyond the highest
// percentile. Where there is none such, nothing is cut off.
func (s *search) bestBounds() []float64 {
	tried := s.candidates()
	if len(tried) == 0 {
		return slices.Repeat([]float64{math.Inf(1)}, s.b.o.Regions-1)
	}
	errs := make([]float64, s.b.out*len(tried))
	s.b.rows(s.n, func(r int, m *memory) { s.regionErrors(r, m, tried, errs[r*len(tried):(r+1)*len(tried)]) })
	return tried[least(errs, len(tried))]
}

// candidates lists the bounds to try.
func (s *search) candidates() [][]float64 {
	// The published percentiles are of the whole block, with 0 for salient
	// weights; pruned ones have no part in it.
	all := make([]float64, 0, len(s.q))
	for i, v := range s.q {
		r, j := i/s.n, i%s.n
		switch {
		case !s.kept(r, j):
		case s.salient[j]:
			all = append(all, 0)
		default:
			all = append(all, math.Abs(v))
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	shares := percentiles(s.b.o.Regions)
	highest := quantile(all, shares[len(shares)-1])
	var tried [][]float64
	for _, p := range shares {
		switch v := quantile(all, p); {
		case s.b.o.Regions == 2:
			tried = append(tried, []float64{v})
		case 2*v <= highest:
			tried = append(tried, []float64{v, 2 * v})
		}
	}
	return tried
}

// quantile interpolates between the sorted values, the first at share 0 and
// the last at 1.
func quantile(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + float64((at-float64(i))*(sorted[j]-sorted[i]))
}

// regionErrors sets errs to the squared error of row r for each of the bounds.
func (s *search) regionErrors(r int, m *memory, tried [][]float64, errs []float64) {
	order := m.order[:0]
	for j := range s.n {
		if !s.salient[j] && s.kept(r, j) {
			order = append(order, j)
		}
	}
	q := s.q[r*s.n : (r+1)*s.n]
	slices.SortFunc(order, func(a, b int) int {
		switch x, y := math.Abs(q[a]), math.Abs(q[b]); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return a - b
	})
	v := m.values[:len(order)]
	for i, j := range order {
		v[i] = q[j]
	}
	// Many bounds cut a row at the same places.
	var cut, last [2]int
	for i, bounds := range tried {
		for k, bound := range bounds {
			cut[k] = sort.Search(len(v), func(i int) bool { return math.Abs(v[i]) >= bound })
		}
		if i > 0 && cut == last {
			errs[i] = errs[i-1]
			continue
		}
		last = cut
		from := 0
		for k := range bounds {
			_, e := fit(v[from:cut[k]])
			errs[i] += e
			from = cut[k]
		}
		_, e := fit(v[from:])
		errs[i] += e
	}
}
