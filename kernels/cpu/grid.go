package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// grid is a matrix on evenly spaced levels.
type grid struct{ w *packed.Grid }

func (m *grid) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *grid) DeviceBytes() int64 { return m.w.Bytes() }

func (m *grid) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *grid) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }
