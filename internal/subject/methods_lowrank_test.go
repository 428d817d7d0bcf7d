package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/asvd"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var lowrankFixtures = []fixture{{
	method: "svd",
	decode: map[string]string{"bits": "1.5bpw", "rank": "7", "ranks": "waterfill"},
	sizes:  []any{&svd.Options{Bits: 1}, &svd.Options{Bits: 2}, &svd.Options{Bits: 4.15625}, &svd.Options{Bits: 1, Rank: 5}},
	kinds:  []packed.Kind{packed.KindLowRank},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=0.5":        newCase(t, "svd", func(o *svd.Options) { o.Bits = 0.5 }),
			"ranks=waterfill": newCase(t, "svd", func(o *svd.Options) { o.Ranks = svd.Waterfill }),
		}
	},
}, {
	method: "asvd",
	decode: map[string]string{"bits": "1.5bpw", "rank": "7", "ranks": "waterfill", "alpha": "1"},
	sizes:  []any{&asvd.Options{Bits: 1, Alpha: 0.5}, &asvd.Options{Bits: 4}, &asvd.Options{Bits: 1, Rank: 5, Alpha: 1}},
	kinds:  []packed.Kind{packed.KindLowRank},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"alpha=1":         newCase(t, "asvd", func(o *asvd.Options) { o.Alpha = 1 }),
			"ranks=waterfill": newCase(t, "asvd", func(o *asvd.Options) { o.Ranks = svd.Waterfill }),
		}
	},
}, {
	method: "svdllm",
	decode: map[string]string{"bits": "1.5bpw", "rank": "7", "ranks": "waterfill", "true-sequential": "true"},
	sizes:  []any{&svdllm.Options{Bits: 1}, &svdllm.Options{Bits: 4}, &svdllm.Options{Bits: 1, Rank: 5}},
	kinds:  []packed.Kind{packed.KindLowRank},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"true-sequential": newCase(t, "svdllm", func(o *svdllm.Options) { o.TrueSequential = true }),
			"ranks=waterfill": newCase(t, "svdllm", func(o *svdllm.Options) { o.Ranks = svd.Waterfill }),
		}
	},
}}
