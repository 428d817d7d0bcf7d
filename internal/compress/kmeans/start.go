package kmeans

import (
	"math"
	"math/rand/v2"
	"slices"
)

// linspaceUpTo is the number of centres up to which LeanQuant's code starts
// from an even spacing, and with more from k-means++.
const linspaceUpTo = 8

// The Histogram start has at most binsPerCentre bins for every centre, or
// leastBins.
const (
	binsPerCentre = 8
	leastBins     = 64
)

// start writes the first centres.
func (s *Solver) start(c []float64, stream uint64) {
	switch s.o.Start {
	case Exact:
		s.optimum(c, len(s.x))
	case Histogram:
		s.optimum(c, max(binsPerCentre*len(c), leastBins))
	case Linspace:
		s.linspace(c)
	case Published:
		if len(c) <= linspaceUpTo {
			s.linspace(c)
			return
		}
		s.plusplus(c, rand.New(rand.NewPCG(s.o.Seed, stream)))
	case PlusPlus:
		s.plusplus(c, rand.New(rand.NewPCG(s.o.Seed, stream)))
	}
}

// linspace spaces the centres evenly over the range, ends included.
func (s *Solver) linspace(c []float64) {
	lo, hi := s.x[0], s.x[len(s.x)-1]
	c[0] = lo
	for i := 1; i < len(c); i++ {
		c[i] = lo + float64(i)*((hi-lo)/float64(len(c)-1))
	}
	if len(c) > 1 {
		c[len(c)-1] = hi
	}
}

// plusplus is greedy k-means++ as scikit-learn has it: the first centre is
// drawn by weight; each next one is the best of 2 + ⌊ln K⌋ draws by weight
// times squared distance to the nearest centre so far. There must be more
// than K distinct values.
func (s *Solver) plusplus(c []float64, rnd *rand.Rand) {
	s.near = slices.Grow(s.near[:0], len(s.x))[:len(s.x)]
	trials := 2 + int(math.Log(float64(len(c))))
	for i := range s.near {
		s.near[i] = 1 // the first draw is by weight alone
	}
	first := s.x[s.draw(rnd)]
	c[0] = first
	for i, x := range s.x {
		s.near[i] = (x - first) * (x - first)
	}
	for n := 1; n < len(c); n++ {
		best, potential := 0.0, math.Inf(1)
		for range trials {
			x := s.x[s.draw(rnd)]
			if p := s.potential(x); p < potential {
				best, potential = x, p
			}
		}
		c[n] = best
		for i, x := range s.x {
			s.near[i] = min(s.near[i], (x-best)*(x-best))
		}
	}
	slices.Sort(c)
}

// draw returns an index with probability proportional to v·near.
func (s *Solver) draw(rnd *rand.Rand) int {
	var total float64
	last := 0
	for i, v := range s.v {
		if p := v * s.near[i]; p > 0 {
			total += p
			last = i
		}
	}
	u := rnd.Float64() * total
	for i, v := range s.v {
		if u -= v * s.near[i]; u < 0 {
			return i
		}
	}
	return last
}

// potential returns the inertia with one more centre.
func (s *Solver) potential(c float64) float64 {
	var sum float64
	for i, x := range s.x {
		sum += s.v[i] * min(s.near[i], (x-c)*(x-c))
	}
	return sum
}
