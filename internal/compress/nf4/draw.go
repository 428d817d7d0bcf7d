package nf4

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in matrix as large as one that Compress makes.
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Levels {
	w := &packed.Levels{Out: out, In: in, Bits: o.Bits, Block: min(o.Block, out*in),
		Codes: packed.RandomCodes(rng, out, in, o.Bits)}
	n := w.Blocks()
	if o.DoubleQuant {
		w.AbsmaxCodes = packed.RandomCodes(rng, 1, n, 8)
		w.Absmax2, w.Offset = uniform(rng, (n-1)/packed.AbsmaxBlock+1), 0.1
		return w
	}
	w.Absmax = uniform(rng, n)
	return w
}

// uniform returns n values in [1/16, 1/8).
func uniform(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = (1 + rng.Float32()) / 16
	}
	return v
}
