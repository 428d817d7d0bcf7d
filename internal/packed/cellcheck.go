package packed

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Check reports sizes that do not fit, classes that do not exist or have
// columns but no cells, and cells that are NaN or -Inf, or negative where the
// sign stands elsewhere.
func (w *Cells) Check() error {
	if err := checkDims(KindCells, w.Out, w.In); err != nil {
		return err
	}
	if !slices.Contains(CellWidths(), w.Bits) {
		return fmt.Errorf("cells: bits: %d, want one of 16, 8, 4, 2", w.Bits)
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{{"reading", w.Reading, Readings()}, {"hash", w.Hash, HashFamilies()}} {
		if !slices.Contains(f.known, f.value) {
			return fmt.Errorf("cells: %s: %q, want one of %s", f.name, f.value, strings.Join(f.known, ", "))
		}
	}
	if w.Rows < 1 || len(w.Seeds) != w.Rows {
		return fmt.Errorf("cells: rows: %d with %d seeds, want at least 1 and a seed for each", w.Rows, len(w.Seeds))
	}
	if w.Reading == ReadingSplit && w.Rows%2 != 0 {
		return fmt.Errorf("cells: rows: %d, want an even number in reading S", w.Rows)
	}
	if w.Tile < 0 || w.Tile > math.MaxInt16 || w.Window < w.Tile || w.Window > math.MaxInt32 || (w.Tile == 0) != (w.Window == 0) {
		return fmt.Errorf("cells: tile: %d with a window of %d cells, want a window of at least the tile's side, or neither", w.Tile, w.Window)
	}
	row, err := w.checkClasses()
	if err != nil {
		return err
	}
	if err := w.checkShared(); err != nil {
		return err
	}
	signs := 0
	if w.Reading == ReadingPlane {
		signs = RowBytes(w.In, 1)
	}
	if err := checkLen(KindCells, "bytes of signs", len(w.Signs), w.Out, signs); err != nil {
		return err
	}
	return w.checkCells(row)
}

// checkClasses checks Class and Sizes, and returns S_row.
func (w *Cells) checkClasses() (row int, err error) {
	if len(w.Sizes) < 1 || len(w.Sizes) > MaxClasses {
		return 0, fmt.Errorf("cells: sizes: %d classes, want 1 to %d", len(w.Sizes), MaxClasses)
	}
	_, columns := w.Units()
	if err := checkLen(KindCells, "columns with a class", len(w.Class), columns); err != nil {
		return 0, err
	}
	for c, g := range w.Class {
		if int(g) >= len(w.Sizes) {
			return 0, fmt.Errorf("cells: class[%d]: %d, want below %d", c, g, len(w.Sizes))
		}
		if n := w.Sizes[g]; n < uint32(max(w.Window, 1)) {
			return 0, fmt.Errorf("cells: sizes[%d]: %d cells for the class of column %d, want at least %d", g, n, c, max(w.Window, 1))
		}
	}
	var sum uint64
	for _, n := range w.Sizes {
		sum += uint64(n)
	}
	if sum > math.MaxInt32 {
		return 0, fmt.Errorf("cells: sizes: %d cells in a row, want at most %d", sum, math.MaxInt32)
	}
	return int(sum), nil
}

// checkShared checks that the addresses of the matrix lie within those of all.
func (w *Cells) checkShared() error {
	s := w.Shared
	if s == nil {
		return nil
	}
	if s.From < 0 || s.To < s.From || s.Total < s.To || s.Total < 1 {
		return fmt.Errorf("cells: share: [%d,%d) of %d, want a part of the whole", s.From, s.To, s.Total)
	}
	if len(s.Base) != len(w.Sizes) || len(s.Addresses) != len(w.Sizes) {
		return fmt.Errorf("cells: base, addresses: %d and %d classes, want %d", len(s.Base), len(s.Addresses), len(w.Sizes))
	}
	rows, _ := w.Units()
	counts := w.Layout().Counts
	for g, all := range s.Addresses {
		n := uint64(rows) * counts[g]
		if all > math.MaxInt64 || n > all || s.Base[g] > all-n {
			return fmt.Errorf("cells: base[%d]: %d with %d addresses behind it, want at most %d in all", g, s.Base[g], n, all)
		}
	}
	return nil
}

// checkCells checks the cells themselves, row of them in a sketch row.
func (w *Cells) checkCells(row int) error {
	if w.Bits < 16 {
		if err := checkLen(KindCells, "bytes of codes", len(w.Codes), w.Rows, RowBytes(row, w.Bits)); err != nil {
			return err
		}
		if err := checkLen(KindCells, "scales", len(w.Scales), w.Rows, len(w.Sizes)); err != nil {
			return err
		}
		for i, h := range w.Scales {
			if !finiteF16(h) || h>>15 == 1 {
				return fmt.Errorf("cells: scales[%d] is %v, want a finite value of at least 0", i, F16ToF32(h))
			}
		}
		return checkLen(KindCells, "16-bit cells", len(w.Cells), 0)
	}
	if err := checkLen(KindCells, "codes and scales", len(w.Codes)+len(w.Scales), 0); err != nil {
		return err
	}
	if err := checkLen(KindCells, "cells", len(w.Cells), w.Rows, row); err != nil {
		return err
	}
	signed := w.Reading == ReadingMagnitude || w.Reading == ReadingSigned
	for i, h := range w.Cells {
		if !finiteF16(h) && h != 0x7c00 {
			return fmt.Errorf("cells: cells[%d] is %v, want a finite value or +Inf", i, F16ToF32(h))
		}
		if h>>15 == 1 && !signed {
			return fmt.Errorf("cells: cells[%d] is %v, want a magnitude in reading %s", i, F16ToF32(h), w.Reading)
		}
	}
	return nil
}
