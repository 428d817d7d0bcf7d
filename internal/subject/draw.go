package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// drawDense draws an uncompressed matrix of bf16, the type of most checkpoints.
func drawDense(_ any, out, in int, _ int64, rng *rand.Rand) packed.Weight {
	return &packed.Dense{Out: out, In: in, DType: "BF16", Data: packed.RandomBF16(rng, out*in)}
}

// Draw returns a random out×in matrix in the format that the case gives to all
// matrices, as large as a compressed one: what kernels are timed on without a
// model. The same seed gives the same matrix.
func (c *Case) Draw(out, in int, seed uint64) packed.Weight {
	rng := rand.New(rand.NewPCG(c.Seed, seed))
	return c.Method.Draw(c.Options, out, in, c.shapeTarget(out, in), rng)
}

// CheckShape returns the fault, if any, of the case on an out×in matrix
// without a name. With a target, its method's fault counts too.
func (c *Case) CheckShape(out, in int) error {
	if t := c.Target; t != nil {
		if err := t.Method.CheckShape(t.Options, out, in, 0); err != nil {
			return fmt.Errorf("match: %s: %w", t.Method.Name, err)
		}
	}
	return c.Method.CheckShape(c.Options, out, in, c.shapeTarget(out, in))
}

// shapeTarget is TargetBytes for a matrix without a name.
func (c *Case) shapeTarget(out, in int) int64 {
	if c.Target == nil {
		return 0
	}
	return c.Target.Method.StoredBytes(c.Target.Options, out, in, 0)
}
