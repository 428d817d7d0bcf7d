package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/countmin"
	"github.com/sketchbench/sketchbench/internal/compress/countsketch"
	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/compress/hashednets"
	"github.com/sketchbench/sketchbench/internal/compress/minmax"
	"github.com/sketchbench/sketchbench/internal/compress/robe"
	"github.com/sketchbench/sketchbench/internal/compress/rzlinear"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var hashKinds = []packed.Kind{packed.KindHashed}

var hashFixtures = []fixture{{
	method: "hashednets", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70"},
	sizes:  []any{&hashednets.Options{Bits: 0.5}, &hashednets.Options{Bits: 2}, &hashednets.Options{Bits: 2, Cells: 77}},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5": newCase(t, "hashednets", func(o *hashednets.Options) { o.Bits = 0.5 })}
	},
}, {
	method: "robe", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70", "chunk": "16"},
	sizes:  []any{&robe.Options{Bits: 0.5, Chunk: 16}, &robe.Options{Bits: 2, Chunk: 1}, &robe.Options{Bits: 2, Cells: 77, Chunk: 32}},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5 chunk=7": newCase(t, "robe", func(o *robe.Options) { o.Bits, o.Chunk = 0.5, 7 })}
	},
}, {
	method: "rzlinear", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70", "tile_in": "16", "tile_out": "8", "hash": "two-level"},
	sizes: []any{&rzlinear.Options{Bits: 0.5, TileIn: 4, TileOut: 6, Hash: rzlinear.Single},
		&rzlinear.Options{Bits: 2, TileIn: 8, TileOut: 8, Hash: rzlinear.TwoLevel}, &rzlinear.Options{Cells: 77, Bits: 2, TileIn: 8, TileOut: 8, Hash: rzlinear.Single}},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5 tiles of 16x8 two-level": newCase(t, "rzlinear", func(o *rzlinear.Options) {
			o.Bits, o.TileIn, o.TileOut, o.Hash = 0.5, 16, 8, rzlinear.TwoLevel
		})}
	},
}, {
	method: "countsketch", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70", "rows": "5", "shrink": "true"},
	sizes: []any{&countsketch.Options{Bits: 0.5, Rows: 1}, &countsketch.Options{Bits: 2, Rows: 3},
		&countsketch.Options{Bits: 2, Rows: 5, Shrink: true}, &countsketch.Options{Bits: 2, Rows: 3, Cells: 77}},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=0.5 rows=1": newCase(t, "countsketch", func(o *countsketch.Options) { o.Bits, o.Rows = 0.5, 1 }),
			"rows=5 shrink":   newCase(t, "countsketch", func(o *countsketch.Options) { o.Rows, o.Shrink = 5, true }),
		}
	},
}, {
	method: "countmin", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70", "rows": "2", "signs": "dropped"},
	sizes:  magnitudeSizes,
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5 signs=dropped": newCase(t, "countmin", func(o *countmin.Options) { o.Bits, o.Signs = 0.5, hashed.Dropped })}
	},
}, {
	method: "minmax", kinds: hashKinds,
	decode: map[string]string{"bits": "1.5bpw", "cells": "70", "rows": "2", "signs": "dropped"},
	sizes:  magnitudeSizes,
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5 signs=dropped": newCase(t, "minmax", func(o *minmax.Options) { o.Bits, o.Signs = 0.5, hashed.Dropped })}
	},
}}

var magnitudeSizes = []any{&hashed.Magnitudes{Bits: 0.5, Rows: 3, Signs: hashed.Dropped}, &hashed.Magnitudes{Bits: 1.5, Rows: 1, Signs: hashed.Carried},
	&hashed.Magnitudes{Bits: 3, Rows: 4, Signs: hashed.Carried}, &hashed.Magnitudes{Bits: 2, Rows: 2, Cells: 77, Signs: hashed.Carried}}

// TestHashNominal: bits are what a case aims at, unless cells are given: then
// what it stores.
func TestHashNominal(t *testing.T) {
	spec := model.LinearSpec{Name: "w", Out: 64, In: 96}
	c := newCase(t, "hashednets", func(o *hashednets.Options) { o.Bits = 1 })
	if got := c.NominalBits(spec); got != 1 {
		t.Errorf("bits: 1: nominal %v", got)
	}
	// 600 cells of two bytes and two seeds of eight.
	c = newCase(t, "hashednets", func(o *hashednets.Options) { o.Cells = 600 })
	if got, want := c.NominalBits(spec), 8*1216./(64*96); got != want {
		t.Errorf("cells: 600: nominal %v, want %v", got, want)
	}
}
