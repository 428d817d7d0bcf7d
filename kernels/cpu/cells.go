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
// class in a row of the matrix are consecutive. The cells of a weight compete
// one sketch row after the other.
func (m *cells) decode(dst []float32, r0, r1 int) {
	best := make([]uint64, m.w.In)
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*m.w.In : (r-r0+1)*m.w.In]
		for i := range m.classes {
			c := &m.classes[i]
			b := best[:len(c.columns)]
			clear(b)
			address := uint64(r) * uint64(len(b))
			for k, seed := range m.w.Seeds {
				compete(b, c.cells[k], address, seed, m.w.Rows-k, m.w.Reading == packed.ReadingSigned)
			}
			for i, column := range c.columns {
				h := uint16(b[i])
				if h == infinity16 {
					h = 0
				}
				row[column] = packed.F16ToF32(h)
			}
		}
	}
}

// infinity16 is +Inf in f16, the content of a cell that was never hit.
const infinity16 = 0x7c00

// compete replaces best[i] by the cell of the weight at address+i in one
// sketch row if that is greater: in magnitude, or, if signed, as a number
// (readings A and C of methods.md 3.4).
//
// What competes are integers, so that the choice needs no branch, which would
// be mispredicted every other time. From the highest bits down they hold the
// rank of the value, left, which is larger for earlier sketch rows and decides
// between equals, and the f16 value.
func compete(best []uint64, cells []uint16, address, seed uint64, left int, signed bool) {
	negate := 0 // all ones where the sign counts
	if signed {
		negate = -1
	}
	order := uint64(uint32(left)) << 16
	n := uint64(len(cells))
	for i, b := range best {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		h := cells[j]
		sign := int(int16(h)>>15) & negate // 0 or -1
		rank := (int(h&0x7fff) ^ sign) - sign + 1<<15
		best[i] = max(b, uint64(rank)<<48|order|uint64(h))
	}
}
