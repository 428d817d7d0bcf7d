package svd

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in matrix of a rank, as large as one that Compress
// makes.
func Draw(out, in, rank int, rng *rand.Rand) *packed.LowRank {
	return &packed.LowRank{Out: out, In: in, Rank: rank,
		U: packed.RandomF16(rng, out*rank), V: packed.RandomF16(rng, rank*in)}
}
