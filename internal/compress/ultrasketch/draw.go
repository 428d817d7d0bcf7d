package ultrasketch

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Draw returns a random out×in sketch as large as one that Compress makes: the
// cells are drawn, the importance of the channels too, and classes and sizes
// follow from it as always. The options must fit the shape (CheckShape).
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Cells {
	importance := make([]float64, in)
	for i := range importance {
		importance[i] = rng.ExpFloat64()
	}
	class := classes(importance, classCount(in))
	cells := o.rowCells(out, in)
	sizes, err := Allocate(o.Allocation, importance, class, out, cells)
	if err != nil {
		panic(fmt.Sprintf("ultrasketch: %v", err)) // CheckShape comes first
	}
	return &packed.Cells{Out: out, In: in, Rows: o.Rows, Reading: o.Reading, Seeds: Seeds(rng.Uint64(), o.Rows),
		Class: class, Sizes: sizes, Cells: packed.RandomF16(rng, o.Rows*int(cells))}
}
