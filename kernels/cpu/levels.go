package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// levels is a matrix on scaled levels of a normal float.
type levels struct{ w *packed.Levels }

func (m *levels) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *levels) DeviceBytes() int64 { return m.w.Bytes() }

func (m *levels) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *levels) mul(d *Device, y, x []float32, t int) {
	row := d.leaf.levels[m.w.Bits]
	if row == nil || m.w.In%levelsBlock != 0 || m.w.Block%levelsBlock != 0 || t > maxVectors {
		mulDecoded(d, m, y, x, t)
		return
	}
	levelsMul(d, row, m.w, y, x, t)
}

// A levelsRow multiplies a row of codes of one width by a vector:
// Σ_g scale[g]·Σ level[code]·x over groups of blocks·levelsBlock codes, x
// interleaved for 8 lanes.
type levelsRow func(codes *byte, x, levels, scale *float32, groups, blocks int) float32

const levelsBlock = 64

// levelsMul computes Y = X·Ŵᵀ for rows and blocks of whole kernel blocks. A row
// is what is left of the block that it starts in, full blocks, and what it has
// of the block that it ends in.
func levelsMul(d *Device, row levelsRow, w *packed.Levels, y, x []float32, t int) {
	out, in := w.Out, w.In
	mixed := scratch(t * in)
	defer release(mixed)
	for i := range t {
		interleave((*mixed)[i*in:(i+1)*in], x[i*in:(i+1)*in], 8, &plain)
	}
	bytes, table := packed.RowBytes(in, w.Bits), packed.NormalFloat(w.Bits)
	d.parallel(out, rowsPerPiece(in), t*out*in, func(r0, r1 int) {
		first := r0 * in / w.Block
		scales := scratch((r1*in-1)/w.Block + 1 - first)
		defer release(scales)
		for i := range *scales {
			(*scales)[i] = w.Scale(first + i)
		}
		for r := r0; r < r1; r++ {
			codes := w.Codes[r*bytes : (r+1)*bytes]
			for i := range t {
				var sum float32
				for c := 0; c < in; {
					block := (r*in + c) / w.Block
					groups, n := 1, min(in, (block+1)*w.Block-r*in)-c
					if n == w.Block {
						groups = (in - c) / n
					}
					sum += row(&codes[c*w.Bits/8], &(*mixed)[i*in+c], &table[0], &(*scales)[block-first], groups, n/levelsBlock)
					c += groups * n
				}
				y[i*out+r] = sum
			}
		}
	})
}
