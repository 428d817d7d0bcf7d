package ultrasketch

import (
	"math"
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Float32 bit patterns: magnitudes compare as these integers do.
const (
	magnitude = 1<<31 - 1  // mask
	infinity  = 0xff << 23 // +Inf, the cell that was never hit
)

// insertAll puts the weights of the matrix s, finite ones, into wide: the cells
// of its sketch, its rows one after another, as float32 bit patterns. A cell
// keeps the weight of least magnitude that falls into it, among equals the one
// of lowest address ("AbsMin", methods.md 3.3).
//
// Taking the least is associative, so strips of the matrix are sketched apart
// and merged in order, and the result is that of one pass.
func insertAll(cfg gemm.Config, s *packed.Cells, wide []uint32, w []float32) {
	layout := s.Layout()
	columns := make([][]int32, len(s.Sizes))
	for c, g := range s.Class {
		columns[g] = append(columns[g], int32(c))
	}
	// Two tasks for each thread balance the load; a strip needs more weights
	// than a row has cells, for merging not to be the work.
	rows, _ := s.Units()
	strips := max(1, min((2*threads(cfg)+s.Rows-1)/s.Rows, len(w)/(4*max(layout.Row, 1)), rows))
	step := (rows + strips - 1) / strips
	parts := make([][]uint32, strips)
	parts[0] = wide
	for i := 1; i < strips; i++ {
		parts[i] = make([]uint32, len(wide))
	}
	cfg.Parallel(s.Rows*strips, func(t int) {
		k, i := t%s.Rows, t/s.Rows
		cells := parts[i][k*layout.Row : (k+1)*layout.Row]
		if i > 0 {
			for j := range cells {
				cells[j] = infinity
			}
		}
		// Class by class, although that passes over the strip once for each:
		// cells are hit at random, and those of one class fit in the cache.
		for g, cols := range columns {
			if len(cols) == 0 {
				continue
			}
			o, n := layout.Offsets[g], s.Sizes[g]
			insertClass(s, &layout, k, g, cols, cells[o:o+n], w, i*step, min((i+1)*step, rows))
		}
	})
	cfg.Parallel(s.Rows, func(k int) {
		cells := parts[0][k*layout.Row : (k+1)*layout.Row]
		for _, p := range parts[1:] {
			for j, b := range p[k*layout.Row : (k+1)*layout.Row] {
				if b&magnitude < cells[j]&magnitude {
					cells[j] = b
				}
			}
		}
	})
}

// insertClass puts rows [r0,r1) of w, or rows of tiles, of the columns cols of
// class g into the cells of sketch row k.
func insertClass(s *packed.Cells, l *packed.CellLayout, k, g int, cols []int32, cells []uint32, w []float32, r0, r1 int) {
	address := func(r int) uint64 { return s.Base(g) + uint64(r)*l.Counts[g] }
	if s.Tile > 0 {
		t := tileInserter{s: s, keep: keeperOf(s, k), shifts: s.TileShifts(k), cells: cells}
		hash := s.HashOf(l, k, g)
		for r := r0; r < r1; r++ {
			for i, c := range cols {
				t.insert(w, r, int(c), hash.Cell(address(r)+uint64(i)))
			}
		}
		return
	}
	keep := keeperOf(s, k)
	if s.Hash == packed.HashMix64 && keep == keepAll {
		for r := r0; r < r1; r++ {
			insert(cells, w[r*s.In:(r+1)*s.In], cols, s.Seeds[k], address(r))
		}
		return
	}
	hash, index := s.HashOf(l, k, g), make([]uint32, len(cols))
	for r := r0; r < r1; r++ {
		row := w[r*s.In : (r+1)*s.In]
		hash.Run(index, address(r))
		for i, c := range cols {
			put(&cells[index[i]], row[c], keep)
		}
	}
}

// insert puts the weights of the given columns of a row, at addresses from
// address on, into the cells of their class. The index is packed.CellIndex,
// written out.
func insert(cells []uint32, row []float32, cols []int32, seed, address uint64) {
	n := uint64(len(cells))
	for _, c := range cols {
		b := math.Float32bits(row[c])
		i, _ := bits.Mul64(packed.Mix64(address^seed), n)
		if p := &cells[i]; b&magnitude < *p&magnitude {
			*p = b
		}
		address++
	}
}

// A keeper says which weights a sketch row takes, and whether with their sign.
type keeper int

const (
	keepAll        keeper = iota // with their signs
	keepMagnitudes               // of all
	keepPositive                 // magnitudes of those without a sign bit
	keepNegative                 // magnitudes of the others
)

// keeperOf returns the keeper of sketch row k.
func keeperOf(s *packed.Cells, k int) keeper {
	switch {
	case s.Reading == packed.ReadingPlane:
		return keepMagnitudes
	case s.Reading == packed.ReadingSplit && k < s.Rows/2:
		return keepPositive
	case s.Reading == packed.ReadingSplit:
		return keepNegative
	}
	return keepAll
}

// put lets a weight take a cell if it is less in magnitude.
func put(cell *uint32, x float32, keep keeper) {
	b := math.Float32bits(x)
	switch keep {
	case keepPositive, keepNegative:
		if b>>31 != uint32(keep-keepPositive) {
			return
		}
		b &= magnitude
	case keepMagnitudes:
		b &= magnitude
	}
	if b&magnitude < *cell&magnitude {
		*cell = b
	}
}

// A tileInserter puts tiles into the cells of a class.
type tileInserter struct {
	s      *packed.Cells
	keep   keeper
	shifts []uint32
	cells  []uint32
}

// insert puts the tile in row and column of tiles into the window of cells that
// begins at start.
func (t *tileInserter) insert(w []float32, row, column int, start uint32) {
	s := t.s
	left := column * s.Tile
	width := min(s.Tile, s.In-left)
	for i := range min(s.Tile, s.Out-row*s.Tile) {
		from := (row*s.Tile+i)*s.In + left
		at := int(t.shifts[i]) // in the window
		for _, x := range w[from : from+width] {
			cell := int(start) + at
			if cell >= len(t.cells) {
				cell -= len(t.cells)
			}
			put(&t.cells[cell], x, t.keep)
			if at++; at == s.Window {
				at = 0
			}
		}
	}
}

func threads(cfg gemm.Config) int {
	if c, err := cfg.Resolve(); err == nil {
		return c.Threads
	}
	return 1
}
