package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// dense is an uncompressed matrix, widened as it is read.
type dense struct{ w *packed.Dense }

func (m *dense) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *dense) DeviceBytes() int64 { return m.w.Bytes() }

func (m *dense) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *dense) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }
