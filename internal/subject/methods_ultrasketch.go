package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// ultrasketchMethods store hashed cells of least magnitude (methods.md 3).
func ultrasketchMethods() []Method {
	return []Method{{
		Name: "ultrasketch", Version: ultrasketch.Version, Chance: true, Moments: MeanSquares, Hashed: true, Knobs: []string{"bits"},
		New:   func() any { o := ultrasketch.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*ultrasketch.Options).Check() },
		CheckShape: func(o any, out, in int) error {
			return ultrasketch.CheckShape(*o.(*ultrasketch.Options), out, in)
		},
		Nominal: func(o any) float64 { return o.(*ultrasketch.Options).Nominal() },
		StoredBytes: func(o any, out, in int) int64 {
			return ultrasketch.StoredBytes(*o.(*ultrasketch.Options), out, in)
		},
		Fit: func(o any, out, in int, target int64) (any, error) {
			fitted, err := ultrasketch.Fit(*o.(*ultrasketch.Options), out, in, target)
			return &fitted, err
		},
		Covers: ultrasketch.Compresses,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			w, d, err := ultrasketch.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, *o.(*ultrasketch.Options), m.Seed)
			if err != nil {
				return nil, err
			}
			d.Note(m.Note)
			return w, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return ultrasketch.Draw(*o.(*ultrasketch.Options), out, in, rng)
		},
	}}
}
