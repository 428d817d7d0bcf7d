package cpu

import (
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// sums is a sum of matrices. Every term is multiplied by itself, straight from
// its own packed form, and the products are added.
type sums struct {
	w     *packed.Sum
	terms []matrix
}

func newSum(d *Device, w *packed.Sum) (kernels.Matrix, error) {
	m := &sums{w: w}
	for _, t := range w.Terms {
		u, err := d.Upload(t)
		if err != nil {
			return nil, err
		}
		m.terms = append(m.terms, u.(matrix))
	}
	return m, nil
}

func (m *sums) Dims() (out, in int) { return m.w.Dims() }

func (m *sums) DeviceBytes() int64 {
	var n int64
	for _, t := range m.terms {
		n += t.DeviceBytes()
	}
	return n
}

// decode adds the terms in the order of Dequantize.
func (m *sums) decode(dst []float32, r0, r1 int) {
	m.terms[0].decode(dst, r0, r1)
	_, in := m.Dims()
	more := scratch((r1 - r0) * in)
	defer release(more)
	for _, t := range m.terms[1:] {
		t.decode(*more, r0, r1)
		for i, v := range *more {
			dst[i] += v
		}
	}
}

func (m *sums) mul(d *Device, y, x []float32, t int) {
	m.terms[0].mul(d, y, x, t)
	more := scratch(len(y))
	defer release(more)
	for _, term := range m.terms[1:] {
		term.mul(d, *more, x, t)
		for i, v := range *more {
			y[i] += v
		}
	}
}

// sparse is a matrix of few values in compressed rows.
type sparse struct{ w *packed.Sparse }

func (m *sparse) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *sparse) DeviceBytes() int64 { return m.w.Bytes() }

func (m *sparse) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

// mul reads every stored value once for each token. What is not stored takes no
// part in the product: NaN and infinities of x reach an output only through
// stored values.
func (m *sparse) mul(d *Device, y, x []float32, t int) {
	w := m.w
	d.parallel(w.Out, max(1, w.Out/(4*d.cfg.Threads)), t*len(w.Values), func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			columns, values := w.Columns[w.Start[r]:w.Start[r+1]], w.Values[w.Start[r]:w.Start[r+1]]
			for i := range t {
				row := x[i*w.In : (i+1)*w.In]
				var s float32
				for k, c := range columns {
					s += packed.F16ToF32(values[k]) * row[c]
				}
				y[i*w.Out+r] = s
			}
		}
	})
}
