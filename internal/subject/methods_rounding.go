package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// roundingMethods round every weight by itself (methods.md 4.1, 4.3).
func roundingMethods() []Method {
	return []Method{{
		Name: "int4", Version: int4.Version,
		New:        func() any { o := int4.DefaultOptions(); return &o },
		Check:      func(o any) []error { return int4.Check(*o.(*int4.Options)) },
		CheckShape: func(any, int, int) error { return nil },
		Nominal:    func(o any) float64 { return int4.Nominal(*o.(*int4.Options)) },
		StoredBytes: func(o any, out, in int) int64 {
			return int4.StoredBytes(*o.(*int4.Options), out, in)
		},
		Covers: everything,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return int4.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, *o.(*int4.Options))
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return int4.Draw(*o.(*int4.Options), out, in, rng)
		},
	}}
}
