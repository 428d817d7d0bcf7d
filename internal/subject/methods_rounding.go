package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/nf4"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// roundingMethods round every weight by itself (methods.md 4.1, 4.3).
func roundingMethods() []Method { return []Method{int4Method, nf4Method} }

var int4Method = Method{
	Name: "int4", Version: int4.Version, Knobs: []string{"group"},
	New:        func() any { o := int4.DefaultOptions(); return &o },
	Check:      func(o any) []error { return int4.Check(*o.(*int4.Options)) },
	CheckShape: func(any, int, int) error { return nil },
	Nominal:    func(o any) float64 { return int4.Nominal(*o.(*int4.Options)) },
	StoredBytes: func(o any, out, in int) int64 {
		return int4.StoredBytes(*o.(*int4.Options), out, in)
	},
	Fit: func(o any, out, in int, target int64) (any, error) {
		fitted, err := int4.Fit(*o.(*int4.Options), out, in, target)
		return &fitted, err
	},
	Covers: everything,
	Passes: func(o any) float64 {
		if o.(*int4.Options).MSEClip {
			return grid.ClipSteps // every weight is rounded in each
		}
		return 1
	},
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		p, err := int4.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, *o.(*int4.Options))
		if err != nil {
			return nil, err
		}
		noteGrid(m, p)
		return p, nil
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return int4.Draw(*o.(*int4.Options), out, in, rng)
	},
}

// noteGrid notes how the codes of a grid are spread.
func noteGrid(m Matrix, p *packed.Grid) {
	zeros, ends := grid.Shares(m.Gemm, p)
	m.Note("zero_codes", zeros)
	m.Note("end_codes", ends)
}

var nf4Method = Method{
	Name: "nf4", Version: nf4.Version, Knobs: []string{"block"},
	New:        func() any { o := nf4.DefaultOptions(); return &o },
	Check:      func(o any) []error { return nf4.Check(*o.(*nf4.Options)) },
	CheckShape: func(any, int, int) error { return nil },
	Nominal:    func(o any) float64 { return nf4.Nominal(*o.(*nf4.Options)) },
	StoredBytes: func(o any, out, in int) int64 {
		return nf4.StoredBytes(*o.(*nf4.Options), out, in)
	},
	Fit: func(o any, out, in int, target int64) (any, error) {
		fitted, err := nf4.Fit(*o.(*nf4.Options), out, in, target)
		return &fitted, err
	},
	Covers: everything,
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		p, err := nf4.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, *o.(*nf4.Options))
		if err != nil {
			return nil, err
		}
		m.Note("zero_codes", nf4.ZeroShare(m.Gemm, p))
		return p, nil
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return nf4.Draw(*o.(*nf4.Options), out, in, rng)
	},
}
