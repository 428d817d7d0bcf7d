package cpu

import (
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// cells is a sketch of hashed cells. Every weight costs a hash and a scattered
// read per sketch row, so there is nothing for vector instructions to do
// without gathers; rows are decoded and multiplied one at a time.
type cells struct {
	w       *packed.Cells
	classes []cellClass
}

// cellClass is what decoding needs to know of a class of columns.
type cellClass struct {
	columns []uint32   // in ascending order: n_g of them
	cells   [][]uint16 // per sketch row, the cells of the class
}

func newCells(w *packed.Cells) *cells {
	l := w.Layout()
	m := &cells{w: w, classes: make([]cellClass, len(w.Sizes))}
	for g := range m.classes {
		c := &m.classes[g]
		c.columns = make([]uint32, l.Counts[g])
		for k := range w.Rows {
			lo := k*l.Row + int(l.Offsets[g])
			c.cells = append(c.cells, w.Cells[lo:lo+int(w.Sizes[g])])
		}
	}
	for c, g := range w.Class {
		m.classes[g].columns[l.Position[c]] = uint32(c)
	}
	return m
}

func (m *cells) Dims() (out, in int) { return m.w.Out, m.w.In }

// DeviceBytes counts the columns of the classes beside the stored bytes.
func (m *cells) DeviceBytes() int64 { return m.w.Bytes() + 4*int64(m.w.In) }

func (m *cells) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// decode is Dequantize of packed.Cells, class by class: the addresses of a
// class in a row of the matrix are consecutive. Candidates are compared as
// integers, which order f16 values as their magnitudes do and, after order16,
// as their signed values do.
func (m *cells) decode(dst []float32, r0, r1 int) {
	signed := m.w.Reading == packed.ReadingSigned
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*m.w.In : (r-r0+1)*m.w.In]
		for i := range m.classes {
			c := &m.classes[i]
			address := uint64(r) * uint64(len(c.columns))
			if signed {
				c.decodeSigned(row, address, m.w.Seeds)
			} else {
				c.decodeMagnitude(row, address, m.w.Seeds)
			}
		}
	}
}

// infinity16 is +Inf in f16, the content of a cell that was never hit.
const infinity16 = 0x7c00

// decodeMagnitude writes the class's columns of a row whose first weight has
// the given address, reading A of methods.md 3.4: the cell of largest
// magnitude, the earlier sketch row's among equals.
func (c *cellClass) decodeMagnitude(row []float32, address uint64, seeds []uint64) {
	for i, column := range c.columns {
		a := address + uint64(i)
		var best uint16
		for k, seed := range seeds {
			cells := c.cells[k]
			j, _ := bits.Mul64(packed.Mix64(a^seed), uint64(len(cells)))
			if h := cells[j]; k == 0 || h&0x7fff > best&0x7fff {
				best = h
			}
		}
		if best == infinity16 {
			best = 0
		}
		row[column] = packed.F16ToF32(best)
	}
}

// decodeSigned is decodeMagnitude for reading C: the largest cell.
func (c *cellClass) decodeSigned(row []float32, address uint64, seeds []uint64) {
	for i, column := range c.columns {
		a := address + uint64(i)
		var best uint16
		for k, seed := range seeds {
			cells := c.cells[k]
			j, _ := bits.Mul64(packed.Mix64(a^seed), uint64(len(cells)))
			if h := cells[j]; k == 0 || order16(h) > order16(best) {
				best = h
			}
		}
		if best == infinity16 {
			best = 0
		}
		row[column] = packed.F16ToF32(best)
	}
}

// order16 maps f16 values to integers of the same order, both zeros to 0.
func order16(h uint16) int {
	if h&0x8000 != 0 {
		return -int(h & 0x7fff)
	}
	return int(h)
}
