package compensate

import (
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestRunLater works a row of 4 in blocks of 2, of which the third channel is
// dead. Every weight loses 1, and so e = 1/U_jj = 1 and ½: the first block moves
// 1·¼ + ½·1 into the third column, which was read as 0, and 1·2 + ½·6 into the
// fourth, and nothing from its first into its second.
func TestRunLater(t *testing.T) {
	f := &Factor{
		Dim: 4, Perm: []int{0, 1, 2, 3}, Dead: []bool{false, false, true, false},
		U: []float32{
			1, 0.5, 0.25, 2,
			0, 2, 1, 6,
			0, 0, 4, 1,
			0, 0, 0, 1,
		},
	}
	w := []float32{3, 4, 9, 5}
	var got [][]float32
	round := func(lo, hi int, w, values []float32) error {
		got = append(got, append([]float32{float32(lo), float32(hi)}, w...))
		for i, x := range w {
			values[i] = x - 1
		}
		return nil
	}
	if err := RunLater(gemm.Config{}, w, 1, 4, f, 2, round); err != nil {
		t.Fatal(err)
	}
	want := [][]float32{{0, 2, 3, 4}, {2, 4, -0.75, 0}}
	if len(got) != 2 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("blocks %v, want %v", got, want)
	}
	if !slices.Equal(w, []float32{3, 4, 9, 5}) {
		t.Errorf("w became %v", w)
	}
	// 3 columns a block: a short last one.
	got = nil
	if err := RunLater(gemm.Config{}, w, 1, 4, f, 3, round); err != nil || len(got) != 2 || len(got[1]) != 3 {
		t.Errorf("blocks %v, %v", got, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an order of columns that is not the original is taken")
		}
	}()
	f.Perm = []int{1, 0, 2, 3}
	_ = RunLater(gemm.Config{}, w, 1, 4, f, 2, round)
}
