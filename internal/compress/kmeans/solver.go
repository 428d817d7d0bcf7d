package kmeans

import (
	"fmt"
	"math"
	"slices"
)

// sums are prefix sums over the distinct values in ascending order.
type sums struct {
	m   float64 // Σ v
	mx  float64 // Σ v·x
	mxx float64 // Σ v·x²
}

// A Solver solves problems of up to a number of values, one after another,
// without allocating. It is for one goroutine.
type Solver struct {
	o      Options
	keys   []uint64 // order of the values: 32 bits of value, 32 of index
	sorter sorter
	// Distinct values in ascending order, less their unweighted mean, with
	// the summed weights of their copies.
	x, v     []float64
	p        []sums // len(x)+1
	mean     float64
	variance float64 // unweighted, of all values
	// cuts[i] and cuts[i+1] bound the members of centre i in x.
	cuts, old []int
	dp        program
	penalty   penalty
	near      []float64 // squared distance to the nearest centre: k-means++, relocation
	chance    []float64 // k-means++: running sums of v·near
	taken     []int     // values that relocation has made centres
}

// NewSolver returns a solver for problems of up to n values. It panics if o
// has a fault.
func NewSolver(n int, o Options) *Solver {
	if err := o.Check(); err != nil {
		panic(err)
	}
	return &Solver{
		o: o, keys: make([]uint64, n), sorter: sorter{other: make([]uint64, n)},
		x: make([]float64, n), v: make([]float64, n), p: make([]sums, n+1),
		cuts: make([]int, o.K+1), old: make([]int, o.K+1),
	}
}

// Solve writes the K centres of x with weights v to centres, ascending, and
// returns how it went. All of x must be finite, all of v positive and finite.
// The stream picks the random numbers of this problem under the options' seed.
func (s *Solver) Solve(centres []float64, x []float32, v []float64, stream uint64) Stats {
	if len(x) == 0 || len(x) != len(v) || len(centres) != s.o.K {
		panic(fmt.Sprintf("kmeans: %d values, %d weights, room for %d centres of %d", len(x), len(v), len(centres), s.o.K))
	}
	s.load(x, v)
	if len(s.x) <= s.o.K && s.distinctStart() {
		s.distinct(centres, x)
		return Stats{Empty: len(s.x) < s.o.K}
	}
	s.start(centres, stream)
	st := s.lloyd(centres)
	for i := range centres {
		centres[i] += s.mean
	}
	return st
}

// distinctStart reports whether a problem of at most K distinct values takes
// them as its centres. Linspace does not. k-means++ does of itself: a value
// that is no centre yet has a positive distance, one that is has none. So does
// relocation.
func (s *Solver) distinctStart() bool { return s.o.Start != Linspace }

// distinct writes the distinct values of x, of which there are at most
// len(centres), and repeats the last.
func (s *Solver) distinct(centres []float64, x []float32) {
	n := 0
	for i, key := range s.keys {
		if i == 0 || key>>32 != s.keys[i-1]>>32 {
			centres[n] = float64(x[uint32(key)])
			n++
		}
	}
	for i := n; i < len(centres); i++ {
		centres[i] = centres[n-1]
	}
}

// load sorts the values, merges equal ones and makes the prefix sums.
func (s *Solver) load(x []float32, v []float64) {
	s.keys = s.keys[:len(x)]
	var sum float64
	for i, f := range x {
		sum += float64(f)
		s.keys[i] = uint64(ordered(f))<<32 | uint64(i)
	}
	s.keys = s.sorter.sort(s.keys)
	s.mean = sum / float64(len(x))
	xs, vs, ps := s.x[:len(x)], s.v[:len(x)], s.p[:len(x)+1]
	var before, p sums // without the last value, and with it
	var square float64
	n, last := 0, ^uint64(0)
	for _, key := range s.keys {
		d := float64(unordered(uint32(key>>32))) - s.mean
		square += d * d
		w := v[uint32(key)]
		if key>>32 == last {
			n--
			w += vs[n]
			p = before
		}
		last = key >> 32
		xs[n], vs[n] = d, w
		before, p = p, sums{p.m + w, p.mx + w*d, p.mxx + w*d*d}
		n++
		ps[n] = p
	}
	s.x, s.v, s.p = xs[:n], vs[:n], ps[:n+1]
	s.variance = square / float64(len(x))
}

