package packed

import (
	"encoding/binary"
	"math/rand/v2"
)

// The functions of this file draw what weights are made of where only sizes
// and layout matter, such as for timing a kernel: fast, and with values that
// no kernel treats specially.

// RandomCodes returns rows of n uniform codes each, packed as by PackRow.
func RandomCodes(rng *rand.Rand, rows, n, bits int) []byte {
	rb := RowBytes(n, bits)
	b := make([]byte, rows*rb)
	fill(rng, b, ^uint64(0), 0)
	if used := n * bits % 8; used > 0 {
		for r := range rows {
			b[(r+1)*rb-1] &= 1<<used - 1
		}
	}
	return b
}

// RandomF16 returns n f16 values of either sign with magnitudes in [1/16, 1/8).
func RandomF16(rng *rand.Rand, n int) []uint16 {
	v := make([]uint16, n)
	var four [8]byte
	for i := range v {
		if i%4 == 0 {
			fill(rng, four[:], 0x83ff, 0x2c00)
		}
		v[i] = binary.LittleEndian.Uint16(four[i%4*2:])
	}
	return v
}

// RandomBF16 returns n little-endian bf16 values of either sign with magnitudes
// in [1/16, 1/8).
func RandomBF16(rng *rand.Rand, n int) []byte {
	b := make([]byte, 2*n)
	fill(rng, b, 0x807f, 0x3d80)
	return b
}

// fill draws 16 bits at a time and replaces those outside keep by set.
func fill(rng *rand.Rand, b []byte, keep, set uint64) {
	const ones = 0x0001000100010001
	if keep < 1<<16 {
		keep, set = keep*ones, set*ones
	}
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, rng.Uint64()&keep|set)
	}
	if len(b) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], rng.Uint64()&keep|set)
		copy(b, last[:])
	}
}

// RandomBinary fills the planes, patterns and scalars of a Binary matrix of
// which the sizes are given.
func RandomBinary(rng *rand.Rand, shape Binary) *Binary {
	w := &shape
	plane := func() []byte { return RandomCodes(rng, 1, w.Out*w.Kept(), 1) }
	w.Minus, w.Low, w.Salient = plane(), plane(), RandomCodes(rng, 1, w.In, 1)
	if w.Regions > 2 {
		w.High = plane()
	}
	if row := w.MaskBits(); w.Keep < PatternWidth {
		w.Mask = make([]byte, PlaneBytes(w.Out*row))
		l := layoutOf(w.In, w.Keep)
		most := uint32(len(Patterns(PatternWidth, w.Keep)))
		for i := range w.Out * l.whole {
			SetBits(w.Mask, i/l.whole*row+i%l.whole*l.bits, l.bits, rng.Uint32N(most))
		}
	}
	w.Scalars = RandomF16(rng, w.Out*w.Blocks()*w.RowScalars())
	return w
}
