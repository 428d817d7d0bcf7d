package gptq

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in matrix as large as one that Compress makes,
// with as many channels in every group.
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Grid {
	w := &packed.Grid{Out: out, In: in, Bits: o.Bits, Group: o.group(in), Symmetric: o.Symmetric,
		Codes: packed.RandomCodes(rng, out, in, o.Bits)}
	n := out * w.Groups()
	w.Scale = packed.RandomF16(rng, n)
	if !o.Symmetric {
		w.Zero = packed.RandomCodes(rng, 1, n, o.Bits)
	}
	if o.indexed(in) {
		w.Index = make([]uint32, in)
		for k, j := range rng.Perm(in) {
			w.Index[j] = uint32(k / w.Group)
		}
	}
	return w
}
