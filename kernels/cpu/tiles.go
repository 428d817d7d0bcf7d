package cpu

// tiles is a sketch by tiles (methods.md 3.9): one hash per tile and sketch
// row, one window of adjacent cells widened, and of it as many adjacent values
// for each of the tile's rows, which compete as vectors.
type tiles struct {
	*hashedCells
	// shifts are the offsets of combine for the rows of a tile, in windows that
	// stand one after the other, each twice.
	shifts [2][]uint32
}

func newTiles(m *hashedCells) *tiles {
	var shifts [][]uint32
	for k := range m.w.Rows {
		shifts = append(shifts, m.w.TileShifts(k))
	}
	at := func(row, k int) int { return 2*m.w.Window*k + int(shifts[k][row]) }
	return &tiles{m, m.offsets(m.w.Tile, at)}
}

func (m *tiles) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// decode goes through the tiles that have rows in [r0,r1), and decodes those
// rows of them.
func (m *tiles) decode(dst []float32, r0, r1 int) {
	side, window := m.w.Tile, m.w.Window
	s := scratch(2*window*m.w.Rows + side*side)
	defer release(s)
	windows, second := (*s)[:2*window*m.w.Rows], (*s)[2*window*m.w.Rows:]
	for a := r0 / side; a*side < r1; a++ {
		top, end := max(a*side, r0), min((a+1)*side, r1)
		var shifts [2][]uint32
		for i, list := range m.shifts {
			shifts[i] = list[len(list)/side*(top%side):]
		}
		for g := range m.classes {
			c := &m.classes[g]
			for i, column := range c.columns {
				address := c.base + uint64(a)*uint64(len(c.columns)) + uint64(i)
				for k := range c.rows {
					twice := windows[2*window*k : 2*window*(k+1)]
					c.rows[k].window(twice[:window], int(c.rows[k].hash.Cell(address)))
					copy(twice[window:], twice[:window])
				}
				left := int(column) * side
				part := block{dst[(top-r0)*m.w.In+left:], m.w.In, end - top, min(side, m.w.In-left)}
				m.combine(part, second, windows, shifts)
				if m.plane {
					for r := top; r < end; r++ {
						m.sign(dst[(r-r0)*m.w.In+left:][:part.n], r, left)
					}
				}
			}
		}
	}
}
