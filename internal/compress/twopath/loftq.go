package twopath

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/nf4"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// LoftQVersion changes when the same options give other bytes.
const LoftQVersion = 1

// MaxRounds is the most rounds of loftq.
const MaxRounds = 10

// LoftQOptions are the settings of loftq in a scenario.
type LoftQOptions struct {
	Bits        int  `yaml:"bits" doc:"width of a code of the base: NF2, NF3 or NF4"`
	Rank        int  `yaml:"rank" doc:"rank of the path beside the base"`
	Rounds      int  `yaml:"rounds" doc:"times that base and path are computed in turn"`
	Block       int  `yaml:"block" doc:"weights of the flattened matrix that share a scale"`
	DoubleQuant bool `yaml:"double-quant" doc:"scales in 8 bits, with a second scale for every 256 of them"`
}

// DefaultLoftQ returns NF4 in blocks of 64, rank 64 and one round, as the
// released checkpoints have.
func DefaultLoftQ() LoftQOptions {
	base := nf4.DefaultOptions()
	return LoftQOptions{Bits: base.Bits, Rank: DefaultRank, Rounds: 1, Block: base.Block}
}

func (o LoftQOptions) base() nf4.Options {
	return nf4.Options{Bits: o.Bits, Block: o.Block, DoubleQuant: o.DoubleQuant}
}

// Check returns the faults, each starting with the field.
func (o LoftQOptions) Check() []error {
	errs := append(nf4.Check(o.base()), checkRank(o.Rank)...)
	if o.Rounds < 1 || o.Rounds > MaxRounds {
		errs = append(errs, fmt.Errorf("rounds: %d, want 1 to %d", o.Rounds, MaxRounds))
	}
	return errs
}

// Choices returns, by scenario name, the words that fields may be.
func (o LoftQOptions) Choices() map[string][]string { return o.base().Choices() }

// StoredBytes returns the bytes of an out×in matrix: those of nf4 and 16 bits
// for every factor of the path.
func (o LoftQOptions) StoredBytes(out, in int) int64 {
	return nf4.StoredBytes(o.base(), out, in) + svd.Bytes(o.Rank, out, in)
}

// Fit returns o with the largest rank of at most so many bytes.
func (o LoftQOptions) Fit(out, in int, target int64) (LoftQOptions, error) {
	var err error
	o.Rank, err = fit(target, nf4.StoredBytes(o.base(), out, in), out, in)
	return o, err
}

// LoftQ returns a base Q and a path L·R for the out×in matrix w that are
// computed in turn, so often as o.Rounds says: Q is W − L·R, rounded, and L·R
// is the best approximation of W − Q (LoftQ, arXiv 2310.08659, algorithm 1).
// In the first round L·R is 0. The path is rounded to f16 after the last.
//
// It also returns ‖W−Q−LR‖F/‖W‖F after every round, before L and R are rounded:
// it need not fall. The seed matters only where linalg.RandomizedSVD is random.
func LoftQ(cfg gemm.Config, w []float32, out, in int, o LoftQOptions, seed uint64) (*packed.Sum, []float64, error) {
	base, path, errs, err := alternate(cfg, w, out, in, o, seed)
	if err != nil {
		return nil, nil, fmt.Errorf("loftq: %w", err)
	}
	p, err := svd.Pack(path, out, in)
	if err != nil {
		return nil, nil, fmt.Errorf("loftq: %w", err)
	}
	return &packed.Sum{Terms: []packed.Weight{base, p}}, errs, nil
}

// alternate is LoftQ without the rounding of the path.
func alternate(cfg gemm.Config, w []float32, out, in int, o LoftQOptions, seed uint64) (base *packed.Levels, path linalg.SVD, errs []float64, err error) {
	low := make([]float32, len(w))  // L·R
	left := make([]float32, len(w)) // what is rounded, then W − Q
	var all float64
	for _, x := range w {
		all += float64(x) * float64(x)
	}
	for range o.Rounds {
		for i, x := range w {
			left[i] = x - low[i]
		}
		if base, err = nf4.Compress(cfg, left, out, in, o.base()); err != nil {
			return base, path, errs, err
		}
		base.Dequantize(left, 0, out)
		for i, x := range w {
			left[i] = x - left[i]
		}
		if path, err = svd.Decompose(cfg, left, out, in, o.Rank, seed); err != nil {
			return base, path, errs, err
		}
		multiply(cfg, low, path, out, in)
		var sum float64
		for i, x := range left {
			d := float64(x) - float64(low[i])
			sum += d * d
		}
		if all > 0 {
			sum /= all
		}
		errs = append(errs, math.Sqrt(sum))
	}
	return base, path, errs, nil
}

// multiply sets dst to U·diag(S)·V.
func multiply(cfg gemm.Config, dst []float32, s linalg.SVD, out, in int) {
	rank := len(s.S)
	u := make([]float32, len(s.U))
	for i, x := range s.U {
		u[i] = float32(float64(x) * s.S[i%rank])
	}
	cfg.Gemm(false, false, out, in, rank, 1, u, rank, s.V, in, 0, dst, in)
}

// DrawLoftQ returns a random out×in matrix as large as one of LoftQ.
func DrawLoftQ(o LoftQOptions, out, in int, rng *rand.Rand) *packed.Sum {
	return &packed.Sum{Terms: []packed.Weight{nf4.Draw(o.base(), out, in, rng), svd.Draw(out, in, o.Rank, rng)}}
}
