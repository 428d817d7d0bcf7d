package grid

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestColumn: every instruction set gives the same, no level is nearer than
// the chosen one by more than the rounding of the quotient, and nothing is
// written behind the weights. Lengths are around the eights of the kernel.
func TestColumn(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		n, bits := rng.IntN(40), []int{2, 3, 4, 8}[rng.IntN(4)]
		top := float32(int(1)<<bits - 1)
		w, scale, zero := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range w {
			scale[i] = packed.F16ToF32(uint16(rng.IntN(0x7bff) + 1))
			zero[i] = float32(rng.IntN(1 << bits))
			w[i] = scale[i] * float32(float64(top)*rng.NormFloat64()/2)
			if rng.IntN(4) == 0 { // half an odd number of scales
				w[i] = scale[i] * (float32(rng.IntN(2<<bits)-1<<bits) + 0.5)
			}
		}
		var codes, want []uint8
		for _, isa := range gemm.Available() {
			codes = make([]uint8, n+1)
			values := make([]float32, n+1)
			codes[n], values[n] = 77, 88
			Column(isa, codes[:n], values[:n], w, scale, zero, top)
			if codes[n] != 77 || values[n] != 88 {
				t.Fatalf("%s: wrote behind %d weights", isa, n)
			}
			for i, c := range codes[:n] {
				g := Grid{Scale: float64(scale[i]), Zero: float64(zero[i]), Max: float64(top)}
				if float64(values[i]) != g.Value(c) {
					t.Fatalf("%s: value of code %d is %v, want %v", isa, c, values[i], g.Value(c))
				}
				x := float64(w[i]) / g.Scale
				best := math.Abs(x - (float64(g.Code(float64(w[i]))) - g.Zero))
				if d := math.Abs(x - (float64(c) - g.Zero)); d > best+2*0x1p-24*math.Abs(x) {
					t.Fatalf("%s: %+v: weight %v has the code %d, %v scales away", isa, g, w[i], c, d)
				}
			}
			if want != nil && string(want) != string(codes) {
				t.Fatalf("%s: codes %v, want %v", isa, codes, want)
			}
			want = codes
		}
	}
}
