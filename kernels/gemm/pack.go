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
		for p := range k {
			src := v.data[(p0+p)*v.ld+i0+q:]
			copy(panel[p*w:p*w+n], src[:n])
		}
	}
}
