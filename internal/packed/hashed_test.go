package packed

import (
	"math"
	"slices"
	"testing"
)

// numbered returns n cells of the values 10, 11, ….
func numbered(n int) []uint16 {
	v := make([]uint16, n)
	for i := range v {
		v[i] = F32ToF16(float32(10 + i))
	}
	return v
}

// TestHashedByHand reads small matrices, with the addresses worked by hand.
func TestHashedByHand(t *testing.T) {
	const top = math.MaxUint64
	for _, c := range []struct {
		name string
		w    Hashed
		want []float32
	}{
		// Of testdata/hash_indices.jsonl: Mix64(0) = 0, Mix64(1) = 0.338·2⁶⁴ and
		// Mix64(2⁶⁴-1) = 0.706·2⁶⁴, so that address 0 has the cells 0, 1 and 2
		// of 4 by these seeds and the signs -, + and + by those.
		{"median of -10, 15 and 20", Hashed{Out: 1, In: 1, Rows: 3, Size: 4, Addressing: AddressWeights, Combine: CombineMedian, Sign: SignHash,
			Seeds: []uint64{0, 1, top, top, 0, 1}, Cells: numbered(12)}, []float32{15}},
		{"-10", Hashed{Out: 1, In: 1, Rows: 1, Size: 4, Addressing: AddressWeights, Combine: CombineSingle, Sign: SignHash,
			Seeds: []uint64{0, top}, Cells: numbered(4)}, []float32{-10}},
		// Address 1 has cell 1 by seed 0 and cell 0 by seed 1.
		{"min of 10 and 15, that of 11 and 14 negated", Hashed{Out: 1, In: 2, Rows: 2, Size: 4, Addressing: AddressWeights, Combine: CombineMin, Sign: SignPlane,
			Seeds: []uint64{0, 1}, Cells: numbered(8), Signs: []byte{2}}, []float32{10, -11}},
		// (100·r + 50·j + 7) mod 101 mod 4 for chunks 0, 1 and 2: 3, 1, 2 in row
		// 0, and 2, 0, 1 in row 1.
		{"chunks of 2", Hashed{Out: 2, In: 5, Rows: 1, Size: 5, Addressing: AddressChunks, Chunk: 2, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 50, 100}, Cells: numbered(5)}, []float32{13, 14, 11, 12, 12, 12, 13, 10, 11, 11}},
		// (100·k + 3·n + 7) mod 101 mod 5 for tiles (k,n): (0,0) 2, (0,1) 0,
		// (1,0) 1, (1,1) 4.
		{"tiles of 2×2", Hashed{Out: 3, In: 3, Rows: 1, Size: 9, Addressing: AddressTiles, TileIn: 2, TileOut: 2, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 3, 100}, Cells: numbered(9)}, []float32{12, 14, 11, 13, 15, 12, 10, 12, 14}},
		// The same, (7, 10, 6, 9)·101 + (3·k + 2·n + 1) mod 101 = 708, 1013, 610
		// and 915, mod 5: 3, 3, 0, 0.
		{"tiles of 2×2, two levels", Hashed{Out: 3, In: 3, Rows: 1, Size: 9, Addressing: AddressTiles, TileIn: 2, TileOut: 2, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 3, 100, 1, 2, 3}, Cells: numbered(9)}, []float32{13, 15, 10, 14, 16, 11, 13, 15, 10}},
	} {
		if err := c.w.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := make([]float32, c.w.Out*c.w.In)
		c.w.Dequantize(got, 0, c.w.Out)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestHashedBytes: 16 bits of each cell, 64 of each seed, a bit for each sign.
func TestHashedBytes(t *testing.T) {
	w := Hashed{Out: 64, In: 4096, Rows: 1, Size: 64 * 4096 / 32, Addressing: AddressWeights, Combine: CombineSingle, Sign: SignHash,
		Seeds: make([]uint64, 2), Cells: make([]uint16, 64*4096/32)}
	if got := bpw(&w); got != 0.5+128.0/(64*4096) {
		t.Errorf("%v bits per weight, want 0.5 + 128/N", got)
	}
	w.Sign, w.Seeds, w.Signs = SignPlane, w.Seeds[:1], make([]byte, 64*4096/8)
	if got := bpw(&w); got != 1.5+64.0/(64*4096) {
		t.Errorf("with a plane of signs: %v bits per weight, want 1.5 + 64/N", got)
	}
}
