package subject

import (
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/nf4"
	"github.com/sketchbench/sketchbench/internal/packed"
	"testing"
)

var roundingFixtures = []fixture{{
	method: "int4",
	decode: map[string]string{"bits": "3", "group": "64", "symmetric": "true", "mse-clip": "true"},
	sizes: func() (list []any) {
		for _, bits := range []int{2, 3, 4, 8} {
			for _, group := range []int{0, 32, 128, 1000} {
				for _, symmetric := range []bool{false, true} {
					list = append(list, &int4.Options{Bits: bits, Group: group, Symmetric: symmetric})
				}
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindGrid},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=3 group=32 symmetric": newCase(t, "int4", func(o *int4.Options) { o.Bits, o.Group, o.Symmetric = 3, 32, true }),
			"bits=3 group=32 mse-clip":  newCase(t, "int4", func(o *int4.Options) { o.Bits, o.Group, o.MSEClip = 3, 32, true }),
			"bits=8 group=0":            newCase(t, "int4", func(o *int4.Options) { o.Bits, o.Group = 8, 0 }),
		}
	},
}, {
	method: "nf4",
	decode: map[string]string{"bits": "3", "block": "32", "double-quant": "true"},
	sizes: func() (list []any) {
		for _, bits := range []int{2, 3, 4} {
			for _, block := range []int{1, 64, 100, 1 << 20} {
				for _, double := range []bool{false, true} {
					list = append(list, &nf4.Options{Bits: bits, Block: block, DoubleQuant: double})
				}
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindLevels},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"double-quant":    newCase(t, "nf4", func(o *nf4.Options) { o.DoubleQuant = true }),
			"bits=2 block=48": newCase(t, "nf4", func(o *nf4.Options) { o.Bits, o.Block = 2, 48 }),
			"bits=3":          newCase(t, "nf4", func(o *nf4.Options) { o.Bits = 3 }),
		}
	},
}}
