package linalg

import "math"

// A leafWork is one diagonal block in float64 and the inverse of its factor.
type leafWork struct {
	// l is row-major; what is above the diagonal is not used.
	l [leaf * leaf]float64
	// inv is the inverse of l by columns: entry (i,j) is inv[j*leaf+i]. What is
	// above the diagonal, i < j, is 0.
	inv [leaf * leaf]float64
}

// step is the number of rows that factor and invert take at a time.
const step = 4

// pad adds rows of the identity to the n×n block l up to a multiple of step.
func (w *leafWork) pad(n int) {
	for i := n; i%step != 0; i++ {
		clear(w.l[i*leaf : i*leaf+i])
		w.l[i*leaf+i] = 1
	}
}

// factor replaces l, n×n and padded, by its Cholesky factor, and returns the
// index and value of the pivot that failed, or index -1. Four rows and four
// columns at a time, it subtracts the products of all columns to the left, then
// eliminates within the four columns.
func (w *leafWork) factor(n int) (int, float64) {
	for j := 0; j < n; j += step {
		for i := j; i < n; i += step {
			rows := w.l[i*leaf:]
			for c := 0; c < step; c += 2 {
				s := dots(rows, w.l[(j+c)*leaf:], 0, j)
				for r := range step {
					rows[r*leaf+j+c] -= s[r]
					rows[r*leaf+j+c+1] -= s[step+r]
				}
			}
			for c := j; c < j+step; c++ {
				top := w.l[c*leaf:]
				for r := max(i, c); r < i+step; r++ {
					row := w.l[r*leaf:]
					v := row[c]
					for k := j; k < c; k++ {
						v -= row[k] * top[k]
					}
					if r > c {
						row[c] = v / top[c]
						continue
					}
					if !(v > 0 && v <= math.MaxFloat32) {
						return r, v
					}
					row[c] = math.Sqrt(v)
				}
			}
		}
	}
	return -1, 0
}

// invert sets inv to the inverse of the lower triangle of l, n×n and padded.
// Row i of L·L⁻¹ = I gives row i of L⁻¹ from those above.
func (w *leafWork) invert(n int) {
	for i := 0; i < n; i += step {
		rows := w.l[i*leaf:]
		for j := 0; j < i+step; j += 2 {
			s := dots(rows, w.inv[j*leaf:], j, max(i, j))
			for c := range 2 {
				x := w.inv[(j+c)*leaf:]
				for r := range step {
					v := -s[c*step+r]
					if i+r == j+c {
						v = 1
					}
					if i+r < j+c {
						v = 0
					}
					for k := i; k < i+r; k++ {
						v -= rows[r*leaf+k] * x[k]
					}
					x[i+r] = v / rows[r*leaf+i+r]
				}
			}
		}
	}
}

// dots returns the products of rows 0 to 3 of x with row 0 of y, then with row
// 1, over the columns [k0,k1). Rows are leaf apart.
func dots(x, y []float64, k0, k1 int) (s [2 * step]float64) {
	a, b, c, d := x[k0:k1], x[leaf+k0:leaf+k1], x[2*leaf+k0:2*leaf+k1], x[3*leaf+k0:3*leaf+k1]
	y0, y1 := y[k0:k1], y[leaf+k0:leaf+k1]
	b, c, d, y0, y1 = b[:len(a)], c[:len(a)], d[:len(a)], y0[:len(a)], y1[:len(a)]
	var a0, b0, c0, d0, a1, b1, c1, d1 float64
	for k, v := range a {
		u, t := y0[k], y1[k]
		a0 += v * u
		a1 += v * t
		v = b[k]
		b0 += v * u
		b1 += v * t
		v = c[k]
		c0 += v * u
		c1 += v * t
		v = d[k]
		d0 += v * u
		d1 += v * t
	}
	return [2 * step]float64{a0, b0, c0, d0, a1, b1, c1, d1}
}
