package subject

import (
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
	"testing"
)

var lowrankFixtures = []fixture{{
	method: "svd",
	decode: map[string]string{"bits": "1.5bpw", "rank": "7"},
	sizes:  []any{&svd.Options{Bits: 1}, &svd.Options{Bits: 2}, &svd.Options{Bits: 4.15625}, &svd.Options{Bits: 1, Rank: 5}},
	kinds:  []packed.Kind{packed.KindLowRank},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{"bits=0.5": newCase(t, "svd", func(o *svd.Options) { o.Bits = 0.5 })}
	},
}}
