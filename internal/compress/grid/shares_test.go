package grid

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestShares counts by hand: codes 3 0 1 2 and 1 1 2 0 in groups of 2 with the
// zeros 3, 1 and 2, 2: three weights are 0 (3, 1 and 2), three at an end (3, 0
// and 0). With columns 0 and 3 in group 1 and the others in group 0 they are 0
// at none of row 0 (3 for 1, 0 for 3, 1 for 3, 2 for 1) and at column 2 of row 1.
func TestShares(t *testing.T) {
	cfg, err := gemm.Config{}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	w := &packed.Grid{Out: 2, In: 4, Bits: 2, Group: 2, Codes: []byte{0b10_01_00_11, 0b00_10_01_01},
		Scale: make([]uint16, 4), Zero: []byte{0b10_10_01_11}}
	if zeros, ends := Shares(cfg, w); zeros != 3./8 || ends != 3./8 {
		t.Errorf("zeros %v, ends %v, want 3/8 each", zeros, ends)
	}
	w.Index = []uint32{1, 0, 0, 1}
	if zeros, ends := Shares(cfg, w); zeros != 1./8 || ends != 3./8 {
		t.Errorf("indexed: zeros %v, ends %v, want 1/8 and 3/8", zeros, ends)
	}
}
