package ultrasketch

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// The functions of this file say how many cells options make, and how many
// bytes those are.

// rowCells returns the number of cells in each sketch row for an out×in matrix.
func (o Options) rowCells(out, in int) int64 {
	n := float64(out) * float64(in)
	// A decimal fraction that makes an integer must not lose a cell to
	// rounding.
	total := math.Floor(o.Bits * n / float64(o.Cell) * (1 + 1e-12))
	return int64(min(math.Floor(total/float64(o.sketchRows())), n))
}

// unitColumns returns the number of columns, or of columns of tiles.
func (o Options) unitColumns(in int) int {
	if o.Tile == 0 {
		return in
	}
	return (in + o.Tile - 1) / o.Tile
}

// least is the smallest number of cells of a class in a row.
func (o Options) least() int64 {
	if o.Tile == 0 {
		return 1
	}
	return int64(o.Window)
}

// classCount returns the number of classes for a number of columns, or columns
// of tiles, and of cells in a row: with tiles, whose classes need a window of
// cells each, no more than leave two windows for a class.
func (o Options) classCount(columns int, cells int64) int {
	n := min(packed.MaxClasses, columns)
	if o.Tile > 0 {
		n = int(min(int64(n), max(1, cells/(2*o.least()))))
	}
	return n
}

// fewest returns the smallest number of cells in a row that CheckShape allows
// for in columns.
func (o Options) fewest(in int) int64 {
	if o.Tile > 0 {
		return o.least()
	}
	return int64(o.classCount(in, 0))
}

// CheckShape returns an error if the options leave fewer cells in a row of the
// sketch of an out×in matrix than there are classes of channels, or with tiles
// than a window has; it says how many bits would do.
func CheckShape(o Options, out, in int) error {
	if o.Levels == 2 && o.Scope != ScopeMatrix {
		return fmt.Errorf("levels: 2 with scope %s, want 1, or scope %s", o.Scope, ScopeMatrix)
	}
	o, levels := o.level(), float64(o.Levels)
	cells, fewest := o.rowCells(out, in), o.fewest(in)
	if cells > math.MaxInt32 {
		return fmt.Errorf("bits: %v gives %d cells in a row for a %d×%d matrix, want at most %d", levels*o.Bits, cells, out, in, math.MaxInt32)
	}
	if cells >= fewest {
		return nil
	}
	n := float64(out) * float64(in)
	if float64(fewest) > n {
		return fmt.Errorf("window: %d cells for a %d×%d matrix, want at most its %.0f weights", o.Window, out, in, n)
	}
	smallest := levels * float64(o.Cell) * float64(o.sketchRows()) * float64(fewest) / n
	// Rounded up to four digits, so that the printed value does.
	unit := math.Pow(10, math.Floor(math.Log10(smallest))-3)
	smallest = math.Ceil(smallest/unit*(1-1e-12)) * unit
	what := fmt.Sprintf("the %d channel classes", fewest)
	if o.Tile > 0 {
		what = fmt.Sprintf("a window of %d", o.Window)
	}
	return fmt.Errorf("bits: %v gives %d cells in a row for %s of a %d×%d matrix, want at least %.4g bits", levels*o.Bits, cells, what, out, in, smallest)
}

// StoredBytes returns the size of what Compress returns for an out×in matrix:
// the cells; eight bytes for a row's seed; three bits for a channel's class, or
// a column of tiles'; four bytes for a class's size; with narrow cells two
// bytes for a scale per row and class; in reading B a bit for a weight's sign.
// Where a scope shares a sketch it is an upper bound: the addresses of the
// scope take 16 bytes more for each class and matrix, and of what is stored
// once a matrix is billed its part, here all.
func StoredBytes(o Options, out, in int) int64 {
	levels := int64(o.Levels)
	o = o.level()
	cells := o.rowCells(out, in)
	return levels * o.bytes(out, in, cells, o.classCount(o.unitColumns(in), cells))
}

// bytes returns the size of a sketch of so many cells in a row and classes.
func (o Options) bytes(out, in int, cells int64, classes int) int64 {
	rows, g := int64(o.sketchRows()), int64(classes)
	n := rows*((cells*int64(o.Cell)+7)/8) + 8*rows + int64(packed.RowBytes(o.unitColumns(in), 3)) + 4*g
	if o.Cell < 16 {
		n += 2 * rows * g
	}
	if o.Reading == packed.ReadingPlane {
		n += int64(out) * int64(packed.RowBytes(in, 1))
	}
	if o.Scope != ScopeMatrix {
		// The classes may be those of the scope, and rounding may bill a byte
		// more for each shared part.
		n += o.bytesOfClasses(rows, packed.MaxClasses) - o.bytesOfClasses(rows, g) + 16*packed.MaxClasses + rows + 8
	}
	return n
}

// bytesOfClasses returns what the sizes and scales of so many classes take.
func (o Options) bytesOfClasses(rows, classes int64) int64 {
	if o.Cell < 16 {
		return (4 + 2*rows) * classes
	}
	return 4 * classes
}

// Fit returns the options with the most bits at which an out×in matrix takes at
// most target bytes. The error says how many the fewest cells take.
func Fit(o Options, out, in int, target int64) (Options, error) {
	n := float64(out) * float64(in)
	rows, levels := float64(o.sketchRows()), float64(o.Levels)
	with := func(cells int64) Options {
		f := o
		f.Bits = levels * float64(cells) * rows * float64(o.Cell) / n
		return f
	}
	low := o.fewest(in)
	smallest := StoredBytes(with(low), out, in)
	if smallest > target || float64(low) > n {
		return o, fmt.Errorf("%d bytes are too few for the sketch of a %d×%d matrix, which takes at least %d", target, out, in, smallest)
	}
	most := 16 * maxRows * n / (levels * rows * float64(o.Cell)) // of bits that Check allows
	high := min(int64(min(n, most)), math.MaxInt32) + 1
	for high-low > 1 {
		if mid := low + (high-low)/2; StoredBytes(with(mid), out, in) <= target {
			low = mid
		} else {
			high = mid
		}
	}
	return with(low), nil
}
