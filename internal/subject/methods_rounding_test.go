package subject

import (
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/packed"
	"testing"
)

var roundingFixtures = []fixture{{
	method: "int4",
	decode: map[string]string{"bits": "3", "group": "64", "symmetric": "true"},
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
			"bits=8 group=0":            newCase(t, "int4", func(o *int4.Options) { o.Bits, o.Group = 8, 0 }),
		}
	},
}}
