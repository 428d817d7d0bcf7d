package compensate

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestDampings: what a single damping leaves indefinite is damped again, as
// many times as it takes and no more, and the factor is that of the damping in
// one piece. Of [1 2; 2 1]/4 the least eigenvalue is -1/4; with an identity
// beside it the mean of the diagonal is (1/2 + d - 2)/d.
func TestDampings(t *testing.T) {
	const d = 150 // more than a leaf of the factorisation
	h := make([]float32, d*d)
	for j := range d {
		h[j*d+j] = 1
	}
	h[0], h[d+1], h[1], h[d] = 0.25, 0.25, 0.5, 0.5
	mean := (0.5 + d - 2) / d
	f := factor(t, h, d, FactorOptions{Damp: 0.06})
	if want := 5 * 0.06 * mean; math.Abs(f.Damping-want) > 1e-12 { // 4 leave 0.238 - 0.25
		t.Errorf("damping %v, want %v", f.Damping, want)
	}
	once := factor(t, h, d, FactorOptions{Damp: 5 * 0.06})
	if !slices.Equal(f.U, once.U) {
		t.Error("another factor than that of the same damping at once")
	}
	if _, err := NewFactor(gemm.Config{}, slices.Clone(h), d, FactorOptions{Damp: 0.02}); err == nil || !strings.Contains(err.Error(), "added 10 times") {
		t.Errorf("ten dampings of 0.02: %v", err)
	}
}
