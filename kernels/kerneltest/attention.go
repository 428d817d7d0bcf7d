package kerneltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/kernels"
)

// attentionShape is the geometry of one call of Attention.
type attentionShape struct{ t, pos, heads, kvHeads, dim int }

// attentionShapes have one and several queries, with and without a past, all
// ways of sharing heads, head sizes off the vector widths, and enough queries
// for several tiles.
var attentionShapes = []attentionShape{
	{1, 0, 1, 1, 2}, {1, 70, 4, 2, 64}, {3, 5, 6, 1, 6}, {8, 20, 4, 4, 48},
	{9, 0, 4, 2, 16}, {33, 100, 3, 1, 10}, {150, 3, 4, 2, 32},
}

// Attention checks causal attention with grouped heads. What lies in K and V
// behind the last position must not be read: it is NaN here.
func Attention(t *testing.T, d kernels.Device) {
	for _, s := range attentionShapes {
		t.Run(fmt.Sprintf("t=%d/pos=%d/heads=%d,%d/dim=%d", s.t, s.pos, s.heads, s.kvHeads, s.dim), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(12, uint64(s.dim)))
			q := normal(rnd, s.t*s.heads*s.dim)
			n, kv := s.pos+s.t, s.kvHeads*s.dim
			k, v := normal(rnd, (n+5)*kv), normal(rnd, (n+5)*kv)
			for i := n * kv; i < len(k); i++ {
				k[i], v[i] = float32(math.NaN()), float32(math.NaN())
			}
			bq, bk, bv := guard(t, d, "q", q), guard(t, d, "k", k), guard(t, d, "v", v)
			by := output(t, d, "y", len(q))
			d.Attention(by.v, bq.v, bk.v, bv.v, s.t, s.pos, s.heads, s.kvHeads, s.dim)
			want, bound := attention(s, q, k, v)
			within(t, by.values(t), want, bound)
			bq.unchanged(t)
			bk.unchanged(t)
			bv.unchanged(t)
		})
	}
}

// attention returns the float64 result and a bound on the error of a float32
// evaluation. A score has the error γ_{dim+2}·|q|ᵀ|k|/√dim (the scale and its
// product included), and subtracting the largest one rounds once more: Δ, the
// largest of these over the positions. An exponential good to 2 ulp of an
// argument off by Δ is off by the factor e^Δ·(1+4u), and so is the sum that
// divides it, together less than e^2Δ·(1+γ_8); sum, quotient and the weighted
// sum of n terms add at most 2n+3 roundings.
func attention(s attentionShape, q, k, v []float32) (y, bound []float64) {
	y, bound = make([]float64, len(q)), make([]float64, len(q))
	kv := s.kvHeads * s.dim
	for i := range s.t {
		for h := range s.heads {
			at, shared := (i*s.heads+h)*s.dim, h/(s.heads/s.kvHeads)*s.dim
			n := s.pos + i + 1
			score := make([]float64, n)
			top, delta := math.Inf(-1), 0.0
			for j := range score {
				var mag float64
				for c := range s.dim {
					p := float64(q[at+c]) * float64(k[j*kv+shared+c])
					score[j] += p
					mag += math.Abs(p)
				}
				score[j] /= math.Sqrt(float64(s.dim))
				top = max(top, score[j])
				delta = max(delta, gamma(s.dim+2)*mag/math.Sqrt(float64(s.dim)))
			}
			var sum, rounding float64
			for j := range score {
				rounding = max(rounding, u*(top-score[j]))
				score[j] = math.Exp(score[j] - top)
				sum += score[j]
			}
			rel := math.Expm1(2*(2*delta+rounding)) + gamma(2*n+11)
			for c := range s.dim {
				for j, e := range score {
					p := e / sum * float64(v[j*kv+shared+c])
					y[at+c] += p
					bound[at+c] += rel * math.Abs(p)
				}
			}
		}
	}
	return y, bound
}
