package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/gptq"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// gptqMethods round with error compensation (methods.md 4.2).
func gptqMethods() []Method {
	return []Method{{
		Name: "gptq", Version: gptq.Version, Moments: SecondMoments, Knobs: []string{"group"},
		BaseInputs: func(o any) bool { return !o.(*gptq.Options).TrueSequential },
		New:        func() any { o := gptq.DefaultOptions(); return &o },
		Check:      func(o any) []error { return gptq.Check(*o.(*gptq.Options)) },
		CheckShape: func(any, int, int) error { return nil },
		Nominal:    func(o any) float64 { return gptq.Nominal(*o.(*gptq.Options)) },
		StoredBytes: func(o any, out, in int) int64 {
			return gptq.StoredBytes(*o.(*gptq.Options), out, in)
		},
		Fit: func(o any, out, in int, target int64) (any, error) {
			fitted, err := gptq.Fit(*o.(*gptq.Options), out, in, target)
			return &fitted, err
		},
		Covers: everything,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			g := *o.(*gptq.Options)
			f, err := m.Factor(g.FactorOptions())
			if err != nil {
				return nil, err
			}
			p, d, err := gptq.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, f, g)
			if err != nil {
				return nil, err
			}
			m.Note("damping", d.Damping)
			m.Note("dead_channels", float64(d.Dead))
			noteGrid(m, p)
			return p, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return gptq.Draw(*o.(*gptq.Options), out, in, rng)
		},
	}}
}
