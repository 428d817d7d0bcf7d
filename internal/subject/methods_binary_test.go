package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/billm"
	"github.com/sketchbench/sketchbench/internal/compress/onebit"
	"github.com/sketchbench/sketchbench/internal/compress/pbllm"
	"github.com/sketchbench/sketchbench/internal/compress/stbllm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var binaryFixtures = []fixture{{
	method: "billm",
	decode: map[string]string{"block": "64", "saliency": "magnitude", "search": "weights", "damp": "0.1"},
	sizes: func() (list []any) {
		for _, block := range []int{32, 128, 1000} {
			o := billm.DefaultOptions()
			o.Block = block
			list = append(list, &o)
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindBinary},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"block=64 search=weights": newCase(t, "billm", func(o *billm.Options) { o.Block, o.Search = 64, "weights" }),
		}
	},
}, {
	method: "pbllm",
	decode: map[string]string{"salient": "0.2", "saliency": "magnitude", "statistics": "rest", "damp": "0.1"},
	sizes: func() (list []any) {
		for _, share := range []float64{0, 0.1, 0.5, 1} {
			o := pbllm.DefaultOptions()
			o.Salient = share
			list = append(list, &o)
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindPartial},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"salient=0.3 statistics=rest": newCase(t, "pbllm", func(o *pbllm.Options) { o.Salient, o.Statistics = 0.3, pbllm.OverRest }),
		}
	},
}, {
	method: "stbllm",
	decode: map[string]string{"keep": "6", "importance": "standardised", "compensate-pruning": "true", "block": "64", "saliency": "magnitude", "search": "weights", "damp": "0.1"},
	sizes: func() (list []any) {
		for _, keep := range []int{1, 2, 4, 5, 8} {
			for _, block := range []int{64, 128} {
				o := stbllm.DefaultOptions()
				o.Keep, o.Block = keep, block
				list = append(list, &o)
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindBinary},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"keep=6 importance=standardised": newCase(t, "stbllm", func(o *stbllm.Options) { o.Keep, o.Importance = 6, stbllm.Standardised }),
			"keep=8":                         newCase(t, "stbllm", func(o *stbllm.Options) { o.Keep = 8 }),
		}
	},
}, {
	method: "onebit",
	sizes:  []any{&onebit.Options{}},
	kinds:  []packed.Kind{packed.KindSigns},
}}
