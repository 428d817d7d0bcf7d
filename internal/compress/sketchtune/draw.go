package sketchtune

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in matrix as large as one that Compress makes. The
// options must fit the shape (CheckShape).
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Codebook {
	return &packed.Codebook{Out: out, In: in, Bits: o.Bits, Group: in / o.GPR,
		Codes: packed.RandomCodes(rng, out, in, o.Bits), Table: packed.RandomF16(rng, out*o.GPR<<o.Bits)}
}
