// Package hashed fills the cells of hashed matrices (packed.Hashed): what
// HashedNets, ROBE, RzLinear, count sketch, count-min and MinMaxSketch have in
// common (methods.md 4.9). Which of them it is, a Form says. It looks at
// weights alone, and trains nothing.
package hashed

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// A Fill says what a cell is of the weights that fall into it.
type Fill int

// The fills.
const (
	Mean      Fill = iota // mean of the weights with their signs by hash: least squares
	Sum                   // sum of the same: the count sketch
	Magnitude             // sum of magnitudes: count-min
	Greatest              // greatest magnitude: the sketch with maximum and minimum
)

// A Form is what a method makes of one matrix, but for the values.
type Form struct {
	// Bits is the size of cells and signs in bits per weight.
	Bits float64
	// Cells is the number of cells in a sketch row; 0 takes what Bits leave.
	Cells int
	Fill  Fill
	// Matrix has all but Size, Seeds, Cells and Signs.
	Matrix packed.Hashed
	// Seeds is how many there are, and Modulus the R0 of chunks and tiles.
	Seeds   int
	Modulus uint64
}

// weights returns N.
func (f Form) weights() float64 { return float64(f.Matrix.Out) * float64(f.Matrix.In) }

// signBytes returns the size of the plane of signs.
func (f Form) signBytes() int64 {
	if f.Matrix.Sign != packed.SignPlane {
		return 0
	}
	return int64(f.Matrix.Out) * int64(packed.RowBytes(f.Matrix.In, 1))
}

// Size returns the number of cells in a sketch row: Cells, or else, with N
// weights, ⌊⌊(Bits·N − bits of signs)/16⌋/rows⌋, at most N.
func (f Form) Size() int {
	if f.Cells > 0 {
		return f.Cells
	}
	// A decimal fraction that makes an integer must not lose a cell to
	// rounding.
	total := math.Floor((f.Bits*f.weights()*(1+1e-12) - 8*float64(f.signBytes())) / 16)
	return int(max(0, min(math.Floor(total/float64(f.Matrix.Rows)), f.weights(), math.MaxInt32)))
}

// Nominal returns the bits per weight aimed at, 0 where the cells are given.
func (f Form) Nominal() float64 {
	if f.Cells > 0 {
		return 0
	}
	return f.Bits
}

// Smallest returns the fewest cells that a sketch row can have: those of a
// chunk, or one more than those of a tile.
func (f Form) Smallest() int {
	return max(1, f.Matrix.Chunk, f.Matrix.TileIn*f.Matrix.TileOut+min(1, f.Matrix.TileIn))
}

// bytes returns the stored size with so many cells in a row.
func (f Form) bytes(cells int) int64 {
	return 2*int64(f.Matrix.Rows)*int64(cells) + 8*int64(f.Seeds) + f.signBytes()
}

// StoredBytes returns the size of what Compress returns: two bytes for a
// cell, eight for a seed, and a bit for each sign that is stored, row by row.
func (f Form) StoredBytes() int64 { return f.bytes(f.Size()) }

// CheckShape returns an error that names the field, if the cells are too few
// for the addressing or more than there are weights.
func (f Form) CheckShape() error {
	out, in, least := f.Matrix.Out, f.Matrix.In, f.Smallest()
	matrix := fmt.Sprintf("a %d×%d matrix", out, in)
	size := f.Size()
	switch {
	case float64(least) > f.weights() && f.Matrix.Addressing == packed.AddressTiles:
		return fmt.Errorf("tile_in: %d by tile_out %d needs %d cells, more than %s has weights; want smaller tiles", f.Matrix.TileIn, f.Matrix.TileOut, least, matrix)
	case f.Cells > 0 && float64(f.Cells) > min(f.weights(), math.MaxInt32):
		return fmt.Errorf("cells: %d for %s, want at most one for each weight, and at most %d", f.Cells, matrix, math.MaxInt32)
	case size >= least:
		return nil
	case f.Cells > 0:
		return fmt.Errorf("cells: %d in a row for %s, want at least %d", size, matrix, least)
	}
	return fmt.Errorf("bits: %v gives %d cells in a row for %s, want at least %d, which take %.4g bits",
		f.Bits, size, matrix, least, f.bitsFor(least))
}

// bitsFor returns bits that give so many cells in a row, rounded up to four
// digits.
func (f Form) bitsFor(cells int) float64 {
	bits := (16*float64(f.Matrix.Rows)*float64(cells) + 8*float64(f.signBytes())) / f.weights()
	unit := math.Pow(10, math.Floor(math.Log10(bits))-3)
	return math.Ceil(bits/unit*(1-1e-12)) * unit
}

// Fit returns the most cells in a row with which the matrix takes at most so
// many bytes, at most one for each weight. The error says how many bytes the
// fewest take.
func (f Form) Fit(target int64) (cells int, err error) {
	room := (target - f.bytes(0)) / (2 * int64(f.Matrix.Rows))
	cells = int(min(float64(max(room, 0)), f.weights(), math.MaxInt32))
	if least := f.Smallest(); cells < least {
		return 0, fmt.Errorf("%d bytes are too few for %d cells in a row of a %d×%d matrix, which take %d",
			target, least, f.Matrix.Out, f.Matrix.In, f.bytes(least))
	}
	return cells, nil
}

// make returns the matrix with its seeds, drawn from rng, and room for cells
// and signs. The multipliers of a linear hash are not 0, with which rows,
// columns or tiles would all be one.
func (f Form) make(rng *rand.Rand) *packed.Hashed {
	w := f.Matrix
	w.Size = f.Size()
	w.Cells = make([]uint16, w.Rows*w.Size)
	if n := f.signBytes(); n > 0 {
		w.Signs = make([]byte, n)
	}
	w.Seeds = make([]uint64, f.Seeds)
	for i := range w.Seeds {
		if f.Modulus == 0 {
			w.Seeds[i] = rng.Uint64()
		} else {
			w.Seeds[i] = 1 + rng.Uint64N(f.Modulus-1)
		}
	}
	if f.Modulus > 0 {
		w.Seeds[0] = f.Modulus
	}
	return &w
}

// Draw returns a random matrix of the form and size. The form must fit
// (CheckShape).
func (f Form) Draw(rng *rand.Rand) *packed.Hashed {
	w := f.make(rng)
	w.Cells = packed.RandomF16(rng, len(w.Cells))
	if w.Signs != nil {
		w.Signs = packed.RandomCodes(rng, w.Out, w.In, 1)
	}
	return w
}

// CheckBudget returns the faults of the options that decide how many cells
// there are, for sketches of so many rows and signs stored or not.
func CheckBudget(bits float64, cells, rows int, signs bool) []error {
	var faults []error
	low, high := 0., 16*float64(rows)
	if signs {
		low, high = 1, high+1
	}
	switch {
	case signs && cells == 0 && bits > 0 && bits <= low:
		faults = append(faults, fmt.Errorf("bits: %v, want above 1: the signs that are carried take 1", bits))
	case !(bits > 0 && bits <= high):
		faults = append(faults, fmt.Errorf("bits: %v, want above %v and at most %v", bits, low, high))
	}
	if cells < 0 {
		faults = append(faults, fmt.Errorf("cells: %d, want at least 1, or 0 for as many as bits leave", cells))
	}
	return faults
}
