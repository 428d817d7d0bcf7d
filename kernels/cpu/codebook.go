package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// codebook is a matrix of codes into tables of centroids.
type codebook struct{ w *packed.Codebook }

func (m *codebook) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *codebook) DeviceBytes() int64 { return m.w.Bytes() }

func (m *codebook) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *codebook) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }
