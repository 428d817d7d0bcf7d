package subject

import (
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/packed"
	"testing"
)

var codebookFixtures = []fixture{{
	method: "sketchtune",
	decode: map[string]string{"bits": "2", "gpr": "4", "exponent": "4", "damp": "0.01", "act-order": "false", "start": "exact"},
	sizes: func() (list []any) {
		for _, bits := range []int{2, 3, 4} {
			for _, gpr := range []int{1, 4} {
				o := sketchtune.DefaultOptions()
				o.Bits, o.GPR = bits, gpr
				list = append(list, &o)
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindCodebook},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=3 gpr=4 start=exact": newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.GPR, o.Start = 3, 4, "exact" }),
			"bits=2 act-order toggled": newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.ActOrder = 2, !o.ActOrder }),
		}
	},
}}
