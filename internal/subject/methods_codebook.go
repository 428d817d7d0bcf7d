package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/squeezellm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// codebookMethods give every row tables of learned values (methods.md 2, 4.5).
func codebookMethods() []Method {
	return []Method{
		sketchtuneMethod("sketchtune", sketchtune.DefaultOptions),
		sketchtuneMethod("leanquant", sketchtune.LeanQuantOptions),
		squeezellmMethod,
	}
}

// sketchtuneMethod is SketchTune with other defaults.
func sketchtuneMethod(name string, defaults func() sketchtune.Options) Method {
	return Method{
		Name: name, Version: sketchtune.Version, Moments: SecondMoments, Knobs: []string{"gpr"},
		KeepsH: func(o any) bool { return o.(*sketchtune.Options).Refit },
		New:    func() any { o := defaults(); return &o },
		Check:  func(o any) []error { return sketchtune.Check(*o.(*sketchtune.Options)) },
		CheckShape: func(o any, out, in int) error {
			return sketchtune.CheckShape(*o.(*sketchtune.Options), out, in)
		},
		Nominal: func(o any) float64 { return sketchtune.Nominal(*o.(*sketchtune.Options)) },
		StoredBytes: func(o any, out, in int) int64 {
			return sketchtune.StoredBytes(*o.(*sketchtune.Options), out, in)
		},
		Fit: func(o any, out, in int, target int64) (any, error) {
			s, err := sketchtune.Fit(*o.(*sketchtune.Options), out, in, target)
			return &s, err
		},
		Covers:   everything,
		Compress: compressSketchtune,
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return sketchtune.Draw(*o.(*sketchtune.Options), out, in, rng)
		},
	}
}

func compressSketchtune(m Matrix, o any) (packed.Weight, error) {
	s := *o.(*sketchtune.Options)
	f, err := m.Factor(s.FactorOptions())
	if err != nil {
		return nil, err
	}
	var h []float32
	if s.Refit {
		h = m.H()
	}
	p, d, err := sketchtune.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, f, h, s)
	if err != nil {
		return nil, err
	}
	d.Note(m.Note)
	return p, nil
}

// squeezellmMethod takes E[x²] of the uncompressed model for want of gradients.
var squeezellmMethod = Method{
	Name: "squeezellm", Version: squeezellm.Version, Chance: true, Moments: MeanSquares, Told: []string{"weights"}, Knobs: []string{"sparse"},
	New:        func() any { o := squeezellm.DefaultOptions(); return &o },
	Check:      func(o any) []error { return squeezellm.Check(*o.(*squeezellm.Options)) },
	CheckShape: func(any, int, int) error { return nil },
	Nominal:    func(o any) float64 { return squeezellm.Nominal(*o.(*squeezellm.Options)) },
	StoredBytes: func(o any, out, in int) int64 {
		return squeezellm.StoredBytes(*o.(*squeezellm.Options), out, in)
	},
	Fit: func(o any, out, in int, target int64) (any, error) {
		s, err := squeezellm.Fit(*o.(*squeezellm.Options), out, in, target)
		return &s, err
	},
	Covers: everything,
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		p, d, err := squeezellm.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, *o.(*squeezellm.Options), m.Seed)
		if err != nil {
			return nil, err
		}
		d.Note(m.Note)
		return p, nil
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return squeezellm.Draw(*o.(*squeezellm.Options), out, in, rng)
	},
}
