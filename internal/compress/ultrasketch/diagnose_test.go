package ultrasketch

import (
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestVariances: eight columns of 90 weights, with a class each, of importance
// 1 to 8 share 360 cells as 10, 20, … 80: g/9 cells per weight, whose mean is
// 1/2 and whose mean square 204/8/81, so the variance is 25.5/20.25 - 1 of the
// squared mean. As two matrices that share a sketch the four columns have 25/90
// and 65/90 cells per weight: (2/9)²/(1/2)² of it.
func TestVariances(t *testing.T) {
	near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-12 }
	o := with(func(o *Options) { o.Bits, o.Rows = 8, 1 })
	_, d, err := Compress(gemm.Config{}, normal(90*8, 1), 90, 8, []float64{1, 2, 3, 4, 5, 6, 7, 8}, o, 1)
	if err != nil || !near(d.AllocationVariance, 25.5/20.25-1) || !near(d.CellsPerWeight, 0.5) || d.LayerVariance != 0 {
		t.Errorf("one matrix: %+v, %v", d, err)
	}
	o.Scope = ScopeLayer
	s, err := NewShared(o, []Member{
		{Out: 90, In: 4, Importance: []float64{2, 1, 4, 3}, Bits: 8}, {Out: 90, In: 4, Importance: []float64{8, 5, 6, 7}, Bits: 8},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := s.Insert(gemm.Config{}, i, normal(90*4, uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	s.Finish(gemm.Config{})
	for i, d := range s.Diagnostics() {
		if want := []float64{25. / 90, 65. / 90}[i]; !near(d.CellsPerWeight, want) {
			t.Errorf("matrix %d: %v cells per weight, want %v", i, d.CellsPerWeight, want)
		}
		if !near(d.AllocationVariance, 25.5/20.25-1) || !near(d.LayerVariance, 16./81) {
			t.Errorf("matrix %d: %+v", i, d)
		}
	}
}
