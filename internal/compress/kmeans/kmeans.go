// Package kmeans clusters weighted numbers on the line: the tables of
// SketchTune (methods.md 2.2, step 7). A problem is one row and group of
// input channels of a weight matrix; its numbers are sorted once, and every
// later step reads prefix sums instead of distances. Arithmetic is float64.
// It knows nothing of codes, 16-bit tables or error compensation.
package kmeans

import (
	"fmt"
	"slices"
	"sync"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A Start names the way to the centres from which Lloyd's iteration begins.
type Start string

// The starts.
const (
	// Histogram is the exact optimum of a histogram of at most 8·K, or 64,
	// bins of about equal inertia. A problem with at most so many distinct
	// values has a bin for each and is solved exactly; one with at most K
	// takes its values as centres. Ours.
	Histogram Start = "histogram"
	// Linspace spaces the centres evenly from the smallest to the largest
	// value, both included. A centre may stay without members.
	Linspace Start = "linspace"
	// Published is the rule of LeanQuant's code: an even spacing for at most 8
	// centres, seeded k-means++ for more. A cluster that becomes empty moves
	// to the value that is farthest from its centre.
	Published Start = "published"
	// Exact is the optimum over all partitions, to the precision of sums in
	// float64: it may be lost where weights differ by a factor of 10³⁰ or more.
	Exact Start = "exact"
	// PlusPlus is seeded k-means++ for any number of centres, as SqueezeLLM's
	// code has it, with empty clusters as in Published.
	PlusPlus Start = "k-means++"
)

// Starts lists the starts, the default first.
func Starts() []Start { return []Start{Histogram, Linspace, Published, Exact, PlusPlus} }

// Lloyd's iteration stops after Options.Iterations, or when no member changes its
// cluster, or when the squared movement of all centres is at most Tolerance
// times the unweighted variance of the values, as in scikit-learn.
const (
	MaxIterations = 100
	Tolerance     = 1e-6
)

// Options say what to compute.
type Options struct {
	K     int   // centres, at least 1
	Start Start // one of Starts
	Seed  uint64
	// Iterations of Lloyd at most; 0 is MaxIterations.
	Iterations int
}

// Check returns the first fault of o.
func (o Options) Check() error {
	if o.K < 1 {
		return fmt.Errorf("kmeans: centres: %d, want at least 1", o.K)
	}
	if o.Iterations < 0 {
		return fmt.Errorf("kmeans: iterations: %d, want 0 or more", o.Iterations)
	}
	if !slices.Contains(Starts(), o.Start) {
		return fmt.Errorf("kmeans: start: %q, want one of %q", o.Start, Starts())
	}
	return nil
}

// Stats describe one solved problem.
type Stats struct {
	// Inertia is the weighted sum of squared distances to the nearest centre.
	Inertia    float64
	Iterations int  // of Lloyd
	Empty      bool // a cluster was without members at some iteration
}

// Tables holds the centres of a matrix with G groups of columns.
type Tables struct {
	Centres []float64 // out×G×K, ascending within a table, up to rounding
	Stats   []Stats   // out×G
	k       int
}

// chunk is the number of rows that a goroutine takes at a time.
const chunk = 16

// Rows clusters every row and group of the out×in matrix w, row-major. Group
// g holds columns [g·in/groups, (g+1)·in/groups); groups must divide in. The
// weight of a value is that of its column, v, positive and finite. Every
// value of w must be finite. A table depends on its row, its position and o
// alone, not on threads.
func Rows(cfg gemm.Config, w []float32, out, in, groups int, v []float64, o Options) (*Tables, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if groups < 1 || in%groups != 0 {
		return nil, fmt.Errorf("kmeans: groups: %d do not divide %d columns", groups, in)
	}
	if len(w) != out*in || len(v) != in {
		panic(fmt.Sprintf("kmeans: %d weights and %d column weights for %d×%d", len(w), len(v), out, in))
	}
	t := &Tables{Centres: make([]float64, out*groups*o.K), Stats: make([]Stats, out*groups), k: o.K}
	width := in / groups
	solvers := sync.Pool{New: func() any { return NewSolver(width, o) }}
	cfg.Parallel((out+chunk-1)/chunk, func(i int) {
		s := solvers.Get().(*Solver)
		defer solvers.Put(s)
		for p := i * chunk * groups; p < min((i+1)*chunk, out)*groups; p++ {
			g := p % groups
			x := w[p*width : (p+1)*width]
			t.Stats[p] = s.Solve(t.Centres[p*o.K:(p+1)*o.K], x, v[g*width:(g+1)*width], uint64(p))
		}
	})
	return t, nil
}

// OverOptimum returns the inertia of tables that Rows made of w and v over the
// least possible one, both summed over tables at equal steps in which there are
// at least so many weights, or all. It is 1 where both are 0, and absent where
// only the latter is.
func (t *Tables) OverOptimum(cfg gemm.Config, w []float32, out, in int, v []float64, weights int) (ratio float64, ok bool) {
	groups := len(t.Stats) / out
	width := in / groups
	step := max(1, len(w)/weights)
	if step%groups == 0 && step > 1 { // not the same group of every row
		step--
	}
	n := (len(t.Stats) + step - 1) / step
	optimum := make([]float64, n)
	o := Options{K: t.k, Start: Exact}
	solvers := sync.Pool{New: func() any { return NewSolver(width, o) }}
	cfg.Parallel(n, func(i int) {
		s := solvers.Get().(*Solver)
		defer solvers.Put(s)
		p := i * step
		g := p % groups
		optimum[i] = s.Solve(make([]float64, t.k), w[p*width:(p+1)*width], v[g*width:(g+1)*width], 0).Inertia
	})
	var got, least float64
	for i, e := range optimum {
		got, least = got+t.Stats[i*step].Inertia, least+e
	}
	switch {
	case least > 0:
		return got / least, true
	case got == 0:
		return 1, true
	}
	return 0, false
}