// ordered maps a finite float32 to an integer that sorts like it. Both zeros
// give the same.
func ordered(f float32) uint32 {
	b := math.Float32bits(f + 0) // -0 + 0 is +0
	return b ^ (uint32(int32(b)>>31) | 1<<31)
}

// unordered is the inverse of ordered.
func unordered(u uint32) float32 {
	return math.Float32frombits(u ^ (^uint32(int32(u)>>31) | 1<<31))
}

// centre returns the weighted mean of values [lo,hi), not empty. Where their
// weight is a small part of the prefix, the difference of prefix sums would
// have lost the digits, and the values are summed instead.
func (s *Solver) centre(lo, hi int) float64 {
	a, b := s.p[lo], s.p[hi]
	if m := b.m - a.m; m > 1e-4*b.m {
		return (b.mx - a.mx) / m
	}
	return s.direct(lo, hi)
}

// direct is centre by plain summation.
func (s *Solver) direct(lo, hi int) float64 {
	var m, mx float64
	for i := lo; i < hi; i++ {
		m += s.v[i]
		mx += s.v[i] * s.x[i]
	}
	return mx / m
}

// lloyd moves the centres, ascending, to the means of their members until a
// stopping rule holds. An empty cluster keeps its centre, which stays between
// its neighbours, because their means lie in their own cells; or, if the start
// says so, it is relocated.
func (s *Solver) lloyd(c []float64) Stats {
	limit, most := Tolerance*s.variance, s.o.Iterations
	if most == 0 {
		most = MaxIterations
	}
	var st Stats
	relocated := false
	for st.Iterations < most {
		st.Iterations++
		s.assign(c)
		var shift float64
		empty := s.empty()
		if st.Empty = st.Empty || empty > 0; empty > 0 && s.relocates() {
			s.farthest(c, empty)
			shift, relocated = s.moveTaken(c), true
		} else {
			shift, relocated = s.means(c), false
		}
		if shift <= limit || st.Iterations > 1 && slices.Equal(s.cuts, s.old) {
			break
		}
		copy(s.old, s.cuts)
	}
	for i := range c { // the last means once more, without cancellation
		if lo, hi := s.cuts[i], s.cuts[i+1]; lo < hi && !relocated {
			c[i] = s.direct(lo, hi)
		}
	}
	st.Inertia = s.inertia(c)
	return st
}

// empty returns the number of clusters without members.
func (s *Solver) empty() int {
	n := 0
	for i := range s.o.K {
		if s.cuts[i] == s.cuts[i+1] {
			n++
		}
	}
	return n
}

// means moves every centre to the mean of its members, if it has any, and
// returns the squared movement of all.
func (s *Solver) means(c []float64) (shift float64) {
	for i := range c {
		lo, hi := s.cuts[i], s.cuts[i+1]
		if lo == hi {
			continue
		}
		m := s.centre(lo, hi)
		shift += (m - c[i]) * (m - c[i])
		c[i] = m
	}
	return shift
}

// assign sets the cuts: a value in the middle between two centres belongs to
// the lower, and of equal centres the first has all members.
func (s *Solver) assign(c []float64) {
	s.cuts[0] = 0
	for i := range len(c) - 1 {
		mid := (c[i] + c[i+1]) / 2
		for next := i + 1; c[i] == c[next]; next++ {
			if next == len(c)-1 {
				mid = math.Inf(1)
				break
			}
			mid = (c[i] + c[next+1]) / 2
		}
		lo, hi := s.cuts[i], len(s.x)
		for lo < hi {
			if h := int(uint(lo+hi) >> 1); s.x[h] <= mid {
				lo = h + 1
			} else {
				hi = h
			}
		}
		s.cuts[i+1] = lo
	}
	s.cuts[len(c)] = len(s.x)
}

// inertia returns the weighted sum of squared distances of the values to the
// nearest of the centres, and leaves the cuts of these centres behind.
func (s *Solver) inertia(c []float64) float64 {
	s.assign(c)
	var sum float64
	for i := range c {
		for j := s.cuts[i]; j < s.cuts[i+1]; j++ {
			d := s.x[j] - c[i]
			sum += s.v[j] * d * d
		}
	}
	return sum
}
