// Package svd compresses a weight matrix to the product of two thin 16-bit
// matrices, its truncated singular value decomposition (methods.md 4.6). It
// looks at weights only: activations have no part in it.
package svd

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options struct {
	// Bits is the size aimed at, in bits per weight, above 0 and at most 16.
	Bits float64 `yaml:"bits" doc:"bits per weight of the factors, from which the rank follows"`
	// Rank, unless 0, is the rank of every matrix; Bits then has no say.
	Rank int `yaml:"rank" doc:"rank of every matrix; 0 takes the rank that bits allow"`
}

// DefaultOptions returns 2 bits per weight.
func DefaultOptions() Options { return Options{Bits: 2} }

// Check names the field that is out of range.
func (o Options) Check() []error {
	var errs []error
	if !(o.Bits > 0 && o.Bits <= 16) {
		errs = append(errs, fmt.Errorf("bits: %v, want above 0 and at most 16", o.Bits))
	}
	if o.Rank < 0 {
		errs = append(errs, fmt.Errorf("rank: %d, want at least 1, or 0 for the rank that bits allow", o.Rank))
	}
	return errs
}

// RankOf returns the rank that the options give to an out×in matrix.
func (o Options) RankOf(out, in int) int {
	if o.Rank > 0 {
		return o.Rank
	}
	return Rank(o.Bits, out, in)
}

// CheckShape names the field that gives an out×in matrix no rank that it can
// have.
func (o Options) CheckShape(out, in int) error {
	switch r := o.RankOf(out, in); {
	case r > min(out, in):
		return fmt.Errorf("rank: %d for a %d×%d matrix, want at most %d", r, out, in, min(out, in))
	case r < 1:
		return fmt.Errorf("bits: %v are too few for rank 1 of a %d×%d matrix, which takes %.3g bits per weight", o.Bits, out, in, Smallest(out, in))
	}
	return nil
}

// Rank returns the largest rank at which an out×in matrix takes at most bits
// per weight, ⌊bits·out·in/(16·(out+in))⌋, and at most min(out, in). It is 0
// if not even rank 1 fits; Smallest gives the bits that rank 1 needs.
func Rank(bits float64, out, in int) int {
	// The bits that a rank takes must give that rank back, so a quotient within
	// rounding below an integer counts as that integer.
	r := math.Floor(bits * float64(out) * float64(in) / (16 * float64(out+in)) * (1 + 1e-12))
	return int(min(r, float64(min(out, in))))
}

// RankForBytes returns the largest rank at which an out×in matrix takes at
// most so many bytes, and at most min(out, in): 2·(out+in) bytes for each.
func RankForBytes(bytes int64, out, in int) int {
	return int(min(bytes/(2*(int64(out)+int64(in))), int64(min(out, in))))
}

// Smallest returns the fewest bits per weight that an out×in matrix can have,
// those of rank 1.
func Smallest(out, in int) float64 {
	return 16 * float64(out+in) / (float64(out) * float64(in))
}

// Compress returns the leading rank singular triplets of the out×in matrix w,
// σ^½ on either side, rounded to f16. The seed matters only where
// linalg.RandomizedSVD is random.
//
// Where σ^½ times a singular vector leaves the range of f16 on one side, the
// triplet is balanced: a power of two moves from the side with the larger
// entries to the other, which changes no product. The error names the first
// weight that is not finite, or a rank out of range, or says that a factor
// cannot fit.
func Compress(cfg gemm.Config, w []float32, out, in, rank int, seed uint64) (*packed.LowRank, error) {
	if rank < 1 || rank > min(out, in) {
		return nil, fmt.Errorf("svd: rank: %d for a %d×%d matrix, want 1 to %d; rank 1 has %.4g bits", rank, out, in, min(out, in), Smallest(out, in))
	}
	opts := linalg.DefaultSVDOptions()
	opts.Seed = seed
	s, err := linalg.RandomizedSVD(cfg, w, out, in, rank, opts)
	if err != nil {
		return nil, fmt.Errorf("svd: %w", err)
	}
	p := &packed.LowRank{Out: out, In: in, Rank: rank, U: make([]uint16, out*rank), V: make([]uint16, rank*in)}
	for k := range rank {
		us, vs := scales(s, k, out, in)
		for r := range out {
			p.U[r*rank+k] = packed.F32ToF16(float32(float64(s.U[r*rank+k]) * us))
		}
		for c := range in {
			p.V[k*in+c] = packed.F32ToF16(float32(float64(s.V[k*in+c]) * vs))
		}
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("svd: weights too large for 16-bit factors: %w", err)
	}
	return p, nil
}

// The largest entry of a factor is kept in [minPeak, maxPeak], away from the
// overflow of f16 at 65504 and its subnormals below 2⁻¹⁴: those are 2⁻²⁴ apart,
// finer by far than the values at minPeak, which are 2⁻²⁰ apart.
const (
	minPeak = 0x1p-10
	maxPeak = 0x1p15
)

// scales returns the factors of U's column k and V's row k, whose product is
// σ_k: σ^½ each, unless the largest entry of one side then leaves
// [minPeak, maxPeak] and a power of two brings it nearer to the other's.
func scales(s linalg.SVD, k, out, in int) (us, vs float64) {
	rank := len(s.S)
	root := math.Sqrt(s.S[k])
	var u, v float64
	for r := range out {
		u = max(u, math.Abs(float64(s.U[r*rank+k])))
	}
	for _, x := range s.V[k*in : (k+1)*in] {
		v = max(v, math.Abs(float64(x)))
	}
	u, v = u*root, v*root
	if u == 0 || v == 0 || min(u, v) >= minPeak && max(u, v) <= maxPeak {
		return root, root
	}
	shift := math.Round(math.Log2(v/u) / 2)
	return root * math.Exp2(shift), root * math.Exp2(-shift)
}
