package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// ultrasketchMethods store hashed cells of least magnitude (methods.md 3).
func ultrasketchMethods() []Method {
	return []Method{{
		Name: "ultrasketch", Version: ultrasketch.Version, Chance: true, Moments: MeanSquares, Hashed: true,
		New:   func() any { o := ultrasketch.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*ultrasketch.Options).Check() },
		CheckShape: func(o any, out, in int) error {
			return ultrasketch.CheckShape(*o.(*ultrasketch.Options), out, in)
		},
		Nominal: func(o any) float64 { return o.(*ultrasketch.Options).Bits },
		StoredBytes: func(o any, out, in int) int64 {
			return ultrasketch.StoredBytes(*o.(*ultrasketch.Options), out, in)
		},
		Covers: ultrasketch.Compresses,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return ultrasketch.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, *o.(*ultrasketch.Options), m.Seed)
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return ultrasketch.Draw(*o.(*ultrasketch.Options), out, in, rng)
		},
	}}
}
