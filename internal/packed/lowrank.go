package packed

import (
	"fmt"
	"math"
)

// LowRank is a product of two thin matrices: Ŵ = U·V (methods.md 4.6). The
// singular values are split, √σ to each side.
type LowRank struct {
	Out, In, Rank int
	U             []uint16 // f16, Out×Rank
	V             []uint16 // f16, Rank×In
}

// Kind returns KindLowRank.
func (w *LowRank) Kind() Kind { return KindLowRank }

// Dims returns Out and In.
func (w *LowRank) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *LowRank) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns u F16 [Out, Rank] and v F16 [Rank, In].
func (w *LowRank) Parts() []Part {
	return []Part{
		{"u", ClassFactors, "F16", []int{w.Out, w.Rank}, bytes16(w.U)},
		{"v", ClassFactors, "F16", []int{w.Rank, w.In}, bytes16(w.V)},
	}
}

// Dequantize writes rows [r0,r1) of U·V to dst, summed in float32 from the
// first rank to the last, each product and sum rounded on its own.
func (w *LowRank) Dequantize(dst []float32, r0, r1 int) {
	dst = dst[:(r1-r0)*w.In]
	clear(dst)
	v := make([]float32, w.In)
	for k := range w.Rank {
		for c, h := range w.V[k*w.In : (k+1)*w.In] {
			v[c] = F16ToF32(h)
		}
		for r := r0; r < r1; r++ {
			u := F16ToF32(w.U[r*w.Rank+k])
			row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
			for c, x := range v {
				row[c] += float32(u * x)
			}
		}
	}
}

// Check reports sizes that do not fit and factors that are not finite.
func (w *LowRank) Check() error {
	if err := checkDims(KindLowRank, w.Out, w.In); err != nil {
		return err
	}
	if w.Rank < 1 || w.Rank > math.MaxInt32 {
		return fmt.Errorf("lowrank: rank: %d, want at least 1", w.Rank)
	}
	if err := checkLen(KindLowRank, "values of u", len(w.U), w.Out, w.Rank); err != nil {
		return err
	}
	if err := checkLen(KindLowRank, "values of v", len(w.V), w.Rank, w.In); err != nil {
		return err
	}
	if err := checkFinite(KindLowRank, "u", w.U); err != nil {
		return err
	}
	return checkFinite(KindLowRank, "v", w.V)
}
