package gemm

import "sync"

// A workspace is the memory that one goroutine packs into.
type workspace struct {
	a, b []float32
	tile [maxTile]float32
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// grow returns s with at least n values, keeping its memory if it can.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// pack copies rows [i0,i0+rows) and columns [p0,p0+k) of v into panels of w
// rows: panel q holds dst[q*w*k + p*w + i] = v(i0+q*w+i, p0+p). The rows that
// the last panel lacks are zero.
func (kn *kernel) pack(dst []float32, v view, i0, rows, p0, k, w int) {
	for q := 0; q < rows; q += w {
		panel := dst[q*k : (q+w)*k]
		n := min(w, rows-q)
		if n < w {
			clear(panel)
		}
		if !v.transposed {
			kn.transpose(panel, w, v.data[(i0+q)*v.ld+p0:], v.ld, n, k)
			continue
		}
		packRows(panel, v.data[p0*v.ld+i0+q:], v.ld, k, w, n)
	}
}

// packRows sets dst[p*w+i] = src[p*ld+i] for p < k, i < n ≤ w. Whole rows of
// the kernels' widths are copied without a call.
func packRows(dst, src []float32, ld, k, w, n int) {
	switch {
	case n == 16 && w == 16:
		for p := range k {
			*(*[16]float32)(dst[16*p:]) = *(*[16]float32)(src[p*ld:])
		}
	case n == 6 && w == 6:
		for p := range k {
			*(*[6]float32)(dst[6*p:]) = *(*[6]float32)(src[p*ld:])
		}
	default:
		for p := range k {
			copy(dst[p*w:p*w+n], src[p*ld:p*ld+n])
		}
	}
}
