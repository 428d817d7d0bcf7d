package subject

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/twopath"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var twopathFixtures = []fixture{{
	method: "lora",
	decode: map[string]string{"rank": "8"},
	sizes:  []any{&twopath.LoRAOptions{Rank: 1}, &twopath.LoRAOptions{Rank: 16}},
	kinds:  []packed.Kind{packed.KindSum},
}, {
	method: "qlora",
	decode: map[string]string{"rank": "8", "block": "32", "double-quant": "false"},
	sizes:  []any{&twopath.QLoRAOptions{Rank: 1, Block: 64}, &twopath.QLoRAOptions{Rank: 16, Block: 100, DoubleQuant: true}},
	kinds:  []packed.Kind{packed.KindSum},
}, {
	method: "loftq",
	decode: map[string]string{"bits": "2", "rank": "8", "rounds": "5", "block": "32", "double-quant": "true"},
	sizes: []any{
		&twopath.LoftQOptions{Bits: 2, Rank: 1, Rounds: 2, Block: 64}, &twopath.LoftQOptions{Bits: 3, Rank: 16, Rounds: 1, Block: 100},
		&twopath.LoftQOptions{Bits: 4, Rank: 16, Rounds: 1, Block: 64, DoubleQuant: true},
	},
	kinds: []packed.Kind{packed.KindSum},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=2 rounds=3": newCase(t, "loftq", func(o *twopath.LoftQOptions) { o.Bits, o.Rounds = 2, 3 }),
		}
	},
}}
