package cpu

import (
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// hashedCells is a sketch in any form but tiles: a hash of any family, cells of
// any width, any reading. Rows of the matrix are decoded class by class, the
// cells of one sketch row after the other.
type hashedCells struct {
	w       *packed.Cells
	leaf    leaves
	classes []hashedClass
	plane   bool // reading B
	signed  bool // reading C
	split   bool // reading S
	empty   bool // there are cells that no weight fell into
}

// hashedClass is what decoding needs to know of a class.
type hashedClass struct {
	columns []uint32 // or columns of tiles, in ascending order
	base    uint64   // the first address
	rows    []cellRow
}

// A cellRow is the cells of a class in one sketch row.
type cellRow struct {
	hash   packed.Hash
	leaf   leaves
	size   int       // cells
	cells  []uint16  // of 16 bits, or
	codes  []byte    // the whole sketch row's, packed, of
	bits   int       // so many bits,
	first  int       // those of the class from here on,
	values []float32 // with a value for each code
}

func newHashedCells(w *packed.Cells, leaf leaves) *hashedCells {
	l := w.Layout()
	m := &hashedCells{w: w, leaf: leaf, classes: make([]hashedClass, len(w.Sizes))}
	m.plane = w.Reading == packed.ReadingPlane
	m.signed, m.split = w.Reading == packed.ReadingSigned, w.Reading == packed.ReadingSplit
	m.empty = slices.Contains(w.Cells, infinity16) || m.split
	for g, columns := range columnsOf(w, &l) {
		c := &m.classes[g]
		c.columns, c.base = columns, w.Base(g)
		for k := range w.Rows {
			if len(columns) > 0 {
				c.rows = append(c.rows, newCellRow(w, &l, k, g, leaf))
			}
		}
	}
	return m
}

func newCellRow(w *packed.Cells, l *packed.CellLayout, k, g int, leaf leaves) cellRow {
	first, size := int(l.Offsets[g]), int(w.Sizes[g])
	row := cellRow{hash: w.HashOf(l, k, g), leaf: leaf, size: size, bits: w.Bits, first: first}
	if w.Bits == 16 {
		row.cells = w.Cells[k*l.Row+first:][:size]
		return row
	}
	n := packed.RowBytes(l.Row, w.Bits)
	row.codes = w.Codes[k*n : (k+1)*n]
	for code := range 1 << w.Bits {
		row.values = append(row.values, w.CodeValue(k, g, code))
	}
	return row
}

// at returns the value of a cell. A code does not cross bytes: bits divides 8.
func (c *cellRow) at(i int) float32 {
	if c.cells != nil {
		return packed.F16ToF32(c.cells[i])
	}
	bit := (c.first + i) * c.bits
	return c.values[int(c.codes[bit/8]>>(bit%8))&(len(c.values)-1)]
}

// run sets dst to the cells of adjacent addresses; index is scratch.
func (c *cellRow) run(dst []float32, index []uint32, address uint64) {
	index = index[:len(dst)]
	c.hash.Run(index, address)
	for i, j := range index {
		dst[i] = c.at(int(j))
	}
}

// window sets dst to cells from start on, round the end of the class.
func (c *cellRow) window(dst []float32, start int) {
	for len(dst) > 0 {
		n := min(len(dst), c.size-start)
		i := 0
		if eights := n / 8; c.cells != nil && c.leaf.widen != nil && eights > 0 {
			c.leaf.widen(&dst[0], &c.cells[start], eights)
			i = 8 * eights
		}
		for ; i < n; i++ {
			dst[i] = c.at(start + i)
		}
		dst, start = dst[n:], 0
	}
}

func (m *hashedCells) Dims() (out, in int) { return m.w.Out, m.w.In }

// DeviceBytes counts the columns of the classes beside the stored bytes.
func (m *hashedCells) DeviceBytes() int64 { return m.w.Bytes() + 4*int64(len(m.w.Class)) }

func (m *hashedCells) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

func (m *hashedCells) decode(dst []float32, r0, r1 int) {
	in, sketch := m.w.In, m.w.Rows
	s := scratch((sketch + 2) * in)
	defer release(s)
	index := make([]uint32, in)
	best, second, values := (*s)[:in], (*s)[in:2*in], (*s)[2*in:]
	offsets := m.offsets(1, func(_, k int) int { return k * in })
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*in : (r-r0+1)*in]
		for g := range m.classes {
			c := &m.classes[g]
			n := len(c.columns)
			if n == 0 {
				continue
			}
			for k := range c.rows {
				c.rows[k].run(values[k*in:][:n], index, c.base+uint64(r)*uint64(n))
			}
			m.combine(block{best, in, 1, n}, second, values, offsets)
			for i, column := range c.columns {
				row[column] = best[i]
			}
		}
		if m.plane {
			m.sign(row, r, 0)
		}
	}
}

