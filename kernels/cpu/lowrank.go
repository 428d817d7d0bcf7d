package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// lowRank is a product U·V of two thin matrices. U·V is never formed:
// Y = (X·Vᵀ)·Uᵀ.
type lowRank struct {
	w    *packed.LowRank
	u, v dense // out×rank and rank×in
}

func newLowRank(w *packed.LowRank) *lowRank {
	m := &lowRank{w: w}
	for _, p := range w.Parts() {
		f := &packed.Dense{Out: p.Shape[0], In: p.Shape[1], DType: p.DType, Data: p.Data}
		switch p.Name {
		case "u":
			m.u.w = f
		case "v":
			m.v.w = f
		}
	}
	return m
}

func (m *lowRank) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *lowRank) DeviceBytes() int64 { return m.w.Bytes() }

func (m *lowRank) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *lowRank) mul(d *Device, y, x []float32, t int) {
	z := scratch(t * m.w.Rank)
	defer release(z)
	m.v.mul(d, *z, x, t)
	m.u.mul(d, y, *z, t)
}
