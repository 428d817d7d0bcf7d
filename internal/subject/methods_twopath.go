package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/twopath"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// twopathMethods keep a base and a low-rank path beside it (methods.md 4.3, 4.4).
func twopathMethods() []Method {
	lora := twopathMethod(twopath.DefaultLoRA,
		func(o *twopath.LoRAOptions) (nominal float64, rank int) { return 0, o.Rank },
		func(m Matrix, o twopath.LoRAOptions) (*packed.Sum, error) {
			return twopath.LoRA(m.W, m.Spec.Out, m.Spec.In, o, m.Seed)
		}, twopath.DrawLoRA)
	lora.Name, lora.Version = "lora", twopath.LoRAVersion

	qlora := twopathMethod(twopath.DefaultQLoRA,
		func(o *twopath.QLoRAOptions) (nominal float64, rank int) { return 4, o.Rank },
		func(m Matrix, o twopath.QLoRAOptions) (*packed.Sum, error) {
			return twopath.QLoRA(m.Gemm, m.W, m.Spec.Out, m.Spec.In, o, m.Seed)
		}, twopath.DrawQLoRA)
	qlora.Name, qlora.Version = "qlora", twopath.QLoRAVersion

	loftq := twopathMethod(twopath.DefaultLoftQ,
		func(o *twopath.LoftQOptions) (nominal float64, rank int) { return float64(o.Bits), o.Rank },
		func(m Matrix, o twopath.LoftQOptions) (*packed.Sum, error) {
			p, errs, err := twopath.LoftQ(m.Gemm, m.W, m.Spec.Out, m.Spec.In, o, m.Seed)
			for i, e := range errs {
				m.Note(fmt.Sprintf("loftq_error_%d", i+1), e)
			}
			return p, err
		}, twopath.DrawLoftQ)
	loftq.Name, loftq.Version, loftq.Decomposes = "loftq", twopath.LoftQVersion, true
	loftq.Passes = func(o any) float64 { return float64(o.(*twopath.LoftQOptions).Rounds) }
	return []Method{lora, qlora, loftq}
}

// twopathMethod is what the methods share, O being the type of their options;
// size returns the bits aimed at, 0 for those stored, and the rank of the path.
func twopathMethod[O any, P interface {
	*O
	Check() []error
	StoredBytes(out, in int) int64
	Fit(out, in int, target int64) (O, error)
}](defaults func() O, size func(o P) (nominal float64, rank int), compress func(m Matrix, o O) (*packed.Sum, error),
	draw func(o O, out, in int, rng *rand.Rand) *packed.Sum) Method {
	return Method{
		Chance: true, Knobs: []string{"rank"}, Covers: everything,
		New:   func() any { o := defaults(); return P(&o) },
		Check: func(o any) []error { return o.(P).Check() },
		CheckShape: func(o any, out, in int) error {
			_, rank := size(o.(P))
			return svd.CheckRank(rank, out, in)
		},
		Nominal:     func(o any) float64 { nominal, _ := size(o.(P)); return nominal },
		StoredBytes: func(o any, out, in int) int64 { return o.(P).StoredBytes(out, in) },
		Fit: func(o any, out, in int, target int64) (any, error) {
			fitted, err := o.(P).Fit(out, in, target)
			return P(&fitted), err
		},
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			p, err := compress(m, *o.(P))
			if err != nil {
				return nil, err // not a nil *packed.Sum in the interface
			}
			return p, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight { return draw(*o.(P), out, in, rng) },
	}
}
