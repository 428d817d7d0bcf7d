package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// dense is an uncompressed matrix, widened as it is read.
type dense struct{ w *packed.Dense }

func (m *dense) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *dense) DeviceBytes() int64 { return m.w.Bytes() }

func (m *dense) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *dense) mul(d *Device, y, x []float32, t int) {
	row := d.leaf.dense[m.w.DType]
	if row == nil || t > maxVectors {
		mulDecoded(d, m, y, x, t)
		return
	}
	out, in := m.w.Out, m.w.In
	bytes := len(m.w.Data) / out
	d.parallel(out, rowsPerPiece(in), t*out*in, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			w := &m.w.Data[r*bytes]
			for i := range t {
				y[i*out+r] = row(w, x[i*in:(i+1)*in])
			}
		}
	})
}
