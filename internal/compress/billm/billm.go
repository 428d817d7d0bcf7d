// Package billm binarises weights as BiLLM does (arXiv 2402.04291; methods.md
// 4.7): in every block of columns the salient ones get two signs a weight, the
// others one, in two regions by magnitude, and the error of a block is moved
// into the later ones.
package billm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/binarize"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Block is the number of columns that are searched, and share scalars,
	// together. A last block may be shorter.
	Block int `yaml:"block" doc:"columns that share scalars"`
	// Saliency of a weight: hessian is w²/U_jj², as in the published runs,
	// magnitude |w|.
	Saliency string `yaml:"saliency" doc:"measure by which columns are salient and weights fall into regions"`
	// Search is the matrix that the searches binarise on trial: the published
	// code takes the saliencies, the paper's text the weights.
	Search string `yaml:"search" doc:"what the searches binarise on trial"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
}

// DefaultOptions returns those of the published code.
func DefaultOptions() Options {
	return Options{Block: 128, Saliency: binarize.Hessian, Search: binarize.OnSaliency, Damp: 0.01}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	faults := binarize.CheckWords(o.Saliency, o.Search)
	if o.Block < 1 {
		faults = append(faults, fmt.Errorf("block: %d, want 1 or more columns", o.Block))
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		faults = append(faults, fmt.Errorf("damp: %v, want a finite number of 0 or more", o.Damp))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string { return binarize.Choices() }

// Nominal returns the paper's average for Llama, 1.08. It is 1 + c_s, c_s the
// share of salient columns, which the weights decide: a diagnostic tells it.
func Nominal(Options) float64 { return 1.08 }

// StoredBytes returns the bytes of a compressed out×in matrix: two planes of
// out·in bits, a plane of in bits, and 7 f16 scalars for each row and block;
// 2 + 16·7/Block + 1/out bits per weight where blocks are full.
func StoredBytes(o Options, out, in int) int64 {
	blocks := (in + o.Block - 1) / o.Block
	return 2*int64(packed.PlaneBytes(out*in)) + int64(packed.PlaneBytes(in)) + 14*int64(out)*int64(blocks)
}

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp}
}

// Compress binarises w, an out×in row-major matrix, with the factor f of its
// input's second moments, made with o.FactorOptions. Weights of dead channels
// count as 0. An error is a fault of o, or names a weight that is not finite,
// or the place of a scalar beyond f16.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Binary, binarize.Diagnostics, error) {
	if faults := Check(o); faults != nil {
		return nil, binarize.Diagnostics{}, fmt.Errorf("billm: %w", faults[0])
	}
	p, d, err := binarize.Compress(cfg, w, out, in, f, binarize.Options{
		Block: o.Block, Regions: 2, Saliency: o.Saliency, Search: o.Search, Keep: packed.PatternWidth,
	})
	if err != nil {
		return nil, binarize.Diagnostics{}, fmt.Errorf("billm: %w", err)
	}
	return p, d, nil
}

// Draw returns a random out×in matrix as large as one that Compress makes.
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Binary {
	return packed.RandomBinary(rng, packed.Binary{Out: out, In: in, Block: o.Block, Regions: 2, Keep: packed.PatternWidth})
}
