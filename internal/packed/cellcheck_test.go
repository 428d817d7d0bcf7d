package packed

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// cellSamples returns small valid sketches of every form.
func cellSamples(random func(n int) []byte, halves func(n int) []uint16) (ws []Weight) {
	cells := Cells{Out: 4, In: 6, Rows: 3, Bits: 16, Reading: "A", Hash: HashMix64, Seeds: []uint64{1, 1 << 63, 77},
		Class: []uint8{0, 1, 2, 1, 0, 2}, Sizes: []uint32{3, 1, 2}, Cells: append(halves(17), 0x7c00)}
	add := func(edit func(w *Cells)) {
		w := cells
		edit(&w)
		ws = append(ws, &w)
	}
	add(func(*Cells) {})
	add(func(w *Cells) { w.Reading, w.Hash = "C", HashTwoUniversal })
	for _, bits := range []int{2, 4, 8} {
		add(func(w *Cells) {
			w.Bits, w.Cells, w.Hash = bits, nil, HashBalanced
			w.Codes, w.Scales = random(3*RowBytes(6, bits)), magnitudes(halves(9))
		})
	}
	add(func(w *Cells) { w.Reading, w.Cells, w.Signs = "B", magnitudes(w.Cells), random(4) })
	add(func(w *Cells) {
		w.Rows, w.Bits, w.Reading, w.Cells, w.Seeds = 2, 4, "S", nil, w.Seeds[:2]
		w.Codes, w.Scales = random(6), magnitudes(halves(6))
	})
	add(func(w *Cells) {
		w.Tile, w.Window, w.Class, w.Sizes, w.Cells = 3, 4, []uint8{1, 0}, []uint32{4, 7}, halves(33)
	})
	add(func(w *Cells) {
		w.Hash = HashBalanced
		w.Shared = &SharedCells{Base: []uint64{7, 0, 1 << 40}, Addresses: []uint64{15, 9, 1<<40 + 8}, From: 3, To: 5, Total: 11}
	})
	return ws
}

// one returns a sketch of one weight and one cell, edited.
func one(edit func(w *Cells)) *Cells {
	w := &Cells{Out: 1, In: 1, Rows: 1, Bits: 16, Reading: "A", Hash: HashMix64, Seeds: []uint64{1},
		Class: []uint8{0}, Sizes: []uint32{1}, Cells: []uint16{0}}
	edit(w)
	return w
}

// magnitudes returns v without signs.
func magnitudes(v []uint16) []uint16 {
	m := slices.Clone(v)
	for i := range m {
		m[i] &= 0x7fff
	}
	return m
}

// TestCheckCells puts values that no writer makes into a sketch.
func TestCheckCells(t *testing.T) {
	for _, c := range []struct {
		want string
		w    *Cells
	}{
		{"cells: cells[0] is -Inf", one(func(w *Cells) { w.Cells[0] = 0xfc00 })},
		{"cells: class[0]: 1, want below 1", one(func(w *Cells) { w.Class[0] = 1 })},
		{"cells: sizes[1]: 0 cells", one(func(w *Cells) { w.Class[0], w.Sizes = 1, []uint32{1, 0} })},
		{"cells: cells[0] is -1, want a magnitude in reading B", one(func(w *Cells) { w.Reading, w.Signs, w.Cells[0] = "B", make([]byte, 1), 0xbc00 })},
		{"cells: bits: 3, want one of 16, 8, 4, 2", one(func(w *Cells) { w.Bits = 3 })},
		{`cells: hash: "x", want one of mix64, two-universal, balanced`, one(func(w *Cells) { w.Hash = "x" })},
		{`cells: reading: "D", want one of A, B, C, S`, one(func(w *Cells) { w.Reading = "D" })},
		{"cells: rows: 1, want an even number in reading S", one(func(w *Cells) { w.Reading = "S" })},
		{"cells: tile: 2 with a window of 1 cells", one(func(w *Cells) { w.Tile, w.Window = 2, 1 })},
		{"cells: sizes[0]: 1 cells for the class of column 0, want at least 4", one(func(w *Cells) { w.Tile, w.Window = 2, 4 })},
		{"cells: scales[0] is -1, want a finite value of at least 0", one(func(w *Cells) { w.Bits, w.Cells, w.Codes, w.Scales = 8, nil, make([]byte, 1), []uint16{0xbc00} })},
		{"cells: share: [2,1) of 3", one(func(w *Cells) { w.Shared = &SharedCells{[]uint64{0}, []uint64{1}, 2, 1, 3} })},
		{"cells: base, addresses: 2 and 1 classes, want 1", one(func(w *Cells) { w.Shared = &SharedCells{[]uint64{0, 0}, []uint64{1}, 0, 1, 3} })},
		{"cells: base[0]: 1 with 1 addresses behind it, want at most 1 in all", one(func(w *Cells) { w.Shared = &SharedCells{[]uint64{1}, []uint64{1}, 0, 1, 3} })},
		{"cells: 16-bit cells: 1, want 0", one(func(w *Cells) { w.Bits, w.Codes, w.Scales = 8, make([]byte, 1), []uint16{0} })},
	} {
		if err := c.w.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestShare: the shares of matrices that divide a sketch sum to its bytes, and
// each is within a byte of its part.
func TestShare(t *testing.T) {
	ends := []int64{0, 0, 5, 6, 40, 41, 97}
	w := *one(func(w *Cells) { w.Cells, w.Sizes = make([]uint16, 35), []uint32{35} })
	parts := w.Parts()
	for _, p := range parts {
		var sum int64
		for i, to := range ends[1:] {
			w.Shared = &SharedCells{Base: []uint64{0}, Addresses: []uint64{9}, From: ends[i], To: to, Total: 97}
			n, shared := w.Share(p.Name)
			if shared != (p.Name != "class") {
				t.Fatalf("%s: shared is %v", p.Name, shared)
			}
			if exact := float64(len(p.Data)) * float64(to-ends[i]) / 97; shared && math.Abs(float64(n)-exact) >= 1 {
				t.Errorf("%s: share [%d,%d) is %d bytes, want about %v", p.Name, ends[i], to, n, exact)
			}
			sum += n
		}
		if p.Name != "class" && sum != int64(len(p.Data)) {
			t.Errorf("%s: shares sum to %d bytes of %d", p.Name, sum, len(p.Data))
		}
	}
}
