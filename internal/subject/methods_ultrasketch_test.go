package subject

import (
	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
	"testing"
)

var ultrasketchFixtures = []fixture{{
	method: "ultrasketch",
	decode: map[string]string{"bits": "1", "rows": "2", "reading": "C", "allocation": "uniform"},
	sizes: func() (list []any) {
		for _, bits := range []float64{0.5, 1, 3} {
			for _, rows := range []int{1, 3} {
				o := ultrasketch.DefaultOptions()
				o.Bits, o.Rows = bits, rows
				list = append(list, &o)
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindCells},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"rows=1 bits=1":          newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Rows, o.Bits = 1, 1 }),
			"reading=C":              newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Reading = "C" }),
			"allocation=square-root": newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Allocation = ultrasketch.SquareRoot }),
			"allocation=uniform":     newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Allocation = ultrasketch.Uniform }),
		}
	},
}}
