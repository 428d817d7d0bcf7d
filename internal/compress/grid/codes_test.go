package grid

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestCodes compares with Code: normal weights, and quotients that are half an
// odd number with their neighbours, for scales of all sizes, among them those
// far beyond the grid that a narrow range of Clip leaves.
func TestCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		half := uint16(rng.IntN(0x7bff) + 1)
		bits := []int{2, 3, 4, 8}[rng.IntN(4)]
		g := Grid{Scale: float64(packed.F16ToF32(half)), Max: float64(int(1)<<bits - 1)}
		g.Zero = float64(rng.IntN(1 << bits))
		w := []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32}
		for range 20 + rng.IntN(20) {
			w = append(w, float32(g.Scale*g.Max*rng.NormFloat64()/2))
			for _, reach := range []int{1 << bits, 1 << 11} {
				tie := float32(g.Scale * (float64(rng.IntN(2*reach)-reach) + 0.5))
				w = append(w, tie, math.Nextafter32(tie, 1e30), math.Nextafter32(tie, -1e30))
			}
		}
		for _, isa := range gemm.Available() {
			codes := make([]uint8, len(w)+1)
			codes[len(w)] = 77
			g.Codes(isa, codes, w)
			for i, v := range w {
				if want := g.Code(float64(v)); codes[i] != want {
					t.Fatalf("%s: %+v: weight %v (%v scales) has the code %d, want %d", isa, g, v, float64(v)/g.Scale, codes[i], want)
				}
			}
			if codes[len(w)] != 77 {
				t.Fatalf("%s: wrote behind the codes", isa)
			}
		}
	}
}

// TestRange: values of all signs and sizes at every place of two blocks.
func TestRange(t *testing.T) {
	inf, nan, zero := float32(math.Inf(1)), float32(math.NaN()), float32(math.Copysign(0, -1))
	for _, c := range []struct {
		w      []float32
		lo, hi float32
		bad    int
	}{
		{nil, 0, 0, -1}, {[]float32{zero}, 0, 0, -1}, {[]float32{3}, 0, 3, -1}, {[]float32{-3, -4, -2}, -4, 0, -1},
		{[]float32{-math.MaxFloat32, 1, math.MaxFloat32}, -math.MaxFloat32, math.MaxFloat32, -1},
		{[]float32{1e-45, -1e-45}, -1e-45, 1e-45, -1},
		{[]float32{1, 2, nan, inf}, 0, 0, 2}, {[]float32{1, -inf}, 0, 0, 1}, {[]float32{inf}, 0, 0, 0},
		{[]float32{1, math.Float32frombits(0xffc00001), 5}, 0, 0, 1},
	} {
		for _, isa := range gemm.Available() {
			for before := range 33 {
				w := append(make([]float32, before), c.w...)
				w = append(w, make([]float32, 35-before)...)
				want := c.bad
				if want >= 0 {
					want += before
				}
				if lo, hi, bad := Range(isa, w); lo != c.lo || hi != c.hi || bad != want || math.Signbit(float64(lo)) != (lo < 0) {
					t.Fatalf("%s: %v: %v, %v, %d, want %v, %v, %d", isa, w, lo, hi, bad, c.lo, c.hi, want)
				}
			}
		}
	}
}
