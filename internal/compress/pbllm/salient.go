package pbllm

import (
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
)

// mask marks the salient weights: o.count of the whole matrix, those of
// largest saliency, of equals the first.
func (o Options) mask(w []float32, in int, f *compensate.Factor) []bool {
	weight := make([]float64, in) // of w² in a column
	for j, u := range f.Diagonal() {
		switch {
		case f.Dead[j]:
		case o.Saliency == Hessian:
			weight[j] = 1 / (u * u)
		default:
			weight[j] = 1
		}
	}
	saliency := make([]float64, len(w))
	for i, x := range w {
		saliency[i] = float64(x) * float64(x) * weight[i%in]
	}
	k := o.count(len(w))
	mask := make([]bool, len(w))
	if k == 0 {
		return mask
	}
	least := largest(saliency, k)
	for i, s := range saliency {
		if s > least {
			mask[i] = true
			k--
		}
	}
	for i, s := range saliency {
		if s == least && k > 0 {
			mask[i] = true
			k--
		}
	}
	return mask
}

// largest returns the k-th largest of values that are not negative, k from 1:
// found bit by bit, since such values are ordered as their bits are.
func largest(values []float64, k int) float64 {
	bits := make([]uint64, len(values))
	for i, v := range values {
		bits[i] = math.Float64bits(v)
	}
	for shift := 63; shift >= 0 && len(bits) > 1; shift-- {
		ones := 0
		for _, b := range bits {
			ones += int(b >> shift & 1)
		}
		want := uint64(1)
		if ones < k {
			k -= ones
			want = 0
		}
		bits = slices.DeleteFunc(bits, func(b uint64) bool { return b>>shift&1 != want })
	}
	return math.Float64frombits(bits[0])
}
