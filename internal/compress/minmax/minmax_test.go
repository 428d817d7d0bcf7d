package minmax

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/countmin"
	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestBetween: with the same seeds, |w| ≤ |ŵ| ≤ what countmin has, whose sums
// are not below the greatest of their terms; and one weight for each cell of
// some row comes back but for rounding upward, which is by less than 2⁻¹⁰.
func TestBetween(t *testing.T) {
	const out, in = 64, 100
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	for rows := 1; rows <= 4; rows++ {
		o := Options{Bits: 3, Rows: rows, Signs: hashed.Carried}
		read := func(f hashed.Form) []float32 {
			h, _, err := hashed.Compress(gemm.Config{}, w, f, 3)
			if err != nil {
				t.Fatal(err)
			}
			v := make([]float32, out*in)
			h.Dequantize(v, 0, out)
			return v
		}
		most, sums := read(Form(o, out, in)), read(countmin.Form(o, out, in))
		exact := 0
		for i, x := range w {
			a, b, c := math.Abs(float64(x)), math.Abs(float64(most[i])), math.Abs(float64(sums[i]))
			if !(a <= b && b <= c) || math.Signbit(float64(x)) != math.Signbit(float64(most[i])) {
				t.Fatalf("%d rows: weight %d is %v by maxima and %v by sums, of %v", rows, i, most[i], sums[i], x)
			}
			if b <= a*(1+0x1p-10) {
				exact++
			}
		}
		if cells := Form(o, out, in).Size(); exact < cells/2 {
			t.Errorf("%d rows: %d weights of %d cells are exact", rows, exact, cells)
		}
	}
}

// TestBits are those of countmin.
func TestBits(t *testing.T) {
	for _, shape := range [][2]int{{64, 128}, {40, 72}, {33, 130}} {
		a, b := Form(DefaultOptions(), shape[0], shape[1]), countmin.Form(countmin.DefaultOptions(), shape[0], shape[1])
		if a.StoredBytes() != b.StoredBytes() {
			t.Errorf("%v: %d bytes, want %d", shape, a.StoredBytes(), b.StoredBytes())
		}
	}
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
}
