// Package twopath keeps a base and a low-rank path beside it, which stay apart
// in what is stored and in inference: a dense base (lora), a normal float
// (qlora), and a normal float that its path makes up for (loftq; methods.md 4.3
// and 4.4). It trains nothing.
package twopath

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// DefaultRank is the rank of the path in the published runs.
const DefaultRank = 64

// checkRank names a rank that no matrix has.
func checkRank(rank int) []error {
	if rank < 1 {
		return []error{fmt.Errorf("rank: %d, want at least 1", rank)}
	}
	return nil
}

// fit returns the rank at which a base and its path take at most target bytes.
func fit(target, base int64, out, in int) (int, error) {
	if least := base + svd.Bytes(1, out, in); target < least {
		return 0, fmt.Errorf("rank: %d bytes are too few for the base of a %d×%d matrix and a path of rank 1, which take %d", target, out, in, least)
	}
	return svd.RankForBytes(target-base, out, in), nil
}

// adapter returns the path of a fresh LoRA adapter, whose product is zero: B,
// out×rank, is zero and A, rank×in, is uniform in ±1/√in, what Kaiming's
// initialisation with a = √5 comes to (Hu et al., arXiv 2106.09685, and its
// code).
func adapter(out, in, rank int, seed uint64) *packed.LowRank {
	rng := rand.New(rand.NewPCG(seed, 0x4c6f5241))
	p := &packed.LowRank{Out: out, In: in, Rank: rank, U: make([]uint16, out*rank), V: make([]uint16, rank*in)}
	bound := 1 / math.Sqrt(float64(in))
	for i := range p.V {
		p.V[i] = packed.F32ToF16(float32((2*rng.Float64() - 1) * bound))
	}
	return p
}
