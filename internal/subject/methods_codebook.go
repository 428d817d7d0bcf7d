package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// codebookMethods give every row tables of learned values (methods.md 2, 4.5).
func codebookMethods() []Method {
	return []Method{{
		Name: "sketchtune", Version: sketchtune.Version, Moments: SecondMoments,
		New:   func() any { o := sketchtune.DefaultOptions(); return &o },
		Check: func(o any) []error { return sketchtune.Check(*o.(*sketchtune.Options)) },
		CheckShape: func(o any, out, in int) error {
			return sketchtune.CheckShape(*o.(*sketchtune.Options), out, in)
		},
		Nominal: func(o any) float64 { return sketchtune.Nominal(*o.(*sketchtune.Options)) },
		StoredBytes: func(o any, out, in int) int64 {
			return sketchtune.StoredBytes(*o.(*sketchtune.Options), out, in)
		},
		Covers: everything,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			s := *o.(*sketchtune.Options)
			f, err := m.Factor(s.FactorOptions())
			if err != nil {
				return nil, err
			}
			return sketchtune.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, f, s)
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return sketchtune.Draw(*o.(*sketchtune.Options), out, in, rng)
		},
	}}
}
