// Package countsketch compresses a weight matrix to a count sketch of 16-bit
// cells (Charikar, Chen and Farach-Colton, ICALP 2002; methods.md 4.9):
// unbiased, but one row is √λ as far from the weights as zero is 1, λ being
// the weights per cell. Divided by their loads the cells of one row are those
// of HashedNets. It is here to show why.
package countsketch

import (
	"fmt"
	"slices"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options struct {
	// Bits is the size of the cells in bits per weight: N weights have
	// ⌊⌊Bits·N/16⌋/Rows⌋ cells in each row, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Cells, unless 0, is the number of cells in a row; Bits then has no say.
	Cells int `yaml:"cells" doc:"cells in a row of the sketch; 0 takes as many as bits leave"`
	// Rows is the number of sketch rows, whose median a query returns.
	Rows int `yaml:"rows" doc:"rows of the sketch: 1, 3 or 5"`
	// Shrink divides each cell by its load: the mean in place of the sum.
	Shrink bool `yaml:"shrink" doc:"divide cells by the number of their weights"`
}

var rows = []int{1, 3, 5}

// DefaultOptions returns 2 bits per weight in 3 rows of sums.
func DefaultOptions() Options { return Options{Bits: 2, Rows: 3} }

// Check returns the faults, each naming its field.
func (o Options) Check() []error {
	var faults []error
	if !slices.Contains(rows, o.Rows) {
		faults = append(faults, fmt.Errorf("rows: %d, want one of 1, 3, 5", o.Rows))
	}
	return append(faults, hashed.CheckBudget(o.Bits, o.Cells, max(1, min(o.Rows, 5)), false)...)
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string { return map[string][]string{"rows": {"1", "3", "5"}} }

// Form returns what becomes of an out×in matrix: cells are sums of
// sgn·w, or means, with a sign hash for each row, and a query their median
// over the rows with the weight's signs.
func Form(o Options, out, in int) hashed.Form {
	f := hashed.Form{
		Bits: o.Bits, Cells: o.Cells, Fill: hashed.Sum, Seeds: 2 * o.Rows,
		Matrix: packed.Hashed{Out: out, In: in, Rows: o.Rows, Addressing: packed.AddressWeights,
			Combine: packed.CombineMedian, Sign: packed.SignHash},
	}
	if o.Rows == 1 {
		f.Matrix.Combine = packed.CombineSingle
	}
	if o.Shrink {
		f.Fill = hashed.Mean
	}
	return f
}
