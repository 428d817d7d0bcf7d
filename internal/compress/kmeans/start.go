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
	s.chance = slices.Grow(s.chance[:0], len(s.x))[:len(s.x)]
	trials := 2 + int(math.Log(float64(len(c))))
	for i := range s.near {
		s.near[i] = 1 // the first draw is by weight alone
	}
	s.chances()
	first := s.draw(rnd)
	c[0] = s.x[first]
	for i, x := range s.x {
		s.near[i] = (x - c[0]) * (x - c[0])
	}
	for n := 1; n < len(c); n++ {
		s.chances()
		best, most := 0, -1.
		for range trials {
			i := s.draw(rnd)
			if g := s.gain(i); g > most {
				best, most = i, g
			}
		}
		c[n] = s.x[best]
		lo, hi := s.reach(best)
		for i := lo; i < hi; i++ {
			s.near[i] = (s.x[i] - c[n]) * (s.x[i] - c[n])
		}
	}
	slices.Sort(c)
}

// chances sets chance to the running sums of v·near.
func (s *Solver) chances() {
	var sum float64
	for i, v := range s.v {
		sum += v * s.near[i]
		s.chance[i] = sum
	}
}

// draw returns an index with probability proportional to v·near.
func (s *Solver) draw(rnd *rand.Rand) int {
	u := rnd.Float64() * s.chance[len(s.chance)-1]
	lo, hi := 0, len(s.chance)-1
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); s.chance[mid] > u {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// reach returns the range of values that are nearer to value i than to any
// centre, value i among them.
func (s *Solver) reach(i int) (lo, hi int) {
	nearer := func(j int) bool { return (s.x[j]-s.x[i])*(s.x[j]-s.x[i]) < s.near[j] }
	for lo = i; lo > 0 && nearer(lo-1); lo-- {
	}
	for hi = i + 1; hi < len(s.x) && nearer(hi); hi++ {
	}
	return lo, hi
}

// gain returns what a centre at value i takes off the inertia.
func (s *Solver) gain(i int) float64 {
	lo, hi := s.reach(i)
	var sum float64
	for j := lo; j < hi; j++ {
		sum += s.v[j] * (s.near[j] - (s.x[j]-s.x[i])*(s.x[j]-s.x[i]))
	}
	return sum
}
