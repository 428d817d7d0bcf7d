package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// levels is a matrix on scaled levels of a normal float.
type levels struct{ w *packed.Levels }

func (m *levels) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *levels) DeviceBytes() int64 { return m.w.Bytes() }

func (m *levels) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *levels) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }
