package packed

import (
	"math"
	"testing"
)

// TestDequantizeByHand decodes matrices small enough to work out on paper.
func TestDequantizeByHand(t *testing.T) {
	h := F32ToF16
	for _, c := range []struct {
		name string
		w    Weight
		want []float32
	}{
		// Rows of 3 codes of 2 bits; groups {0,1} and {2}; zeros 1,2 and 3,0.
		{"grid, short last group", &Grid{2, 3, 2, 2, false, []byte{0b10_01_00, 0b00_11_11},
			[]uint16{h(0.5), h(2), h(1), h(-1)}, []byte{0b00_11_10_01}, nil},
			[]float32{-0.5, 0, 0, 0, 0, 0}},
		{"grid, symmetric: zero 8", &Grid{1, 2, 4, 2, true, []byte{0x0f}, []uint16{h(0.25)}, nil, nil},
			[]float32{1.75, -2}},
		// Columns 0 and 2 are in group 1 of scale 2, column 1 in group 0 of scale ½; zeros 1 and 3.
		{"grid, indexed", &Grid{1, 3, 2, 2, false, []byte{0b10_11_00}, []uint16{h(0.5), h(2)}, []byte{0b11_01}, []uint32{1, 0, 1}},
			[]float32{-6, 1, -2}},
		// Levels -1, 0, x, 1 with x = 0.33791519352; blocks of 3 cross the rows; the last is short.
		{"levels", &Levels{Out: 2, In: 2, Bits: 2, Block: 3, Codes: []byte{0b00_11, 0b10_01}, Absmax: []float32{2, 4}},
			[]float32{2, -2, 0, 4 * 0.33791519352165506}},
		// Entries 255, 127 and 0 of the map are 1, 0 and -0.99296875 (the middle of the last
		// of 64 steps from 0.1 to 1).
		{"levels, double", &Levels{Out: 1, In: 3, Bits: 2, Block: 1, Codes: []byte{0b11_11_11}, AbsmaxCodes: []uint8{255, 127, 0}, Absmax2: []float32{2}, Offset: 0.25},
			[]float32{2.25, 0.25, -1.7359375}},
		{"codebook, two groups", &Codebook{1, 4, 2, 2, []byte{0b11_00_01_10},
			[]uint16{h(1), h(2), h(3), h(4), h(-1), h(-2), h(-3), h(-4)}},
			[]float32{3, 2, -1, -4}},
		// [1 2; 3 4]·[5; 6]: 17, 39.
		{"low rank", &LowRank{2, 1, 2, []uint16{h(1), h(2), h(3), h(4)}, []uint16{h(5), h(6)}},
			[]float32{17, 39}},
		// Columns 0 and 2 are salient, 1 and 3 in regions 1 and 0; minus is 1010
		// from column 3 down to 0. 1 ∓ 2 ∓ 4 and ∓: column 0 plus, second
		// minus: 1+2-4; column 1 minus in region 1: 20-8; column 2 plus, plus:
		// 1+2+4; column 3 minus in region 0: 10-3.
		{"binary", &Binary{1, 4, 4, 2, 8, []byte{0b1010}, []byte{0b0011}, nil, []byte{0b0101}, nil,
			[]uint16{h(10), h(3), h(20), h(8), h(1), h(2), h(4)}},
			[]float32{-1, 12, 7, 7}},
		// 2 of 8 kept: the pattern after 11, 101, 110 is 1001, columns 0 and 3;
		// then of the last column ⌈2/8⌉ = 1. Three regions: 2 and 1, and the
		// second block's region 0 with a minus.
		{"binary, mask, three regions", &Binary{1, 9, 8, 3, 2, []byte{0b100}, []byte{0b010}, []byte{0b001}, []byte{0, 0}, []byte{3},
			[]uint16{h(1), h(0), h(2), h(0), h(3), h(0.5), 0, 0, 0, h(5), h(1), 0, 0, 0, 0, 0, 0, 0}},
			[]float32{3.5, 0, 0, 2, 0, 0, 0, 0, 4}},
		// Codes 5 = 2·2+1 of the second and 254 = 2·127 of the third weight.
		{"partial", &Partial{1, 3, []byte{0b110}, []byte{0b011}, []byte{0b0000010 | 1<<7, 0b111111}, []uint16{h(0.5)}, []byte{4}, []uint16{h(1), h(3)}},
			[]float32{-2, 0.5, 125}},
		{"signs", &Signs{2, 2, []byte{0b1001}, []uint16{h(2), h(3)}, []uint16{h(5), h(-7)}},
			[]float32{-10, -14, 15, 21}},
		{"f32", &Dense{1, 2, "F32", []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}}, []float32{1, -2}},
		{"f16", &Dense{1, 2, "F16", []byte{0, 0x3c, 0, 0xc0}}, []float32{1, -2}},
		{"bf16", &Dense{1, 2, "BF16", []byte{0x80, 0x3f, 0, 0xc0}}, []float32{1, -2}},
	} {
		if err := c.w.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		out, in := c.w.Dims()
		got := make([]float32, out*in)
		c.w.Dequantize(got, 0, out)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

// TestDequantizeRows checks that blocks of rows give what the whole gives and
// write nothing beside it.
func TestDequantizeRows(t *testing.T) {
	for _, w := range samples() {
		out, in := w.Dims()
		whole := make([]float32, out*in)
		w.Dequantize(whole, 0, out)
		for r := range out {
			got := make([]float32, in+1)
			got[in] = 12345
			w.Dequantize(got, r, r+1)
			for c, x := range whole[r*in : (r+1)*in] {
				if math.Float32bits(got[c]) != math.Float32bits(x) {
					t.Fatalf("%s row %d: column %d is %v, whole matrix has %v", w.Kind(), r, c, got[c], x)
				}
			}
			if got[in] != 12345 {
				t.Fatalf("%s row %d: wrote behind the row", w.Kind(), r)
			}
		}
	}
}
