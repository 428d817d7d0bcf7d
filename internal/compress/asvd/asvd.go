// Package asvd compresses a weight matrix to a product of two thin matrices
// that is near to it where inputs are large: the truncated singular value
// decomposition of W·diag(s), s growing with the mean magnitude of each input
// channel (ASVD, arXiv 2312.05821; methods.md 4.6). Ranks are not searched by
// their effect on the model.
package asvd

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options struct {
	Bits  float64 `yaml:"bits" doc:"bits per weight of the factors, from which the rank follows"`
	Rank  int     `yaml:"rank" doc:"rank of every matrix; 0 takes the rank that bits allow"`
	Ranks string  `yaml:"ranks" doc:"uniform: every matrix has the rank of its own size; waterfill: ranks move to where they save most error per byte"`
	Alpha float64 `yaml:"alpha" doc:"power of the mean magnitude of an input channel that scales its weights; 0 is plain svd"`
}

// DefaultOptions returns 2 bits per weight for every matrix and the published
// α = 0.5.
func DefaultOptions() Options { return Options{Bits: 2, Ranks: svd.Uniform, Alpha: 0.5} }

// Choices returns, by scenario name, the words that fields may be.
func (o Options) Choices() map[string][]string { return o.Size().Choices() }

// Size returns what the options say about ranks.
func (o Options) Size() svd.Size { return svd.Size{Bits: o.Bits, Rank: o.Rank, Ranks: o.Ranks} }

// Check returns the faults, each starting with the field.
func (o Options) Check() []error {
	errs := o.Size().Check()
	if !(o.Alpha >= 0 && o.Alpha <= 2) {
		errs = append(errs, fmt.Errorf("alpha: %v, want 0 to 2", o.Alpha))
	}
	return errs
}

// floor is what the published code adds to a scale, so that a channel that is
// always zero can be divided by its scale.
const floor = 1e-6

// Scale returns W·diag(s) of the out×in matrix w, s_j = (mean |x_j|)^α + 10⁻⁶.
func Scale(w []float32, meanAbs []float64, alpha float64) []float32 {
	s := make([]float64, len(meanAbs))
	for j, m := range meanAbs {
		s[j] = math.Pow(m, alpha) + floor
	}
	a := make([]float32, len(w))
	for i := 0; i < len(w); i += len(s) {
		for j, x := range w[i : i+len(s)] {
			a[i+j] = float32(float64(x) * s[j])
		}
	}
	return a
}

// Compress returns the matrix of a rank nearest to the out×in matrix w in
// ‖(W−Ŵ)·diag(s)‖F, packed, and the share of ‖W·diag(s)‖² that it holds.
// meanAbs holds mean |x| of the input channels. The seed matters only where
// linalg.RandomizedSVD is random.
func Compress(cfg gemm.Config, w []float32, out, in int, meanAbs []float64, rank int, o Options, seed uint64) (*packed.LowRank, float64, error) {
	s, err := decompose(cfg, w, out, in, meanAbs, rank, o, seed)
	if err != nil {
		return nil, 0, fmt.Errorf("asvd: %w", err)
	}
	p, err := svd.Pack(s, out, in)
	if err != nil {
		return nil, 0, fmt.Errorf("asvd: %w", err)
	}
	return p, svd.Energy(s), nil
}

func decompose(cfg gemm.Config, w []float32, out, in int, meanAbs []float64, rank int, o Options, seed uint64) (linalg.SVD, error) {
	return svd.Scaled(cfg, w, Scale(w, meanAbs, o.Alpha), out, in, rank, seed)
}
