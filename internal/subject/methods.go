package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// noOptions are the options of dense.
type noOptions struct{}

// methods lists every method. To add one, add an entry.
var methods = []Method{
	{
		Name: "dense", Version: 1,
		New:         func() any { return &noOptions{} },
		Check:       func(any) []error { return nil },
		CheckShape:  func(any, int, int, int64) error { return nil },
		Nominal:     func(any) float64 { return 0 },
		StoredBytes: func(any, int, int, int64) int64 { return 0 },
		Covers:      func(string) bool { return false },
		Draw:        drawDense,
	},
	{
		Name: "int4", Version: int4.Version,
		New:        func() any { o := int4.DefaultOptions(); return &o },
		Check:      func(o any) []error { return int4.Check(*o.(*int4.Options)) },
		CheckShape: func(any, int, int, int64) error { return nil },
		Nominal:    func(o any) float64 { return int4.Nominal(*o.(*int4.Options)) },
		StoredBytes: func(o any, out, in int, _ int64) int64 {
			return int4.StoredBytes(*o.(*int4.Options), out, in)
		},
		Covers: everything,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return int4.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, *o.(*int4.Options))
		},
		Draw: func(o any, out, in int, _ int64, rng *rand.Rand) packed.Weight {
			return int4.Draw(*o.(*int4.Options), out, in, rng)
		},
	},
	{
		Name: "svd", Version: svd.Version, Chance: true, Matches: true,
		New:   func() any { o := svd.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*svd.Options).Check() },
		CheckShape: func(o any, out, in int, target int64) error {
			switch {
			case svdRank(o, out, in, target) > 0:
				return nil
			case target > 0:
				return fmt.Errorf("match: %d bytes are too few for rank 1 of a %d×%d matrix, which takes %d", target, out, in, 2*(out+in))
			}
			return fmt.Errorf("bits: %v are too few for rank 1 of a %d×%d matrix, which takes %.3g bits per weight",
				o.(*svd.Options).Bits, out, in, svd.Smallest(out, in))
		},
		Nominal: func(o any) float64 { return o.(*svd.Options).Bits },
		StoredBytes: func(o any, out, in int, target int64) int64 {
			return 2 * int64(svdRank(o, out, in, target)) * int64(out+in)
		},
		Covers: everything,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return svd.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, svdRank(o, m.Spec.Out, m.Spec.In, m.TargetBytes), m.Seed)
		},
		Draw: func(o any, out, in int, target int64, rng *rand.Rand) packed.Weight {
			return svd.Draw(out, in, svdRank(o, out, in, target), rng)
		},
	},
	{
		Name: "sketchtune", Version: sketchtune.Version, Moments: SecondMoments,
		New:   func() any { o := sketchtune.DefaultOptions(); return &o },
		Check: func(o any) []error { return sketchtune.Check(*o.(*sketchtune.Options)) },
		CheckShape: func(o any, out, in int, _ int64) error {
			return sketchtune.CheckShape(*o.(*sketchtune.Options), out, in)
		},
		Nominal: func(o any) float64 { return sketchtune.Nominal(*o.(*sketchtune.Options)) },
		StoredBytes: func(o any, out, in int, _ int64) int64 {
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
		Draw: func(o any, out, in int, _ int64, rng *rand.Rand) packed.Weight {
			return sketchtune.Draw(*o.(*sketchtune.Options), out, in, rng)
		},
	},
	{
		Name: "ultrasketch", Version: ultrasketch.Version, Chance: true, Moments: MeanSquares,
		New:   func() any { o := ultrasketch.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*ultrasketch.Options).Check() },
		CheckShape: func(o any, out, in int, _ int64) error {
			return ultrasketch.CheckShape(*o.(*ultrasketch.Options), out, in)
		},
		Nominal: func(o any) float64 { return o.(*ultrasketch.Options).Bits },
		StoredBytes: func(o any, out, in int, _ int64) int64 {
			return ultrasketch.StoredBytes(*o.(*ultrasketch.Options), out, in)
		},
		Covers: ultrasketch.Compresses,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return ultrasketch.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, *o.(*ultrasketch.Options), m.Seed)
		},
		Draw: func(o any, out, in int, _ int64, rng *rand.Rand) packed.Weight {
			return ultrasketch.Draw(*o.(*ultrasketch.Options), out, in, rng)
		},
	},
}

// svdRank is the rank that the options, or the bytes to match, allow.
func svdRank(o any, out, in int, target int64) int {
	if target > 0 {
		return svd.RankForBytes(target, out, in)
	}
	return svd.Rank(o.(*svd.Options).Bits, out, in)
}
