package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/squeezellm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

func sketchtuneSizes(defaults func() sketchtune.Options) (list []any) {
	for _, bits := range []int{2, 3, 4, 8} {
		for _, gpr := range []int{1, 4} {
			o := defaults()
			o.Bits, o.GPR = bits, gpr
			list = append(list, &o)
		}
	}
	return list
}

var codebookFixtures = []fixture{{
	method: "sketchtune",
	decode: map[string]string{"bits": "2", "gpr": "4", "exponent": "4", "damp": "0.01", "act-order": "false", "start": "exact", "weights": "diag", "refit": "true"},
	sizes:  sketchtuneSizes(sketchtune.DefaultOptions),
	kinds:  []packed.Kind{packed.KindCodebook},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=3 gpr=4 start=exact": newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.GPR, o.Start = 3, 4, "exact" }),
			"bits=2 act-order toggled": newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.ActOrder = 2, !o.ActOrder }),
			"bits=8 gpr=2":             newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.GPR = 8, 2 }),
			"bits=2 gpr=4 refit weights=diag": newCase(t, "sketchtune", func(o *sketchtune.Options) {
				o.Bits, o.GPR, o.Refit, o.Weights = 2, 4, true, sketchtune.Diag
			}),
		}
	},
}, {
	method: "leanquant",
	decode: map[string]string{"bits": "2", "gpr": "4", "exponent": "3", "damp": "0.01", "act-order": "false", "start": "exact", "weights": "diag", "refit": "true"},
	sizes:  sketchtuneSizes(sketchtune.LeanQuantOptions)[:4],
	kinds:  []packed.Kind{packed.KindCodebook},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=3": newCase(t, "leanquant", func(o *sketchtune.Options) { o.Bits = 3 })}
	},
}, {
	method: "squeezellm",
	decode: map[string]string{"bits": "3", "sparse": "0.0045", "start": "exact", "weights": "equal"},
	sizes: []any{
		&squeezellm.Options{Bits: 2, Start: "k-means++", Weights: "diag-H"}, &squeezellm.Options{Bits: 3, Sparse: 0.0045, Start: "linspace", Weights: "diag-H"},
		&squeezellm.Options{Bits: 4, Sparse: 0.1, Start: "exact", Weights: "diag-H"}, &squeezellm.Options{Bits: 8, Start: "histogram", Weights: "diag-H"},
	},
	kinds: []packed.Kind{packed.KindCodebook, packed.KindSum},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=3 sparse=0.0045": newCase(t, "squeezellm", func(o *squeezellm.Options) { o.Bits, o.Sparse = 3, 0.0045 }),
		}
	},
}}
