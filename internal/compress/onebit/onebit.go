// Package onebit compresses weights to their signs and two vectors, as OneBit
// starts from (arXiv 2402.11295; methods.md 4.7): Ŵ = sign(W)∘(a·bᵀ) with a·bᵀ
// the best rank-1 approximation of |W|. The distillation by which the paper
// gets its results is no part of it.
package onebit

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario. There are none: the size follows
// from the shape, and the approximation is unique.
type Options struct{}

// Nominal is the paper's 1 bit.
const Nominal = 1.0

// StoredBytes returns the bytes of a compressed out×in matrix, ⌈out·in/8⌉ +
// 2·(out + in): 1 + 16·(out+in)/(out·in) bits per weight.
func StoredBytes(out, in int) int64 {
	return int64(packed.PlaneBytes(out*in)) + 2*(int64(out)+int64(in))
}

// Compress returns the signs of w, an out×in row-major matrix, + for 0, and
// the leading singular pair of |W|, σ^½ on either side, rounded to f16.
//
// The published code takes scikit-learn's NMF of one component with a random
// start. The non-negative matrix of rank 1 nearest to |W| is σ·u·vᵀ, whose
// vectors have no negative entry by Perron and Frobenius; so that is what NMF
// converges to, and no start matters.
//
// The error names a weight that is not finite, or says that a vector leaves
// the range of f16. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int) (*packed.Signs, error) {
	for i, x := range w {
		if x-x != 0 {
			return nil, fmt.Errorf("onebit: weight [%d,%d] is %v", i/in, i%in, x)
		}
	}
	p := &packed.Signs{Out: out, In: in, Minus: make([]byte, packed.PlaneBytes(out*in)), A: make([]uint16, out), B: make([]uint16, in)}
	minus := make([]uint8, len(w))
	for i, x := range w {
		if x < 0 {
			minus[i] = 1
		}
	}
	packed.PackRow(p.Minus, minus, 1)
	sigma, u, v := leading(cfg, w, out, in)
	root := math.Sqrt(sigma)
	for r, x := range u {
		p.A[r] = packed.F32ToF16(float32(root * x))
	}
	for c, x := range v {
		p.B[c] = packed.F32ToF16(float32(root * x))
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("onebit: weights too large for 16-bit vectors: %w", err)
	}
	return p, nil
}

// The iteration stops when v moves by at most this, far below the 2⁻¹¹ of f16,
// or after so many steps: if it is that slow, the second singular value is
// nearly as large, and what it stands at nearly as good.
const (
	still     = 1e-9
	mostSteps = 300
)

// leading returns the leading singular triplet of |W| by power iteration from
// its column sums, which no non-negative leading vector is orthogonal to. Of a
// matrix of zeros all are 0.
func leading(cfg gemm.Config, w []float32, out, in int) (sigma float64, u, v []float64) {
	u, v = make([]float64, out), make([]float64, in)
	next := make([]float64, in)
	for r := range u {
		u[r] = 1
	}
	timesColumns(cfg, v, w, u)
	if normalise(v) == 0 {
		return 0, make([]float64, out), v
	}
	for range mostSteps {
		timesRows(cfg, u, w, v)
		sigma = normalise(u)
		timesColumns(cfg, next, w, u)
		normalise(next)
		var moved float64
		for i, x := range next {
			moved += float64((x - v[i]) * (x - v[i]))
		}
		v, next = next, v
		if moved <= still*still {
			break
		}
	}
	return sigma, u, v
}

// normalise divides v by its norm, which it returns.
func normalise(v []float64) float64 {
	var squares float64
	for _, x := range v {
		squares += float64(x * x)
	}
	norm := math.Sqrt(squares)
	for i := range v {
		if norm > 0 {
			v[i] /= norm
		}
	}
	return norm
}

const atOnce = 64 // rows or columns that go to a goroutine at a time

// timesRows sets y = |W|·x.
func timesRows(cfg gemm.Config, y []float64, w []float32, x []float64) {
	in := len(x)
	cfg.Parallel((len(y)+atOnce-1)/atOnce, func(i int) {
		for r := i * atOnce; r < min((i+1)*atOnce, len(y)); r++ {
			var s [4]float64
			for c, a := range w[r*in : (r+1)*in] {
				s[c&3] += float64(math.Abs(float64(a)) * x[c])
			}
			y[r] = s[0] + s[1] + (s[2] + s[3])
		}
	})
}

// timesColumns sets y = |W|ᵀ·x.
func timesColumns(cfg gemm.Config, y []float64, w []float32, x []float64) {
	in := len(y)
	cfg.Parallel((in+atOnce-1)/atOnce, func(i int) {
		lo, hi := i*atOnce, min((i+1)*atOnce, in)
		part := y[lo:hi]
		clear(part)
		for r, b := range x {
			for c, a := range w[r*in+lo : r*in+hi] {
				part[c] += float64(math.Abs(float64(a)) * b)
			}
		}
	})
}

// Draw returns a random out×in matrix as large as one that Compress makes.
func Draw(out, in int, rng *rand.Rand) *packed.Signs {
	return &packed.Signs{Out: out, In: in, Minus: packed.RandomCodes(rng, 1, out*in, 1),
		A: packed.RandomF16(rng, out), B: packed.RandomF16(rng, in)}
}
