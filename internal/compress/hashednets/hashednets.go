// Package hashednets compresses a weight matrix to shared 16-bit cells with
// two hashes of a weight's place, one for its cell and one for its sign
// (HashedNets, Chen, Wilson, Tyree, Weinberger and Chen, ICML 2015; methods.md
// 4.9). The paper trains the cells; here they are the least-squares fit to the
// given weights, the control for ultrasketch: the same storage, means instead
// of least magnitudes.
package hashednets

import (
	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options struct {
	// Bits is the size of the cells in bits per weight: N weights have
	// ⌊Bits·N/16⌋ cells, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Cells, unless 0, is the number of cells; Bits then has no say.
	Cells int `yaml:"cells" doc:"cells of every matrix; 0 takes as many as bits leave"`
}

// DefaultOptions returns 2 bits per weight.
func DefaultOptions() Options { return Options{Bits: 2} }

// Check returns the faults, each naming its field.
func (o Options) Check() []error { return hashed.CheckBudget(o.Bits, o.Cells, 1, false) }

// Form returns what becomes of an out×in matrix. A cell is the mean of
// sgn·w over its weights, which minimises ‖W−Ŵ‖F.
func Form(o Options, out, in int) hashed.Form {
	return hashed.Form{
		Bits: o.Bits, Cells: o.Cells, Fill: hashed.Mean, Seeds: 2,
		Matrix: packed.Hashed{Out: out, In: in, Rows: 1, Addressing: packed.AddressWeights,
			Combine: packed.CombineSingle, Sign: packed.SignHash},
	}
}
