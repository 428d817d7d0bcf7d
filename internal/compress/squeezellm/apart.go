package squeezellm

import (
	"cmp"
	"math"
	"slices"
)

// keepApart marks the weights that are kept apart: of every nine, eight for the
// largest magnitudes in the matrix, and one for the largest sensitivities v·w²
// among the others. The published code ranks squared gradients; ours are of
// whole columns, which v alone would take.
func (m *matrix) keepApart() {
	m.kept = m.o.kept(m.out, m.in)
	if m.kept == 0 {
		return
	}
	m.apart = make([]bool, len(m.w))
	sensitive := m.kept / 9
	largest(m.apart, m.kept-sensitive, func(i int) float32 {
		return float32(math.Abs(float64(m.w[i])))
	})
	largest(m.apart, sensitive, func(i int) float32 {
		x := float64(m.w[i])
		return float32(min(m.v[i%m.in]*x*x, math.MaxFloat32))
	})
}

// buckets that largest counts scores in, by the upper half of their bits.
const buckets = 1 << 16

// largest marks the n largest scores, ≥ 0, of those that are not marked; of
// equal ones the first.
func largest(marked []bool, n int, score func(i int) float32) {
	if n == 0 {
		return
	}
	counts := make([]int, buckets)
	each := func(f func(i int, bits uint32)) {
		for i, m := range marked {
			if !m {
				f(i, math.Float32bits(score(i)))
			}
		}
	}
	each(func(_ int, bits uint32) { counts[bits>>16]++ })
	bucket := uint32(buckets - 1)
	for n > counts[bucket] {
		n -= counts[bucket]
		bucket--
	}
	type candidate struct {
		bits uint32
		i    int
	}
	var edge []candidate
	each(func(i int, bits uint32) {
		switch {
		case bits>>16 > bucket:
			marked[i] = true
		case bits>>16 == bucket:
			edge = append(edge, candidate{bits, i})
		}
	})
	slices.SortFunc(edge, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(a.i, b.i))
	})
	for _, c := range edge[:n] {
		marked[c.i] = true
	}
}
