// Package svdllm compresses a weight matrix to the product of two thin
// matrices that changes the layer's output on the calibration inputs least of
// all products of its rank: the truncated singular value decomposition of W·S
// with S·Sᵀ = XᵀX (SVD-LLM, arXiv 2403.07378; methods.md 4.6). The fine-tuning
// of the factors that the paper adds is not done.
package svdllm

import (
	"fmt"

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
	// TrueSequential takes the inputs of a layer after those before it are
	// compressed; the published code takes those of the uncompressed model.
	TrueSequential bool `yaml:"true-sequential" doc:"second moments of the inputs that earlier layers give once they are compressed, instead of the uncompressed model's"`
}

// DefaultOptions returns 2 bits per weight for every matrix.
func DefaultOptions() Options { return Options{Bits: 2, Ranks: svd.Uniform} }

// Choices returns, by scenario name, the words that fields may be.
func (o Options) Choices() map[string][]string { return o.Size().Choices() }

// Size returns what the options say about ranks.
func (o Options) Size() svd.Size { return svd.Size{Bits: o.Bits, Rank: o.Rank, Ranks: o.Ranks} }

// floor is the smallest eigenvalue that the published code leaves to a
// singular XᵀX.
const floor = 1e-6

// NewRoot factors the second moments h of the inputs, H = 2/T·XᵀX, in×in,
// which are not changed: S·Sᵀ = H, with (10⁻⁶·2/T − λ)·I added where H is not
// positive definite. That is the published rule for XᵀX; the factor 2/T scales
// S alone. Matrices of the same input share it.
func NewRoot(h []float32, in, tokens int) (linalg.Root, error) {
	r, err := linalg.SymmetricRoot(h, in, floor*2/float64(tokens))
	if err != nil {
		return r, fmt.Errorf("second moments: %w", err)
	}
	return r, nil
}

// Whiten returns W·S of the out×in matrix w.
func Whiten(cfg gemm.Config, w []float32, out, in int, root linalg.Root) []float32 {
	a := make([]float32, out*in)
	cfg.Gemm(false, false, out, in, in, 1, w, in, root.S, in, 0, a, in)
	return a
}

// Compress returns the matrix of a rank nearest to the out×in matrix w in
// ‖(W−Ŵ)·S‖F, packed, and the share of ‖W·S‖² that it holds. The seed matters
// only where linalg.RandomizedSVD is random.
func Compress(cfg gemm.Config, w []float32, out, in int, root linalg.Root, rank int, seed uint64) (*packed.LowRank, float64, error) {
	s, err := decompose(cfg, w, out, in, root, rank, seed)
	if err != nil {
		return nil, 0, fmt.Errorf("svdllm: %w", err)
	}
	p, err := svd.Pack(s, out, in)
	if err != nil {
		return nil, 0, fmt.Errorf("svdllm: %w", err)
	}
	return p, svd.Energy(s), nil
}

func decompose(cfg gemm.Config, w []float32, out, in int, root linalg.Root, rank int, seed uint64) (linalg.SVD, error) {
	return svd.Scaled(cfg, w, Whiten(cfg, w, out, in, root), out, in, rank, seed)
}
