package hashed

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Diagnostics say how the weights of a matrix fell into its cells.
type Diagnostics struct {
	CollisionRate  float64 // share of weights that share their cell with another, mean over sketch rows
	Unoccupied     float64 // share of cells that no weight fell into
	CellsPerWeight float64 // cells of all rows per weight
	Lambda         float64 // weights per cell of a row
}

// A cell gathers weights.
type cell struct {
	value float64 // sum, or greatest magnitude
	load  uint32  // weights
}

// chunk is the number of cells that are closed by one task.
const chunk = 1 << 14

// Compress fills the cells of the matrix w, row-major, of the form's
// dimensions. Sums are made in float64 and in an order that is the same
// whatever cfg.Threads. Means and sums are rounded to the nearest f16 value,
// magnitudes upward, so that no stored magnitude is below that of a weight;
// what f16 has no value for becomes its largest. A cell without weights is 0.
// The error names a field of the options, or the first weight that is not
// finite.
func Compress(cfg gemm.Config, w []float32, f Form, seed uint64) (*packed.Hashed, Diagnostics, error) {
	if len(w) != f.Matrix.Out*f.Matrix.In {
		panic(fmt.Sprintf("hashed: %d weights for %d×%d", len(w), f.Matrix.Out, f.Matrix.In))
	}
	if err := f.CheckShape(); err != nil {
		return nil, Diagnostics{}, err
	}
	if err := checkFinite(cfg, w, f.Matrix.In); err != nil {
		return nil, Diagnostics{}, err
	}
	m := f.make(rand.New(rand.NewPCG(seed, 0)))
	if m.Signs != nil {
		fillSigns(cfg, m, w)
	}
	n := float64(m.Out) * float64(m.In)
	d := Diagnostics{CellsPerWeight: float64(len(m.Cells)) / n, Lambda: n / float64(m.Size)}
	sorted := m.Addressing == packed.AddressWeights && m.Size >= sortedCells
	strips := [][2]int{{0, m.Out}}
	if !sorted {
		strips = stripsOf(m)
	}
	parts := make([][]cell, len(strips))
	for i := range parts {
		parts[i] = make([]cell, m.Size)
	}
	for k := range m.Rows {
		if k > 0 {
			cfg.Parallel(len(parts), func(i int) { clear(parts[i]) })
		}
		if sorted {
			gatherSorted(cfg, parts[0], m, k, w, f.Fill)
		} else {
			cfg.Parallel(len(strips), func(i int) { gather(parts[i], m, k, w, strips[i], f.Fill) })
		}
		alone, empty := closeCells(cfg, m.Cells[k*m.Size:(k+1)*m.Size], parts, f.Fill)
		d.CollisionRate += (n - float64(alone)) / n / float64(m.Rows)
		d.Unoccupied += float64(empty) / float64(len(m.Cells))
	}
	return m, d, nil
}

// checkFinite names the first weight that is not finite.
func checkFinite(cfg gemm.Config, w []float32, in int) error {
	first := make([]int, len(w)/in)
	cfg.Parallel(len(first), func(r int) {
		first[r] = slices.IndexFunc(w[r*in:(r+1)*in], func(x float32) bool { return x-x != 0 })
	})
	for r, c := range first {
		if c >= 0 {
			return fmt.Errorf("weight [%d,%d] is %v, want a finite number", r, c, w[r*in+c])
		}
	}
	return nil
}

// fillSigns sets the bits of negative weights.
func fillSigns(cfg gemm.Config, m *packed.Hashed, w []float32) {
	rb := packed.RowBytes(m.In, 1)
	cfg.Parallel(m.Out, func(r int) {
		signs := m.Signs[r*rb : (r+1)*rb]
		for c, x := range w[r*m.In : (r+1)*m.In] {
			signs[c/8] |= byte(math.Float32bits(x)>>31) << (c % 8)
		}
	})
}

// maxStrips bounds how many parts of a matrix are gathered at a time.
const maxStrips = 8

// stripsOf cuts a matrix into ranges of rows that are gathered apart, whole
// bands of tiles each. How many depends on sizes alone, so that sums do: one
// for every two cells' weights, for gathering to be more work than merging.
func stripsOf(m *packed.Hashed) [][2]int {
	step := max(1, m.TileOut)
	bands := (m.Out + step - 1) / step
	count := int(max(1, min(maxStrips, uint64(m.Out)*uint64(m.In)/uint64(2*m.Size), uint64(bands))))
	step *= (bands + count - 1) / count
	var strips [][2]int
	for r := 0; r < m.Out; r += step {
		strips = append(strips, [2]int{r, min(r+step, m.Out)})
	}
	return strips
}

