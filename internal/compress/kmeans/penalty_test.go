package kmeans

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPenalty: the penalty finds what the programme finds, for any number of
// clusters; on evenly spaced values too, where many numbers of clusters are the
// best at one price and the path has to be spliced.
func TestPenalty(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	even := func(n int) ([]float32, []float64) {
		x, v := make([]float32, n), make([]float64, n)
		for i := range x {
			x[i], v[i] = float32(i), 1
		}
		return x, v
	}
	clumped := func(n int) ([]float32, []float64) {
		x, v := make([]float32, n), make([]float64, n)
		for i := range x {
			x[i], v[i] = float32(100*(i%7)+i/7), float64(1+rnd.IntN(3))
		}
		return x, v
	}
	for name, problem := range map[string]func() ([]float32, []float64){
		"gauss":   func() ([]float32, []float64) { return synthetic(law{n: 300}, 1) },
		"heavy":   func() ([]float32, []float64) { return synthetic(law{400, 1, 1}, 2) },
		"spread":  func() ([]float32, []float64) { return synthetic(law{400, 0.2, 3}, 3) },
		"even":    func() ([]float32, []float64) { return even(240) },
		"clumped": func() ([]float32, []float64) { return clumped(210) },
	} {
		x, v := problem()
		for _, k := range []int{1, 2, 3, 7, 16, 100, len(x) - 1} {
			s := NewSolver(len(x), Options{K: k, Start: Exact})
			s.load(x, v)
			s.bins(len(s.x))
			want, got := make([]float64, k), make([]float64, k)
			s.programme(want)
			s.priced(got)
			if e, best := s.inertia(got), s.inertia(want); !(e <= best*(1+1e-9)) || !slices.IsSorted(got) {
				t.Errorf("%s, %d clusters: inertia %v, want %v", name, k, e, best)
			}
		}
	}
}
