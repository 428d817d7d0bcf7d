// Package robe compresses a weight matrix to shared 16-bit cells, of which
// chunks of adjacent weights read adjacent ones: ROBE-Z, random offset block
// embedding (Desai, Chou and Shrivastava, MLSys 2022; methods.md 4.9), with the
// index formula of apd10/universal_memory_allocation. The paper trains the
// cells; here they are the least-squares fit to the given weights.
package robe

import (
	"fmt"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the same options give other bytes.
const Version = 1

// Modulus is P, the prime of the published code. Its A, B and C are drawn of
// one fixed seed, 1024; ours are drawn for each matrix.
const Modulus = 2038074743

// Options are the method's settings in a scenario.
type Options struct {
	// Bits is the size of the cells in bits per weight: N weights have
	// ⌊Bits·N/16⌋ cells, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Cells, unless 0, is the number of cells; Bits then has no say.
	Cells int `yaml:"cells" doc:"cells of every matrix; 0 takes as many as bits leave"`
	// Chunk is Z, the adjacent weights of a row that share an offset; a chunk
	// ends with its row, and is not longer than it. The published code has 1,
	// the paper up to 32, one cache line of 16-bit cells.
	Chunk int `yaml:"chunk" doc:"adjacent weights that share a hashed offset (Z)"`
}

// DefaultOptions returns 2 bits per weight and chunks of 32.
func DefaultOptions() Options { return Options{Bits: 2, Chunk: 32} }

// Check returns the faults, each naming its field.
func (o Options) Check() []error {
	faults := hashed.CheckBudget(o.Bits, o.Cells, 1, false)
	if o.Chunk < 1 {
		faults = append(faults, fmt.Errorf("chunk: %d, want at least 1", o.Chunk))
	}
	return faults
}

// Form returns what becomes of an out×in matrix: weight (r,c) has the
// cell ((A·r + B·⌊c/Z⌋ + C) mod P) mod (m−Z+1) + c mod Z of m, the embedding's
// row being the matrix's. A cell is the mean of its weights, which minimises
// ‖W−Ŵ‖F.
func Form(o Options, out, in int) hashed.Form {
	return hashed.Form{
		Bits: o.Bits, Cells: o.Cells, Fill: hashed.Mean, Seeds: packed.TileSeeds, Modulus: Modulus,
		Matrix: packed.Hashed{Out: out, In: in, Rows: 1, Addressing: packed.AddressChunks, Chunk: min(o.Chunk, in),
			Combine: packed.CombineSingle, Sign: packed.SignNone},
	}
}
