package hashed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// The values of Magnitudes.Signs.
const (
	Carried = "carried" // a bit for each weight beside the cells
	Dropped = "dropped" // every ŵ is a magnitude
)

var signs = []string{Carried, Dropped}

// maxRows bounds Magnitudes.Rows.
const maxRows = 4

// Magnitudes are the options of sketches of magnitudes of which a query
// returns the least over the rows: count-min and the one of maxima.
type Magnitudes struct {
	// Bits is the size of cells and signs in bits per weight: N weights have
	// ⌊⌊(Bits − s)·N/16⌋/Rows⌋ cells in each row, at most N, s being 1 if signs
	// are carried (whole bytes for each row of the matrix) and else 0.
	Bits float64 `yaml:"bits" doc:"size of cells and signs in bits per weight"`
	// Cells, unless 0, is the number of cells in a row; Bits then has no say.
	Cells int `yaml:"cells" doc:"cells in a row of the sketch; 0 takes as many as bits leave"`
	// Rows is the number of sketch rows, of which a query returns the least.
	Rows int `yaml:"rows" doc:"rows of the sketch, 1 to 4"`
	// Signs says whether the signs of the weights are stored.
	Signs string `yaml:"signs" doc:"carried, a bit for each weight, or dropped"`
}

// DefaultMagnitudes returns 2 bits per weight, of which 1 is the sign, in 3
// rows.
func DefaultMagnitudes() Magnitudes { return Magnitudes{Bits: 2, Rows: 3, Signs: Carried} }

// Check returns the faults, each naming its field.
func (o Magnitudes) Check() []error {
	var faults []error
	if o.Rows < 1 || o.Rows > maxRows {
		faults = append(faults, fmt.Errorf("rows: %d, want 1 to %d", o.Rows, maxRows))
	}
	if !slices.Contains(signs, o.Signs) {
		faults = append(faults, fmt.Errorf("signs: %q, want one of %s", o.Signs, strings.Join(signs, ", ")))
	}
	return append(faults, CheckBudget(o.Bits, o.Cells, max(1, min(o.Rows, maxRows)), o.Signs == Carried)...)
}

// Choices returns, by scenario name, the words that fields may be.
func (Magnitudes) Choices() map[string][]string { return map[string][]string{"signs": signs} }

// Form returns what becomes of an out×in matrix with cells of the given fill.
func (o Magnitudes) Form(out, in int, fill Fill) Form {
	f := Form{
		Bits: o.Bits, Cells: o.Cells, Fill: fill, Seeds: o.Rows,
		Matrix: packed.Hashed{Out: out, In: in, Rows: o.Rows, Addressing: packed.AddressWeights,
			Combine: packed.CombineMin, Sign: packed.SignNone},
	}
	if o.Rows == 1 {
		f.Matrix.Combine = packed.CombineSingle
	}
	if o.Signs == Carried {
		f.Matrix.Sign = packed.SignPlane
	}
	return f
}
