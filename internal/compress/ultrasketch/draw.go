package ultrasketch

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in sketch as large as one that Compress makes for a
// scope of one matrix: the cells are drawn, the importance of the channels too,
// and classes and sizes follow from it as always. The options must fit the
// shape (CheckShape).
func Draw(o Options, out, in int, rng *rand.Rand) packed.Weight {
	o.Scope = ScopeMatrix
	if o.Levels == 2 {
		return &packed.Sum{Terms: []packed.Weight{Draw(o.level(), out, in, rng), Draw(o.level(), out, in, rng)}}
	}
	importance := make([]float64, in)
	for i := range importance {
		importance[i] = rng.ExpFloat64()
	}
	s, err := NewShared(o, []Member{{Out: out, In: in, Importance: importance, Bits: o.Bits}}, rng.Uint64())
	if err != nil {
		panic(fmt.Sprintf("ultrasketch: %v", err)) // CheckShape comes first
	}
	c := s.members[0]
	row := c.Layout().Row
	if c.Reading == packed.ReadingPlane {
		c.Signs = packed.RandomCodes(rng, out, in, 1)
	}
	if o.Cell < 16 {
		c.Codes = packed.RandomCodes(rng, c.Rows, row, o.Cell)
		c.Scales = magnitudes(packed.RandomF16(rng, c.Rows*len(c.Sizes)))
		return c
	}
	c.Cells = packed.RandomF16(rng, c.Rows*row)
	if c.Reading == packed.ReadingPlane || c.Reading == packed.ReadingSplit {
		magnitudes(c.Cells)
	}
	return c
}

// magnitudes clears the signs of f16 values.
func magnitudes(v []uint16) []uint16 {
	for i := range v {
		v[i] &= 0x7fff
	}
	return v
}
