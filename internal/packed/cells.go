package packed

import (
	"encoding/binary"
	"fmt"
	"math"
)

// MaxClasses is the most classes of input channels that a Cells matrix may
// have: class numbers are stored in 3 bits.
const MaxClasses = 8

const classBits = 3

// The readings of how a query combines the rows of a sketch (methods.md 3.4).
const (
	ReadingMagnitude = "A" // the cell of largest magnitude, its sign with it
	ReadingSigned    = "C" // the largest cell
)

// Cells is an AbsMaxMin sketch (methods.md 3.3): Rows rows of hashed cells,
// each divided among the classes of input channels (3.6).
//
// The weight (r,c) in class g = Class[c] has the address
// a = r·n_g + (index of c among the columns of class g), n_g being the number
// of columns in the class, and in sketch row k the cell
// offset_g + CellIndex(Seeds[k], a, Sizes[g]), offset_g being the sum of the
// sizes before g.
type Cells struct {
	Out, In, Rows int
	Reading       string   // ReadingMagnitude or ReadingSigned
	Seeds         []uint64 // one per row
	// Class gives the class of each input channel, below len(Sizes). It is
	// stored as one packed stream of 3 bits each.
	Class []uint8
	Sizes []uint32 // cells of each class in a row; at most MaxClasses
	// Cells holds Rows × S_row f16 values, S_row the sum of Sizes. A cell
	// that no weight fell into is +Inf.
	Cells []uint16
}

// CellLayout is what a Cells matrix implies about its addresses.
type CellLayout struct {
	Row     int      // S_row, cells per sketch row
	Offsets []uint32 // first cell of each class in a row
	Counts  []uint64 // n_g, columns in each class
	// Position gives each column's index among the columns of its class.
	Position []uint32
}

// Layout computes offsets, counts and positions.
func (w *Cells) Layout() CellLayout {
	l := CellLayout{
		Offsets:  make([]uint32, len(w.Sizes)),
		Counts:   make([]uint64, len(w.Sizes)),
		Position: make([]uint32, len(w.Class)),
	}
	for g, n := range w.Sizes {
		l.Offsets[g] = uint32(l.Row)
		l.Row += int(n)
	}
	for c, g := range w.Class {
		l.Position[c] = uint32(l.Counts[g])
		l.Counts[g]++
	}
	return l
}

// Kind returns KindCells.
func (w *Cells) Kind() Kind { return KindCells }

// Dims returns Out and In.
func (w *Cells) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Cells) Bytes() int64 {
	return 2*int64(len(w.Cells)) + 8*int64(len(w.Seeds)) + int64(RowBytes(len(w.Class), classBits)) + 4*int64(len(w.Sizes))
}

// Parts returns cells F16 [Rows, S_row], seeds U64 [Rows], class
// U8 [⌈3·In/8⌉] and sizes U32 [classes].
func (w *Cells) Parts() []Part {
	row := 0
	sizes := make([]byte, 0, 4*len(w.Sizes))
	for _, n := range w.Sizes {
		row += int(n)
		sizes = binary.LittleEndian.AppendUint32(sizes, n)
	}
	seeds := make([]byte, 0, 8*len(w.Seeds))
	for _, s := range w.Seeds {
		seeds = binary.LittleEndian.AppendUint64(seeds, s)
	}
	class := make([]byte, RowBytes(len(w.Class), classBits))
	PackRow(class, w.Class, classBits)
	return []Part{
		{"cells", ClassCells, "F16", []int{w.Rows, row}, bytes16(w.Cells)},
		{"seeds", ClassSeeds, "U64", []int{w.Rows}, seeds},
		{"class", ClassIndices, "U8", []int{len(class)}, class},
		{"sizes", ClassIndices, "U32", []int{len(w.Sizes)}, sizes},
	}
}

// Dequantize writes rows [r0,r1) to dst. The first sketch row's cell is the
// best so far; a later row's cell replaces it where it is greater, by
// magnitude in ReadingMagnitude, as a number in ReadingSigned; equal cells
// leave the earlier row's. A weight whose best is +Inf reads as 0: no cell
// that a sketch was built from is read that way, since every weight of the
// matrix was inserted.
func (w *Cells) Dequantize(dst []float32, r0, r1 int) {
	l := w.Layout()
	signed := w.Reading == ReadingSigned
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		for c := range row {
			g := w.Class[c]
			a := uint64(r)*l.Counts[g] + uint64(l.Position[c])
			var best float32
			for k, seed := range w.Seeds {
				i := k*l.Row + int(l.Offsets[g]) + int(CellIndex(seed, a, w.Sizes[g]))
				v := F16ToF32(w.Cells[i])
				if k == 0 || signed && v > best || !signed && abs(v) > abs(best) {
					best = v
				}
			}
			if best > math.MaxFloat32 {
				best = 0
			}
			row[c] = best
		}
	}
}

// abs clears the sign bit.
func abs(x float32) float32 {
	return math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
}

// Check reports sizes that do not fit, classes that do not exist or have
// columns but no cells, and cells that are NaN or -Inf.
func (w *Cells) Check() error {
	if err := checkDims(KindCells, w.Out, w.In); err != nil {
		return err
	}
	if w.Reading != ReadingMagnitude && w.Reading != ReadingSigned {
		return fmt.Errorf("cells: reading: %q, want one of A, C", w.Reading)
	}
	if w.Rows < 1 || len(w.Seeds) != w.Rows {
		return fmt.Errorf("cells: rows: %d with %d seeds, want at least 1 and a seed for each", w.Rows, len(w.Seeds))
	}
	if len(w.Sizes) < 1 || len(w.Sizes) > MaxClasses {
		return fmt.Errorf("cells: sizes: %d classes, want 1 to %d", len(w.Sizes), MaxClasses)
	}
	if err := checkLen(KindCells, "columns with a class", len(w.Class), w.In); err != nil {
		return err
	}
	for c, g := range w.Class {
		if int(g) >= len(w.Sizes) {
			return fmt.Errorf("cells: class[%d]: %d, want below %d", c, g, len(w.Sizes))
		}
		if w.Sizes[g] == 0 {
			return fmt.Errorf("cells: sizes[%d]: 0 cells for the class of column %d", g, c)
		}
	}
	var row uint64
	for _, n := range w.Sizes {
		row += uint64(n)
	}
	if row > math.MaxInt32 {
		return fmt.Errorf("cells: sizes: %d cells in a row, want at most %d", row, math.MaxInt32)
	}
	if err := checkLen(KindCells, "cells", len(w.Cells), w.Rows, int(row)); err != nil {
		return err
	}
	for i, h := range w.Cells {
		if !finiteF16(h) && h != 0x7c00 {
			return fmt.Errorf("cells: cells[%d] is %v, want a finite value or +Inf", i, F16ToF32(h))
		}
	}
	return nil
}
