package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// drawDense draws an uncompressed matrix of bf16, the type of most checkpoints.
func drawDense(_ any, out, in int, rng *rand.Rand) packed.Weight {
	return &packed.Dense{Out: out, In: in, DType: "BF16", Data: packed.RandomBF16(rng, out*in)}
}

// Draw returns a random out×in matrix in the format that the case gives to all
// matrices, as large as a compressed one: what kernels are timed on without a
// model. The same seed gives the same matrix. CheckShape must have passed.
func (c *Case) Draw(out, in int, seed uint64) packed.Weight {
	o, err := c.shapeOptions(out, in)
	if err != nil {
		panic(fmt.Sprintf("subject: Draw of a shape that CheckShape refuses: %v", err))
	}
	return c.Method.Draw(o, out, in, rand.New(rand.NewPCG(c.Seed, seed)))
}