// gather adds rows [rows[0],rows[1]) of w to the cells of sketch row k.
func gather(cells []cell, m *packed.Hashed, k int, w []float32, rows [2]int, fill Fill) {
	in := m.In
	for r := rows[0]; r < rows[1]; r++ {
		row, address := w[r*in:(r+1)*in], uint64(r)*uint64(in)
		switch {
		case m.Addressing == packed.AddressChunks:
			for c := 0; c < in; c += m.Chunk {
				gatherRun(cells[m.ChunkOffset(r, c/m.Chunk):], row[c:min(c+m.Chunk, in)], 1)
			}
		case m.Addressing == packed.AddressTiles:
			for c := 0; c < in; c += m.TileIn {
				first := m.TileOffset(c/m.TileIn, r/m.TileOut) + r%m.TileOut
				gatherRun(cells[first:], row[c:min(c+m.TileIn, in)], m.TileOut)
			}
		case m.Sign == packed.SignHash:
			gatherSigned(cells, row, address, m.Seeds[k], m.Seeds[m.Rows+k])
		case fill == Greatest:
			gatherGreatest(cells, row, address, m.Seeds[k])
		default:
			gatherMagnitude(cells, row, address, m.Seeds[k])
		}
	}
}

// gatherRun adds weights to cells that are so far apart.
func gatherRun(cells []cell, row []float32, step int) {
	for i, x := range row {
		c := &cells[i*step]
		c.value += float64(x)
		c.load++
	}
}

// gatherSigned adds the weights from address on with their signs by hash. The
// indices of this and of the next two are those of packed.CellIndex and
// Hashed.HashSign, written out.
func gatherSigned(cells []cell, row []float32, address, seed, signs uint64) {
	n := uint64(len(cells))
	for i, x := range row {
		a := address + uint64(i)
		j, _ := bits.Mul64(packed.Mix64(a^seed), n)
		negative := uint32(packed.Mix64(a^signs)>>63) << 31
		c := &cells[j]
		c.value += float64(math.Float32frombits(math.Float32bits(x) ^ negative))
		c.load++
	}
}

// gatherMagnitude adds the magnitudes of the weights from address on.
func gatherMagnitude(cells []cell, row []float32, address, seed uint64) {
	n := uint64(len(cells))
	for i, x := range row {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		c := &cells[j]
		c.value += math.Abs(float64(x))
		c.load++
	}
}

// gatherGreatest keeps the greatest magnitudes of the weights from address on.
func gatherGreatest(cells []cell, row []float32, address, seed uint64) {
	n := uint64(len(cells))
	for i, x := range row {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		c := &cells[j]
		c.value = max(c.value, math.Abs(float64(x)))
		c.load++
	}
}

// closeCells merges the parts in their order into stored cells, and counts
// the weights that are alone in their cell and the cells without weights.
func closeCells(cfg gemm.Config, dst []uint16, parts [][]cell, fill Fill) (alone, empty int) {
	tasks := (len(dst) + chunk - 1) / chunk
	counts := make([][2]int, tasks)
	cfg.Parallel(tasks, func(t int) {
		for i := t * chunk; i < min((t+1)*chunk, len(dst)); i++ {
			c := parts[0][i]
			for _, p := range parts[1:] {
				if fill == Greatest {
					c.value = max(c.value, p[i].value)
				} else {
					c.value += p[i].value
				}
				c.load += p[i].load
			}
			switch c.load {
			case 0:
				counts[t][1]++
				continue
			case 1:
				counts[t][0]++
			}
			dst[i] = closed(c, fill)
		}
	})
	for _, n := range counts {
		alone += n[0]
		empty += n[1]
	}
	return alone, empty
}

// closed returns what is stored of a cell that has weights.
func closed(c cell, fill Fill) uint16 {
	switch fill {
	case Mean:
		return nearest(float32(c.value / float64(c.load)))
	case Sum:
		return nearest(float32(c.value))
	}
	return upward(float32(c.value))
}

// largest is the largest finite f16 value.
const largest = 0x7bff

// nearest rounds to f16, to the largest value what is beyond.
func nearest(x float32) uint16 {
	h := packed.F32ToF16(x)
	if h&0x7fff > largest {
		return h&0x8000 | largest
	}
	return h
}

// upward rounds a magnitude to the next f16 value that is not below it.
func upward(x float32) uint16 {
	h := min(packed.F32ToF16TowardZero(x), largest)
	if h < largest && packed.F16ToF32(h) < x {
		h++
	}
	return h
}
