package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// sketchOptions are the defaults, edited.
func sketchOptions(edit func(o *ultrasketch.Options)) any {
	o := ultrasketch.DefaultOptions()
	edit(&o)
	return &o
}

func ultrasketchSizes() (list []any) {
	for _, bits := range []float64{0.5, 1, 3} {
		for _, rows := range []int{1, 3} {
			list = append(list, sketchOptions(func(o *ultrasketch.Options) { o.Bits, o.Rows = bits, rows }))
		}
	}
	for _, cell := range packed.CellWidths() {
		for _, reading := range packed.Readings() {
			list = append(list, sketchOptions(func(o *ultrasketch.Options) { o.Bits, o.Cell, o.Reading = 3, cell, reading }))
		}
		list = append(list,
			sketchOptions(func(o *ultrasketch.Options) { o.Bits, o.Cell, o.Tile, o.Window = 2, cell, 8, 12 }),
			sketchOptions(func(o *ultrasketch.Options) { o.Bits, o.Cell, o.Levels = 2, cell, 2 }))
	}
	return list
}

var ultrasketchFixtures = []fixture{{
	method: "ultrasketch",
	decode: map[string]string{"bits": "1", "rows": "2", "reading": "C", "allocation": "uniform", "cell": "4", "hash": "balanced",
		"tile": "8", "window": "32", "levels": "2", "scope": "layer"},
	sizes: ultrasketchSizes(),
	kinds: []packed.Kind{packed.KindCells, packed.KindSum},
	golden: func(t *testing.T) map[string]*Case {
		with := func(edit func(o *ultrasketch.Options)) *Case { return newCase(t, "ultrasketch", edit) }
		return map[string]*Case{
			"rows=1 bits=1":          with(func(o *ultrasketch.Options) { o.Rows, o.Bits = 1, 1 }),
			"reading=C":              with(func(o *ultrasketch.Options) { o.Reading = "C" }),
			"allocation=square-root": with(func(o *ultrasketch.Options) { o.Allocation = ultrasketch.SquareRoot }),
			"allocation=uniform":     with(func(o *ultrasketch.Options) { o.Allocation = ultrasketch.Uniform }),
			"reading=B cell=8":       with(func(o *ultrasketch.Options) { o.Reading, o.Cell = "B", 8 }),
			"reading=S cell=2":       with(func(o *ultrasketch.Options) { o.Reading, o.Cell = "S", 2 }),
			"hash=two-universal":     with(func(o *ultrasketch.Options) { o.Hash = packed.HashTwoUniversal }),
			"hash=balanced cell=4":   with(func(o *ultrasketch.Options) { o.Hash, o.Cell = packed.HashBalanced, 4 }),
			"tile=16":                with(func(o *ultrasketch.Options) { o.Tile = 16 }),
			"scope=layer cell=8":     with(func(o *ultrasketch.Options) { o.Scope, o.Cell = "layer", 8 }),
			"scope=model":            with(func(o *ultrasketch.Options) { o.Scope, o.Hash = "model", packed.HashBalanced }),
			"levels=2":               with(func(o *ultrasketch.Options) { o.Levels = 2 }),
		}
	},
}}
