// Package rzlinear compresses a weight matrix to shared 16-bit cells, of which
// a tile of the matrix reads adjacent ones, with the index formula of the
// Triton kernels of apd10/RzLinear (methods.md 4.9). There the cells are
// trained; here they are the least-squares fit to the given weights.
package rzlinear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the same options give other bytes.
const Version = 1

// Modulus is R0, the prime of the published kernels. ROBE's 2038074743 times a
// tile's number overflowed the 32-bit integers of Triton; with 45007, below
// √2³¹, products stay inside. The price is that offsets of Single stay below
// it: of more than 45007 cells and those of a tile, the rest is never read.
const Modulus = 45007

// The values of Options.Hash.
const (
	// Single is ((k·R3 + n·R2 + R1) mod R0) mod (m − K·N) for tile (k,n).
	Single = "single"
	// TwoLevel is (((k·R3 + n·R2 + R1) mod R0)·R0 + (k·R7 + n·R5 + R4) mod R0)
	// mod (m − K·N), with which the later kernels reach R0² cells.
	TwoLevel = "two-level"
)

var hashes = []string{Single, TwoLevel}

// Options are the method's settings in a scenario.
type Options struct {
	// Bits is the size of the cells in bits per weight: N weights have
	// ⌊Bits·N/16⌋ cells, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Cells, unless 0, is the number of cells; Bits then has no say.
	Cells int `yaml:"cells" doc:"cells of every matrix; 0 takes as many as bits leave"`
	// TileIn and TileOut are the input and output channels of a tile, at most
	// those of the matrix. The published kernels have 32×64 unless tuned.
	TileIn  int    `yaml:"tile_in" doc:"input channels of a tile"`
	TileOut int    `yaml:"tile_out" doc:"output channels of a tile"`
	Hash    string `yaml:"hash" doc:"single, whose offsets stay below 45007, or two-level"`
}

// DefaultOptions returns 2 bits per weight and tiles of 32×64.
func DefaultOptions() Options { return Options{Bits: 2, TileIn: 32, TileOut: 64, Hash: Single} }

// Check returns the faults, each naming its field.
func (o Options) Check() []error {
	faults := hashed.CheckBudget(o.Bits, o.Cells, 1, false)
	const most = 1 << 15
	if o.TileIn < 1 || o.TileIn > most {
		faults = append(faults, fmt.Errorf("tile_in: %d, want 1 to %d", o.TileIn, most))
	}
	if o.TileOut < 1 || o.TileOut > most {
		faults = append(faults, fmt.Errorf("tile_out: %d, want 1 to %d", o.TileOut, most))
	}
	if !slices.Contains(hashes, o.Hash) {
		faults = append(faults, fmt.Errorf("hash: %q, want one of %s", o.Hash, strings.Join(hashes, ", ")))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string { return map[string][]string{"hash": hashes} }

// Form returns what becomes of an out×in matrix. A cell is the mean of
// its weights, which minimises ‖W−Ŵ‖F.
func Form(o Options, out, in int) hashed.Form {
	seeds := packed.TileSeeds
	if o.Hash == TwoLevel {
		seeds = packed.TwoLevelSeeds
	}
	return hashed.Form{
		Bits: o.Bits, Cells: o.Cells, Fill: hashed.Mean, Seeds: seeds, Modulus: Modulus,
		Matrix: packed.Hashed{Out: out, In: in, Rows: 1, Addressing: packed.AddressTiles, TileIn: min(o.TileIn, in), TileOut: min(o.TileOut, out),
			Combine: packed.CombineSingle, Sign: packed.SignNone},
	}
}
