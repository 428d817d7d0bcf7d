package kmeans

import "slices"

// relocates reports whether an empty cluster moves to the value that is
// farthest from its centre, as in scikit-learn, which the published code of
// LeanQuant and SqueezeLLM calls. Equal values count as one here.
func (s *Solver) relocates() bool { return s.o.Start == Published || s.o.Start == PlusPlus }

// farthest sets taken to the values that are farthest from their centres under
// the present cuts, as many as asked for, those at a distance of 0 excepted.
func (s *Solver) farthest(c []float64, n int) {
	s.taken = s.taken[:0]
	s.near = slices.Grow(s.near[:0], len(s.x))[:len(s.x)]
	for i := range c {
		for j := s.cuts[i]; j < s.cuts[i+1]; j++ {
			s.near[j] = (s.x[j] - c[i]) * (s.x[j] - c[i])
		}
	}
	for range n {
		far := 0
		for j, d := range s.near {
			if d > s.near[far] {
				far = j
			}
		}
		if !(s.near[far] > 0) {
			return
		}
		s.taken = append(s.taken, far)
		s.near[far] = 0
	}
}

// moveTaken makes a centre of every value taken, in place of an empty cluster's,
// and means of the members that are left. A cluster that loses its last member
// joins the heaviest, from which it is relocated next time.
func (s *Solver) moveTaken(c []float64) (shift float64) {
	old := slices.Clone(c)
	var lost []int
	heaviest, most := 0, 0.0
	next := 0
	for i := range c {
		m, mx := 0.0, 0.0
		for j := s.cuts[i]; j < s.cuts[i+1]; j++ {
			if !slices.Contains(s.taken, j) {
				m += s.v[j]
				mx += s.v[j] * s.x[j]
			}
		}
		switch {
		case m > 0:
			c[i] = mx / m
		case s.cuts[i] == s.cuts[i+1] && next < len(s.taken):
			j := s.taken[next]
			m, c[i] = s.v[j], s.x[j]
			next++
		default:
			lost = append(lost, i)
		}
		if m > most {
			heaviest, most = i, m
		}
	}
	for _, i := range lost {
		c[i] = c[heaviest]
	}
	for i := range c {
		shift += (c[i] - old[i]) * (c[i] - old[i])
	}
	slices.Sort(c)
	return shift
}
