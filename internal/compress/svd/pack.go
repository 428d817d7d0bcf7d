package svd

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Pack rounds the factors of a decomposition of an out×in matrix to f16, σ^½
// on either side.
//
// Where σ^½ times a singular vector leaves the range of f16 on one side, the
// triplet is balanced: a power of two moves from the side with the larger
// entries to the other, which changes no product. The error says that a factor
// cannot fit.
func Pack(s linalg.SVD, out, in int) (*packed.LowRank, error) {
	rank := len(s.S)
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
		return nil, fmt.Errorf("weights too large for 16-bit factors: %w", err)
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
