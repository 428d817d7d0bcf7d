package packed

import (
	"maps"
	"testing"
)

// TestPadding: rows and planes that end within a byte, worked by hand.
func TestPadding(t *testing.T) {
	zeros := func(n int) []byte { return make([]byte, n) }
	for name, c := range map[string]struct {
		w    Weight
		want map[Class]int64
	}{
		// 12·3 = 36 bits in 5 bytes, five rows of them; 15·3 = 45 in 6 bytes.
		"grid":       {&Grid{Out: 5, In: 12, Bits: 3, Group: 5, Codes: zeros(25), Scale: make([]uint16, 15), Zero: zeros(6)}, map[Class]int64{ClassCodes: 20, ClassScales: 3}},
		"grid whole": {&Grid{Out: 5, In: 16, Bits: 3, Group: 16, Symmetric: true, Codes: zeros(30), Scale: make([]uint16, 5)}, map[Class]int64{}},
		"codebook":   {&Codebook{Out: 2, In: 5, Bits: 2, Group: 5, Codes: zeros(4), Table: make([]uint16, 8)}, map[Class]int64{ClassCodes: 12}},
		"signs":      {&Signs{3, 5, zeros(2), make([]uint16, 3), make([]uint16, 5)}, map[Class]int64{ClassCodes: 1}},
		// 10 weights: planes of 2 bytes; two of them salient: 14 of 16 bits.
		"partial":        {&Partial{2, 5, []byte{3, 0}, zeros(2), zeros(2), make([]uint16, 2), zeros(2), make([]uint16, 4)}, map[Class]int64{ClassCodes: 8, ClassMasks: 6}},
		"sum of the two": {&Sum{[]Weight{&Signs{3, 5, zeros(2), make([]uint16, 3), make([]uint16, 5)}, &Codebook{Out: 3, In: 5, Bits: 2, Group: 5, Codes: zeros(6), Table: make([]uint16, 12)}}}, map[Class]int64{ClassCodes: 19}},
		// A class map of 3·3 bits in 2 bytes.
		"cells": {&Cells{Out: 1, In: 3, Rows: 1, Bits: 16, Reading: "A", Hash: HashMix64, Seeds: []uint64{1}, Class: []uint8{0, 0, 0}, Sizes: []uint32{1}, Cells: []uint16{0}}, map[Class]int64{ClassIndices: 7}},
	} {
		if err := c.w.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := Padding(c.w); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, w := range samples() {
		for _, p := range w.Parts() {
			if pad := Padding(w)[p.Class]; pad < 0 || pad >= 8*w.Bytes() {
				t.Errorf("%s: %d bits of padding in %s", w.Kind(), pad, p.Class)
			}
		}
	}
}
