package subject

import (
	"fmt"
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
	decode: map[string]string{"keep": "6", "importance": "standardised", "layers": "uniform", "compensate-pruning": "true", "block": "64", "saliency": "magnitude", "search": "weights", "damp": "0.1"},
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

// TestShareKept: matrices of layers with more outliers keep more; what options
// do not share is left alone; options with a size asked for do not share.
func TestShareKept(t *testing.T) {
	m, _ := LookupMethod("stbllm")
	o := m.New().(*stbllm.Options)
	phase := m.Budget(o)
	apart := *o
	apart.Layers = stbllm.Uniform
	for layer := range 3 {
		for _, name := range []string{"q", "up"} {
			x := randomMatrix(t, gemmConfig(t), 16, 64)
			x.Spec.Name = fmt.Sprintf("model.layers.%d.%s.weight", layer, name)
			for i := range 4 * layer { // beyond 6 times the mean
				x.W[17*i] = 100
			}
			if err := phase.See(x, o); err != nil {
				t.Fatal(err)
			}
			x.Spec.Name += ".apart"
			if err := phase.See(x, &apart); err != nil {
				t.Fatal(err)
			}
		}
	}
	settled := phase.Settle()
	for layer, want := range []int{3, 4, 6} {
		for _, name := range []string{"q", "up"} {
			name = fmt.Sprintf("model.layers.%d.%s.weight", layer, name)
			if got := settled[name].(*stbllm.Options); got.Keep != want {
				t.Errorf("%s keeps %d of 8, want %d", name, got.Keep, want)
			}
		}
	}
	if len(settled) != 6 {
		t.Errorf("%d matrices settled, want 6", len(settled))
	}
	fitted, err := m.Fit(o, 64, 64, 1<<20)
	if err != nil || m.Budget(fitted) != nil || m.Budget(&apart) != nil {
		t.Errorf("a size asked for is shared: %+v, %v", fitted, err)
	}
}
