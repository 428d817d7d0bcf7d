package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// cellVariants lists forms of Cells: the first one with both of its readings,
// every other reading, width, hash and shape of tiles, and shared cells.
func cellVariants() []Variant {
	var list []Variant
	add := func(name string, rows int, edit func(w *packed.Cells)) {
		list = append(list, Variant{"cells/" + name, func(rnd *rand.Rand, out, in int) packed.Weight {
			w := &packed.Cells{Out: out, In: in, Rows: rows, Bits: 16, Reading: packed.ReadingMagnitude, Hash: packed.HashMix64}
			edit(w)
			fillCells(rnd, w)
			return w
		}})
	}
	for _, rows := range []int{1, 3} {
		add(fmt.Sprintf("reading=A/rows=%d", rows), rows, func(*packed.Cells) {})
		add(fmt.Sprintf("reading=C/rows=%d", rows), rows, func(w *packed.Cells) { w.Reading = packed.ReadingSigned })
	}
	for _, reading := range []string{packed.ReadingPlane, packed.ReadingSplit} {
		add("reading="+reading, 2, func(w *packed.Cells) { w.Reading = reading })
	}
	narrow := func(bits int, readings ...string) {
		for _, reading := range readings {
			add(fmt.Sprintf("bits=%d/reading=%s", bits, reading), 2, func(w *packed.Cells) { w.Bits, w.Reading = bits, reading })
		}
	}
	narrow(8, "A")
	narrow(4, packed.Readings()...)
	narrow(2, "A", "S")
	for _, hash := range packed.HashFamilies()[1:] {
		add("hash="+hash, 3, func(w *packed.Cells) { w.Hash = hash })
	}
	add("shared", 3, func(w *packed.Cells) { w.Shared = &packed.SharedCells{} })
	add("shared/hash=balanced", 3, func(w *packed.Cells) { w.Shared, w.Hash = &packed.SharedCells{}, packed.HashBalanced })
	tile := func(side, window, bits int, readings ...string) {
		for _, reading := range readings {
			add(fmt.Sprintf("tile=%d/window=%d/bits=%d/reading=%s", side, window, bits, reading), 2, func(w *packed.Cells) {
				w.Tile, w.Window, w.Bits, w.Reading = side, window, bits, reading
			})
		}
	}
	tile(16, 64, 16, packed.Readings()...)
	tile(5, 9, 4, "A", "S")
	return list
}

// fillCells completes a sketch: up to 8 classes of unequal sizes, some of its
// cells never hit.
func fillCells(rnd *rand.Rand, w *packed.Cells) {
	rows, columns := w.Units()
	classes := min(columns, packed.MaxClasses)
	total := 0
	for g := range classes {
		n := w.Window + 1 + 3*g
		w.Sizes = append(w.Sizes, uint32(n))
		total += n
	}
	w.Class = make([]uint8, columns)
	for c := range w.Class {
		w.Class[c] = uint8(rnd.IntN(classes))
	}
	for range w.Rows {
		w.Seeds = append(w.Seeds, rnd.Uint64())
	}
	if w.Shared != nil {
		for _, n := range w.Layout().Counts {
			base := rnd.Uint64N(1 << 40)
			w.Shared.Base = append(w.Shared.Base, base)
			w.Shared.Addresses = append(w.Shared.Addresses, base+uint64(rows)*n+3)
		}
		w.Shared.From, w.Shared.To, w.Shared.Total = 1, 3, 7
	}
	var sign uint16
	if w.Reading == packed.ReadingPlane {
		w.Signs = randomCodes(rnd, w.Out, w.In, 1)
	}
	if w.Reading == packed.ReadingPlane || w.Reading == packed.ReadingSplit {
		sign = 1 << 15
	}
	if w.Bits < 16 {
		w.Codes = randomCodes(rnd, w.Rows, total, w.Bits)
		w.Scales = halves(rnd, w.Rows*classes, 1)
		for i := range w.Scales {
			w.Scales[i] &^= 1 << 15
		}
		return
	}
	w.Cells = halves(rnd, w.Rows*total, 1)
	for i := range w.Cells {
		w.Cells[i] &^= sign
		if rnd.IntN(5) == 0 {
			w.Cells[i] = 0x7c00 // +Inf: never hit
		}
	}
}
