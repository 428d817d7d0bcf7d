package rzlinear

import (
	"fmt"
	"math"
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

// TestFormula reads a matrix tile by tile as the published kernels do: k goes
// over the inputs, n over the outputs, and tile (k,n) is K rows of N adjacent
// cells. All products stay below 2³¹ with R0 = 45007 and these shapes.
func TestFormula(t *testing.T) {
	const out, in = 50, 77
	w := normal(out*in, 1)
	for _, o := range []Options{
		{Bits: 2, TileIn: 8, TileOut: 16, Hash: Single},
		{Bits: 2, TileIn: 16, TileOut: 4, Hash: TwoLevel},
		{Bits: 2, TileIn: 1, TileOut: 100, Hash: Single},
	} {
		h, _ := sketch(t, w, Form(o, out, in))
		tileK, tileN := int32(min(o.TileIn, in)), int32(min(o.TileOut, out))
		r := make([]int32, 8)
		for i, s := range h.Seeds {
			r[i] = int32(s)
		}
		r[7], r[6] = r[6], 0 // the published hash draws R6 and does not use it
		if r[0] != 45007 {
			t.Fatalf("R0 is %d", r[0])
		}
		v := make([]float32, out*in)
		h.Dequantize(v, 0, out)
		for k := int32(0); k*tileK < in; k++ {
			for n := int32(0); n*tileN < out; n++ {
				first := (k*r[3] + n*r[2] + r[1]) % r[0]
				if o.Hash == TwoLevel {
					first = first*r[0] + (k*r[7]+n*r[5]+r[4])%r[0]
				}
				first %= int32(h.Size) - tileK*tileN
				for i := int32(0); i < tileK && k*tileK+i < in; i++ {
					for j := int32(0); j < tileN && n*tileN+j < out; j++ {
						got, want := v[(n*tileN+j)*in+k*tileK+i], packed.F16ToF32(h.Cells[first+i*tileN+j])
						if got != want {
							t.Fatalf("%+v: tile (%d,%d), weight (%d,%d): %v, want %v", o, k, n, i, j, got, want)
						}
					}
				}
			}
		}
	}
}

// TestModulus: with more than 45007 cells and a tile's, the single hash never
// reads the others; the two-level one does. Means leave N − (occupied cells) of
// ‖W−Ŵ‖² for N(0,1) weights, with a variance of at most 2·N.
func TestModulus(t *testing.T) {
	const out, in, cells = 512, 1024, 131072
	w := normal(out*in, 1)
	unoccupied := map[string]float64{}
	for _, hash := range hashes {
		o := Options{Bits: 4, TileIn: 16, TileOut: 16, Hash: hash}
		h, d := sketch(t, w, Form(o, out, in))
		if h.Size != cells {
			t.Fatalf("%d cells", h.Size)
		}
		unoccupied[hash] = d.Unoccupied
		v := make([]float32, out*in)
		h.Dequantize(v, 0, out)
		var err float64
		for i, x := range w {
			e := float64(x) - float64(v[i])
			err += e * e
		}
		want := out*in - cells*(1-d.Unoccupied)
		if sd := math.Sqrt(2 * out * in); !(math.Abs(err-want) <= 4*sd) {
			t.Errorf("%s: error² %.0f, want %.0f ± %.0f", hash, err, want, 4*sd)
		}
	}
	// 45006 + 256 cells at most are within reach.
	if got, least := unoccupied[Single], 1-45262./cells; !(got >= least && got < least+0.05) {
		t.Errorf("single: a share %.3f unoccupied, want %.3f or little more", got, least)
	}
	if got := unoccupied[TwoLevel]; !(got < 0.1) {
		t.Errorf("two-level: a share %.3f unoccupied", got)
	}
}

// TestBits: 16·m bits of cells and 4 or 7 seeds of 64.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		out, in int
		bits    float64
		cells   int64
	}{{64, 128, 0.5, 256}, {40, 72, 2, 360}, {33, 130, 0.3, 80}} {
		for hash, seeds := range map[string]int64{Single: 4, TwoLevel: 7} {
			if got := Form(Options{Bits: c.bits, TileIn: 8, TileOut: 8, Hash: hash}, c.out, c.in).StoredBytes(); got != 2*c.cells+8*seeds {
				t.Errorf("%d×%d at %v bits, %s: %d bytes, want %d cells and %d seeds", c.out, c.in, c.bits, hash, got, c.cells, seeds)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
	got := fmt.Sprint(Options{Bits: 1, TileOut: 1 << 20, Hash: "x"}.Check())
	if want := `[tile_in: 0, want 1 to 32768 tile_out: 1048576, want 1 to 32768 hash: "x", want one of single, two-level]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
