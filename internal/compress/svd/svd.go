// Package svd compresses a weight matrix to the product of two thin 16-bit
// matrices, its truncated singular value decomposition (methods.md 4.6). It
// looks at weights only; asvd and svdllm, which weigh the input channels by
// their activations, share its ranks and its rounding.
package svd

import (
	"fmt"
	"slices"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the same options give other bytes.
const Version = 2

// Options are the method's settings in a scenario.
type Options struct {
	Bits  float64 `yaml:"bits" doc:"bits per weight of the factors, from which the rank follows"`
	Rank  int     `yaml:"rank" doc:"rank of every matrix; 0 takes the rank that bits allow"`
	Ranks string  `yaml:"ranks" doc:"uniform: every matrix has the rank of its own size; waterfill: ranks move to where they save most error per byte"`
}

// DefaultOptions returns 2 bits per weight for every matrix.
func DefaultOptions() Options { return Options{Bits: 2, Ranks: Uniform} }

// Choices returns, by scenario name, the words that fields may be.
func (o Options) Choices() map[string][]string { return o.Size().Choices() }

// Size returns what the options say about ranks.
func (o Options) Size() Size { return Size(o) }

// Compress returns the leading rank singular triplets of the out×in matrix w,
// packed, and the share of ‖W‖² that they hold. The seed matters only where
// linalg.RandomizedSVD is random. The error names the first weight that is not
// finite, or a rank out of range, or says that a factor cannot fit.
func Compress(cfg gemm.Config, w []float32, out, in, rank int, seed uint64) (*packed.LowRank, float64, error) {
	s, err := Decompose(cfg, w, out, in, rank, seed)
	if err != nil {
		return nil, 0, fmt.Errorf("svd: %w", err)
	}
	p, err := Pack(s, out, in)
	if err != nil {
		return nil, 0, fmt.Errorf("svd: %w", err)
	}
	return p, Energy(s), nil
}

// Decompose returns the leading rank singular triplets of the out×in matrix a.
func Decompose(cfg gemm.Config, a []float32, out, in, rank int, seed uint64) (linalg.SVD, error) {
	if rank < 1 || rank > min(out, in) {
		return linalg.SVD{}, fmt.Errorf("rank: %d for a %d×%d matrix, want 1 to %d; rank 1 has %.4g bits", rank, out, in, min(out, in), Smallest(out, in))
	}
	opts := linalg.DefaultSVDOptions()
	opts.Seed = seed
	return linalg.RandomizedSVD(cfg, a, out, in, rank, opts)
}

// Energy returns the share of ‖A‖² that a truncated decomposition of A holds.
func Energy(s linalg.SVD) float64 { return 1 - s.Residual*s.Residual }

// Scaled returns the matrix of a rank that is nearest to the out×in matrix w
// in ‖(W−Ŵ)·S‖F, given a = W·S for an invertible in×in matrix S that weighs the
// input channels, which is not needed itself.
//
// With A = U·Σ·V the published code truncates and forms V·S⁻¹. Since
// Σ·V = UᵀA = UᵀW·S, that is Σ⁻¹·UᵀW: V of the result, beside U and Σ of A,
// comes from W, and an S near to singular does no harm. Its rows are not
// orthonormal. Residual is that of A. The error names the first weight of W that
// is not finite.
func Scaled(cfg gemm.Config, w, a []float32, out, in, rank int, seed uint64) (linalg.SVD, error) {
	if i := slices.IndexFunc(w, func(x float32) bool { return x-x != 0 }); i >= 0 {
		return linalg.SVD{}, fmt.Errorf("weight [%d,%d] is %v", i/in, i%in, w[i])
	}
	s, err := Decompose(cfg, a, out, in, rank, seed)
	if err != nil {
		return s, err
	}
	cfg.Gemm(true, false, rank, in, out, 1, s.U, rank, w, in, 0, s.V, in)
	for k, sigma := range s.S {
		if sigma == 0 {
			continue // U has zeros there
		}
		for c, x := range s.V[k*in : (k+1)*in] {
			s.V[k*in+c] = float32(float64(x) / sigma)
		}
	}
	return s, nil
}
