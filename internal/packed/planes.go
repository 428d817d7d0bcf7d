package packed

import (
	"encoding/binary"
	"math/bits"
)

// Planes are streams of single bits, packed as PackRow packs codes of one
// bit, that run on from row to row: n bits take ⌈n/8⌉ bytes, and at most 7
// bits of a whole plane are padding.

// PlaneBytes returns the bytes of a plane of n bits.
func PlaneBytes(n int) int { return RowBytes(n, 1) }

// Window returns 32 bits of a plane or stream from bit i on, the first one
// lowest. Bits behind its end are zero.
func Window(plane []byte, i int) uint32 {
	k := i >> 3
	if k+8 <= len(plane) {
		return uint32(binary.LittleEndian.Uint64(plane[k:]) >> (i & 7))
	}
	var last [8]byte
	copy(last[:], plane[min(k, len(plane)):])
	return uint32(binary.LittleEndian.Uint64(last[:]) >> (i & 7))
}

// SetBits writes the low n ≤ 25 bits of v at bit i of a stream whose bits are
// still zero there.
func SetBits(stream []byte, i, n int, v uint32) {
	v = v & (1<<n - 1) << (i & 7)
	for k := i >> 3; v != 0; k++ {
		stream[k] |= byte(v)
		v >>= 8
	}
}

// spread moves bit k of b to bit 8k.
func spread(b uint8) uint64 {
	const ones = 0x0101010101010101
	v := uint64(b) * ones & 0x8040201008040201
	return (v + 0x7f*ones) >> 7 & ones
}

// countBits returns the number of ones among bits [i,j) of a plane.
func countBits(plane []byte, i, j int) int {
	n := 0
	for ; i < j; i += 32 {
		v := Window(plane, i)
		if j-i < 32 {
			v &= 1<<(j-i) - 1
		}
		n += bits.OnesCount32(v)
	}
	return n
}

// checkPlane reports a plane that has not the bytes of rows·width bits.
func checkPlane(k Kind, what string, plane []byte, rows, width int) error {
	// Both are at most 2^31-1, so that their product fits.
	return checkLen(k, "bytes of "+what, len(plane), PlaneBytes(rows*width))
}