// A block is rows of n values each in memory, stride apart.
type block struct {
	v               []float32
	stride, rows, n int
}

// offsets lists what at says for each of some rows and, in these, for each
// sketch row; in reading S those of the second half of the sketch rows apart.
func (m *hashedCells) offsets(rows int, at func(row, k int) int) (list [2][]uint32) {
	half := m.w.Rows
	if m.split {
		half /= 2
	}
	for r := range rows {
		for k := range m.w.Rows {
			list[k/half] = append(list[k/half], uint32(at(r, k)))
		}
	}
	return list
}

// combine sets dst to what the cells of the sketch rows make together: in row
// r, column i those are values[offset+i] for the offsets of row r. Of them it
// takes the first of largest magnitude; in reading C the largest; in reading S
// what two halves of them give. second is scratch of the size of dst.
func (m *hashedCells) combine(dst block, second, values []float32, offsets [2][]uint32) {
	switch {
	case m.signed:
		greatestOf(dst, values, offsets[0], m.w.Rows)
	case m.split:
		m.largestOf(dst, values, offsets[0], m.w.Rows/2)
		m.largestOf(block{second, dst.n, dst.rows, dst.n}, values, offsets[1], m.w.Rows/2)
		for r := range dst.rows {
			row := dst.v[r*dst.stride:][:dst.n]
			for i, x := range second[r*dst.n:][:dst.n] {
				if x < row[i] {
					row[i] = -x
				}
			}
		}
	default:
		m.largestOf(dst, values, offsets[0], m.w.Rows)
	}
	for r := 0; m.empty && r < dst.rows; r++ {
		row := dst.v[r*dst.stride:][:dst.n]
		for i, x := range row {
			if x > math.MaxFloat32 {
				row[i] = 0
			}
		}
	}
}

// greatestOf sets column i of row r of dst to the greatest of
// values[offsets[r·count+k]+i], k below count.
func greatestOf(dst block, values []float32, offsets []uint32, count int) {
	for r := range dst.rows {
		row := dst.v[r*dst.stride:][:dst.n]
		copy(row, values[offsets[r*count]:])
		for _, o := range offsets[r*count+1 : (r+1)*count] {
			for i, x := range values[o:][:dst.n] {
				if x > row[i] {
					row[i] = x
				}
			}
		}
	}
}

// largestOf is the same for the first of largest magnitude.
func largestOf(dst block, values []float32, offsets []uint32, count int) {
	for r := range dst.rows {
		row := dst.v[r*dst.stride:][:dst.n]
		copy(row, values[offsets[r*count]:])
		for _, o := range offsets[r*count+1 : (r+1)*count] {
			for i, x := range values[o:][:len(row)] {
				b, x := math.Float32bits(row[i]), math.Float32bits(x)
				if x<<1 > b<<1 { // a conditional move, not a branch
					b = x
				}
				row[i] = math.Float32frombits(b)
			}
		}
	}
}

// largestOf is the function of that name, eight columns at a time where the
// processor has the instructions.
func (m *hashedCells) largestOf(dst block, values []float32, offsets []uint32, count int) {
	if whole := dst.n &^ 7; m.leaf.largestOf != nil && whole > 0 {
		_ = dst.v[(dst.rows-1)*dst.stride:][:dst.n]
		for _, o := range offsets[:dst.rows*count] {
			_ = values[o:][:dst.n]
		}
		m.leaf.largestOf(&dst.v[0], dst.stride, dst.rows, whole, &values[0], &offsets[0], count)
		if whole == dst.n {
			return
		}
		dst.v, dst.n, values = dst.v[whole:], dst.n-whole, values[whole:]
	}
	largestOf(dst, values, offsets, count)
}

// sign applies the signs of reading B to part of row r, from column c on.
func (m *hashedCells) sign(part []float32, r, c int) {
	bits := m.w.Signs[r*packed.RowBytes(m.w.In, 1):]
	for i, x := range part {
		j := c + i
		part[i] = math.Float32frombits(math.Float32bits(x) ^ uint32(bits[j/8]>>(j%8)&1)<<31)
	}
}
