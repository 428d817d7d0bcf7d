package hashednets

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

const side = 1024

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	return w
}

// TestCheck17LeastSquares: relF of N(0,1) weights with means in an ideal hash
// is √(1-(1-e^-λ)/λ), and a share e^-λ of the cells is empty; methods.md 6 gives
// ±0.002 at 2²⁰ weights. A weight is alone in its cell with probability
// (1-1/m)^(N-1), which is e^-λ too.
func TestCheck17LeastSquares(t *testing.T) {
	w := normal(side*side, 1)
	for lambda, want := range map[float64]float64{2: 0.7534, 4: 0.8687, 8: 0.9354, 32: 0.9843} {
		o := Options{Bits: 16 / lambda}
		h, d, err := hashed.Compress(gemm.Config{}, w, Form(o, side, side), 7)
		if err != nil {
			t.Fatal(err)
		}
		if got := relF(w, h.Out, h.In, h.Dequantize); !(math.Abs(got-want) <= 0.002) {
			t.Errorf("λ = %v: relF %.4f, want %v", lambda, got, want)
		}
		p := math.Exp(-lambda)
		if !(math.Abs(d.Unoccupied-p) <= 0.002) || !(math.Abs(d.CollisionRate-(1-p)) <= 0.002) || d.Lambda != lambda || d.CellsPerWeight != 1/lambda {
			t.Errorf("λ = %v: %+v, want a share %.4f of empty cells", lambda, d, p)
		}
	}
}

func relF(w []float32, out, in int, dequantize func([]float32, int, int)) float64 {
	v := make([]float32, out*in)
	dequantize(v, 0, out)
	var d, n float64
	for i, x := range w {
		e := float64(x) - float64(v[i])
		d += e * e
		n += float64(x) * float64(x)
	}
	return math.Sqrt(d / n)
}

// TestBits: 16·m bits of cells, m = ⌊bits·N/16⌋, and two seeds of 64.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		out, in int
		bits    float64
		cells   int64
	}{
		{64, 128, 0.5, 256},
		{40, 72, 2, 360},
		{33, 130, 0.3, 80}, // 80.4
		{33, 130, 16, 4290},
	} {
		if got := Form(Options{Bits: c.bits}, c.out, c.in).StoredBytes(); got != 2*c.cells+16 {
			t.Errorf("%d×%d at %v bits: %d bytes, want %d cells and two seeds", c.out, c.in, c.bits, got, c.cells)
		}
	}
}

// TestDefaults are sound.
func TestDefaults(t *testing.T) {
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
}
