package cpu

import (
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// cells is a sketch of 16-bit cells, hashed by Mix64 weight by weight and read
// by A or C. Every weight costs a hash and a scattered read per sketch row: the
// hashes of reading A are made four at a time where the processor has AVX2, the
// reads stay single. A few rows are decoded and multiplied at a time.
type cells struct {
	w       *packed.Cells
	classes []cellClass
	leaf    leaves
}

// cellClass is what decoding needs to know of a class of columns.
type cellClass struct {
	columns []uint32   // in ascending order: n_g of them
	base    uint64     // the first address
	cells   [][]uint16 // per sketch row, the cells of the class
}

// newCells makes a sketch ready, by the kernels for its form.
func newCells(w *packed.Cells, leaf leaves) matrix {
	switch {
	case w.Tile > 0:
		return newTiles(newHashedCells(w, leaf))
	case w.Bits < 16 || w.Hash != packed.HashMix64 || w.Reading == packed.ReadingPlane || w.Reading == packed.ReadingSplit:
		return newHashedCells(w, leaf)
	}
	l := w.Layout()
	m := &cells{w: w, classes: make([]cellClass, len(w.Sizes)), leaf: leaf}
	for g, columns := range columnsOf(w, &l) {
		c := &m.classes[g]
		c.columns, c.base = columns, w.Base(g)
		for k := range w.Rows {
			lo := k*l.Row + int(l.Offsets[g])
			c.cells = append(c.cells, w.Cells[lo:lo+int(w.Sizes[g])])
		}
	}
	return m
}

// columnsOf lists the columns, or columns of tiles, of each class.
func columnsOf(w *packed.Cells, l *packed.CellLayout) [][]uint32 {
	columns := make([][]uint32, len(w.Sizes))
	for g, n := range l.Counts {
		columns[g] = make([]uint32, n)
	}
	for c, g := range w.Class {
		columns[g][l.Position[c]] = uint32(c)
	}
	return columns
}

func (m *cells) Dims() (out, in int) { return m.w.Out, m.w.In }

// DeviceBytes counts the columns of the classes beside the stored bytes.
func (m *cells) DeviceBytes() int64 { return m.w.Bytes() + 4*int64(m.w.In) }

func (m *cells) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// decode is Dequantize of packed.Cells, class by class: the addresses of a
// class in a row of the matrix are consecutive. The cells of a weight compete
// one sketch row after the other.
func (m *cells) decode(dst []float32, r0, r1 int) {
	best, values := make([]uint32, m.w.In), make([]float32, m.w.In)
	compete := m.competeMagnitude
	if m.w.Reading == packed.ReadingSigned {
		compete = competeSigned
	}
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*m.w.In : (r-r0+1)*m.w.In]
		for i := range m.classes {
			c := &m.classes[i]
			b := best[:len(c.columns)]
			clear(b)
			address := c.base + uint64(r)*uint64(len(b))
			for k, seed := range m.w.Seeds {
				compete(b, c.cells[k], address, seed, uint32(m.w.Rows-k))
			}
			m.values(values, b)
			for i, column := range c.columns {
				row[column] = values[i]
			}
		}
	}
}

// What competes are integers, so that the choice needs no branch, which would
// be mispredicted every other time. From the highest bits down they hold what
// decides: 16 bits of the cell; left, which is larger for earlier sketch rows
// and decides between equals; and, in the lowest bit, what is needed to have
// the cell back: its sign in reading A, nothing in reading C.

// infinity16 is +Inf in f16, the content of a cell that was never hit.
const infinity16 = 0x7c00

// values sets dst to the values of the cells that won.
func (m *cells) values(dst []float32, best []uint32) {
	whole := 0
	if m.leaf.cellValues != nil && m.w.Reading != packed.ReadingSigned {
		whole = len(best) &^ 7
	}
	if whole > 0 {
		m.leaf.cellValues(&dst[0], &best[0], whole)
	}
	for i, b := range best[whole:] {
		dst[whole+i] = m.value(b)
	}
}

// value returns the float32 of the cell that won.
func (m *cells) value(best uint32) float32 {
	h := uint16(best>>16) | uint16(best&1)<<15
	if m.w.Reading == packed.ReadingSigned {
		h = unordered(uint16(best >> 16))
	}
	if h == infinity16 {
		h = 0
	}
	return packed.F16ToF32(h)
}

// competeMagnitude replaces best[i] by the cell of the weight at address+i in
// one sketch row if that is greater in magnitude (reading A of methods.md 3.4).
func competeMagnitude(best []uint32, cells []uint16, address, seed uint64, left uint32) {
	n, order := uint64(len(cells)), left<<1
	for i, b := range best {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		h := uint32(cells[j])
		best[i] = max(b, h&0x7fff<<16|order|h>>15)
	}
}

// competeMagnitude is the function of that name, four weights at a time where
// the processor has the instructions.
func (m *cells) competeMagnitude(best []uint32, cells []uint16, address, seed uint64, left uint32) {
	whole := len(best) &^ 3
	if m.leaf.compete == nil || uint64(len(cells)) >= 1<<32 {
		whole = 0
	}
	if whole > 0 {
		m.leaf.compete(&best[0], whole, &cells[0], uint64(len(cells)), address, seed, left)
	}
	competeMagnitude(best[whole:], cells, address+uint64(whole), seed, left)
}

// competeSigned is the same for the greater number (reading C).
func competeSigned(best []uint32, cells []uint16, address, seed uint64, left uint32) {
	n, order := uint64(len(cells)), left<<1
	for i, b := range best {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		best[i] = max(b, uint32(ordered(cells[j]))<<16|order)
	}
}

// ordered maps f16 values to integers of the same order: the bits of a
// negative one are turned round, a positive one comes above. -0 comes just
// below +0.
func ordered(h uint16) uint16 { return h ^ (uint16(int16(h)>>15) | 1<<15) }

// unordered is the inverse of ordered.
func unordered(u uint16) uint16 { return u ^ (uint16(int16(^u)>>15) | 1<<15) }
