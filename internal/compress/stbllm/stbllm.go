// Package stbllm binarises weights as STBLLM does (arXiv 2408.01803;
// methods.md 4.7): of every 8 adjacent weights of a row the most important are
// kept, and those are binarised block by block, salient columns with two signs
// a weight, the others with one, in three regions by magnitude.
package stbllm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/sketchbench/sketchbench/internal/compress/binarize"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Keep is N of the N:8 masks. The paper has 6, 5, 4 and 2; with 8 nothing
	// is pruned.
	Keep int `yaml:"keep" doc:"weights kept of every 8 adjacent ones of a row"`
	// Importance says which are kept; see importance.go.
	Importance string `yaml:"importance" doc:"measure by which weights are kept"`
	// Layers says how Keep is shared among the layers of a model: outliers
	// keeps more in those that have more, see Layers; uniform gives all the
	// same.
	Layers string `yaml:"layers" doc:"whether layers with more outliers keep more"`
	// CompensatePruning moves the errors of pruned weights into later blocks;
	// the published code prunes before it compensates.
	CompensatePruning bool `yaml:"compensate-pruning" doc:"move the errors of pruned weights too"`
	// Block is the number of columns that are searched, and share scalars,
	// together, a multiple of 8. A last block may be shorter.
	Block int `yaml:"block" doc:"columns that share scalars; a multiple of 8"`
	// Saliency of a weight: hessian is w²/U_jj², as in the published runs,
	// magnitude |w|.
	Saliency string `yaml:"saliency" doc:"measure by which columns are salient and weights fall into regions"`
	// Search is the matrix that the searches binarise on trial: the published
	// code takes the saliencies.
	Search string `yaml:"search" doc:"what the searches binarise on trial"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
}

// The ways to share Keep among layers.
const (
	ByOutliers = "outliers"
	Uniform    = "uniform"
)

// DefaultOptions returns 4 of 8, nominally 0.55 bits, and the options of the
// published runs.
func DefaultOptions() Options {
	return Options{Keep: 4, Importance: Relative, Layers: ByOutliers, Block: 128, Saliency: binarize.Hessian, Search: binarize.OnSaliency, Damp: 0.01}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	faults := binarize.CheckWords(o.Saliency, o.Search)
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if o.Keep < 1 || o.Keep > packed.PatternWidth {
		bad("keep: %d, want 1 to %d of every %d weights", o.Keep, packed.PatternWidth, packed.PatternWidth)
	}
	if !slices.Contains(importances, o.Importance) {
		bad("importance: %q, want one of %s, %s, %s", o.Importance, Relative, Standardised, Wanda)
	}
	if o.Layers != ByOutliers && o.Layers != Uniform {
		bad("layers: %q, want one of %s, %s", o.Layers, ByOutliers, Uniform)
	}
	if o.Block < 1 || o.Block%packed.PatternWidth != 0 {
		bad("block: %d columns, want a multiple of %d", o.Block, packed.PatternWidth)
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		bad("damp: %v, want a finite number of 0 or more", o.Damp)
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := binarize.Choices()
	c["importance"] = importances
	c["layers"] = []string{ByOutliers, Uniform}
	return c
}

// Nominal returns the bits that the paper prints for 6, 5, 4 and 2 of 8: 0.80,
// 0.70, 0.55 and 0.30. For others it is Keep/8 + 0.05, the rule of three of
// these.
func Nominal(o Options) float64 {
	if o.Keep == 5 {
		return 0.7
	}
	return math.Round(1000*(float64(o.Keep)/packed.PatternWidth+0.05)) / 1000
}

// StoredBytes returns the bytes of a compressed out×in matrix: three planes of
// a bit for each kept weight, the patterns, a plane of in bits and 9 f16
// scalars for each row and block. Where patterns and blocks are full that is
// 3·f + ⌈log2 C(8,Keep)⌉/8 + 16·9/Block + 1/out bits per weight, f = Keep/8.
func StoredBytes(o Options, out, in int) int64 {
	p := shape(o, out, in)
	bytes := 3*int64(packed.PlaneBytes(out*p.Kept())) + int64(packed.PlaneBytes(out*p.MaskBits())) + int64(packed.PlaneBytes(in))
	return bytes + 2*int64(p.RowScalars())*int64(out)*int64(p.Blocks())
}

// shape is an empty matrix of the format.
func shape(o Options, out, in int) packed.Binary {
	return packed.Binary{Out: out, In: in, Block: o.Block, Regions: 3, Keep: o.Keep}
}

// Fit returns o with the largest Keep at which an out×in matrix takes at most
// so many bytes, the same in all layers.
func Fit(o Options, out, in int, target int64) (Options, error) {
	o.Layers = Uniform
	for o.Keep = packed.PatternWidth; o.Keep >= 1; o.Keep-- {
		if StoredBytes(o, out, in) <= target {
			return o, nil
		}
	}
	o.Keep = 1
	return o, fmt.Errorf("%d bytes are too few for 1 of 8 weights of a %d×%d matrix, which take %d", target, out, in, StoredBytes(o, out, in))
}

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp}
}

// Compress prunes and binarises w, an out×in row-major matrix, with the mean
// squares of its input's channels and the factor f of their second moments,
// made with o.FactorOptions. Weights of dead
// channels count as 0. An error is a fault of o, or names a weight that is not
// finite, or the place of a scalar beyond f16.
func Compress(cfg gemm.Config, w []float32, out, in int, meanSquare []float64, f *compensate.Factor, o Options) (*packed.Binary, binarize.Diagnostics, error) {
	fail := func(err error) (*packed.Binary, binarize.Diagnostics, error) {
		return nil, binarize.Diagnostics{}, fmt.Errorf("stbllm: %w", err)
	}
	if faults := Check(o); faults != nil {
		return fail(faults[0])
	}
	if err := compensate.Finite(w, in); err != nil {
		return fail(err)
	}
	b := binarize.Options{
		Block: o.Block, Regions: 3, Saliency: o.Saliency, Search: o.Search, Keep: o.Keep, MovePruned: o.CompensatePruning,
	}
	if o.Keep < packed.PatternWidth {
		b.Kept = keep(cfg, w, out, in, norms(meanSquare), o)
	}
	p, d, err := binarize.Compress(cfg, w, out, in, f, b)
	if err != nil {
		return fail(err)
	}
	return p, d, nil
}

// Draw returns a random out×in matrix as large as one that Compress makes.
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Binary {
	return packed.RandomBinary(rng, shape(o, out, in))
}
