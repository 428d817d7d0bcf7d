package robe

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	return w
}

func sketch(t *testing.T, w []float32, f hashed.Form) (*packed.Hashed, hashed.Diagnostics) {
	t.Helper()
	h, d, err := hashed.Compress(gemm.Config{}, w, f, 7)
	if err != nil {
		t.Fatal(err)
	}
	return h, d
}

// TestFormula reads a matrix with the published formula in whole numbers of
// any size, ((A·e + B·chunk + C) mod P) mod (m−Z+1) + pos mod Z.
func TestFormula(t *testing.T) {
	const out, in = 50, 77
	w := normal(out*in, 1)
	for _, z := range []int{1, 7, 16, 32, 100} {
		h, _ := sketch(t, w, Form(Options{Bits: 1, Chunk: z}, out, in))
		z := min(z, in)
		if h.Seeds[0] != 2038074743 {
			t.Fatalf("P is %d", h.Seeds[0])
		}
		p := big.NewInt(2038074743)
		a, b, c := new(big.Int).SetUint64(h.Seeds[3]), new(big.Int).SetUint64(h.Seeds[2]), new(big.Int).SetUint64(h.Seeds[1])
		v := make([]float32, out*in)
		h.Dequantize(v, 0, out)
		for e := range out {
			for pos := range in {
				i := new(big.Int).Mul(a, big.NewInt(int64(e)))
				i.Add(i, new(big.Int).Mul(b, big.NewInt(int64(pos/z))))
				i.Mod(i.Add(i, c), p)
				i.Mod(i, big.NewInt(int64(h.Size-z+1)))
				cell := int(i.Int64()) + pos%z
				if got, want := v[e*in+pos], packed.F16ToF32(h.Cells[cell]); got != want {
					t.Fatalf("Z = %d: weight [%d,%d] is %v, cell %d has %v", z, e, pos, got, cell, want)
				}
			}
		}
	}
}

// TestLeastSquares: means leave ‖W−Ŵ‖² = Σw² − Σ load·mean², for N(0,1) weights
// N − (occupied cells) on average, with the variance 2·N of a chi square at
// most: relF is √(1 − occupied/N), as that of HashedNets with as many cells.
func TestLeastSquares(t *testing.T) {
	const side = 512
	w := normal(side*side, 1)
	for _, z := range []int{1, 8, 32} {
		h, d := sketch(t, w, Form(Options{Bits: 4, Chunk: z}, side, side))
		v := make([]float32, side*side)
		h.Dequantize(v, 0, side)
		var err float64
		for i, x := range w {
			e := float64(x) - float64(v[i])
			err += e * e
		}
		const n = side * side
		want := n - float64(h.Size)*(1-d.Unoccupied)
		if sd := math.Sqrt(2 * n); !(math.Abs(err-want) <= 4*sd) {
			t.Errorf("Z = %d: error² %.0f, want %.0f ± %.0f", z, err, want, 4*sd)
		}
	}
}

// TestBits: 16·m bits of cells and P, A, B, C of 64.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		out, in int
		bits    float64
		cells   int64
	}{{64, 128, 0.5, 256}, {40, 72, 2, 360}, {33, 130, 0.3, 80}} {
		if got := Form(Options{Bits: c.bits, Chunk: 32}, c.out, c.in).StoredBytes(); got != 2*c.cells+32 {
			t.Errorf("%d×%d at %v bits: %d bytes, want %d cells and four seeds", c.out, c.in, c.bits, got, c.cells)
		}
	}
}

func TestCheck(t *testing.T) {
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
	if got := fmt.Sprint(Options{Bits: 17}.Check()); got != "[bits: 17, want above 0 and at most 16 chunk: 0, want at least 1]" {
		t.Error(got)
	}
}
