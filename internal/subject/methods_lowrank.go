package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// lowrankMethods store a product of two thin matrices (methods.md 4.6).
func lowrankMethods() []Method {
	return []Method{{
		Name: "svd", Version: svd.Version, Chance: true, Decomposes: true, Knobs: []string{"bits", "rank"},
		New:   func() any { o := svd.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*svd.Options).Check() },
		CheckShape: func(o any, out, in int) error {
			return o.(*svd.Options).CheckShape(out, in)
		},
		Nominal: func(o any) float64 { return o.(*svd.Options).Bits },
		StoredBytes: func(o any, out, in int) int64 {
			return 2 * int64(o.(*svd.Options).RankOf(out, in)) * int64(out+in)
		},
		Covers: everything,
		Fit: func(o any, out, in int, target int64) (any, error) {
			s := *o.(*svd.Options)
			if s.Rank = svd.RankForBytes(target, out, in); s.Rank < 1 {
				return nil, fmt.Errorf("%d bytes are too few for rank 1 of a %d×%d matrix, which takes %d", target, out, in, 2*(out+in))
			}
			return &s, nil
		},
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			return svd.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, o.(*svd.Options).RankOf(m.Spec.Out, m.Spec.In), m.Seed)
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return svd.Draw(out, in, o.(*svd.Options).RankOf(out, in), rng)
		},
	}}
}
