package cpu

import (
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestSteps: every lane counts its multiply-adds, so their sum shows how many
// there were.
func TestSteps(t *testing.T) {
	for _, isa := range Available() {
		leaf, _ := leavesOf(isa)
		for _, n := range []int{0, 1, 7, 1000} {
			if got, want := leaf.steps(n), float32(n*leaf.chains); got != want {
				t.Errorf("%s: %d steps: sum %v, want %v", isa, n, got, want)
			}
		}
		d, err := New(Options{ISA: isa, Threads: 3})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.MultiplyAdd(10), float64(2*10*3*leaf.chains); got != want {
			t.Errorf("%s: %v operations on 3 threads, want %v", isa, got, want)
		}
	}
	if leaf, _ := leavesOf(gemm.Generic); leaf.chains < 8 {
		t.Errorf("%d chains: fewer than two units of latency 4 take", leaf.chains)
	}
}
