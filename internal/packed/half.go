package packed

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// F16ToF32 widens an IEEE 754 binary16 value. The result is exact; a NaN keeps
// its payload.
func F16ToF32(h uint16) float32 {
	sign, m := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case m < 1<<10:
		// A subnormal m·2^-24 goes through an integer, since arithmetic on
		// float32 subnormals is slow.
		return math.Float32frombits(sign | math.Float32bits(float32(int32(m))*0x1p-24))
	case m >= 31<<10:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (m<<13 + 112<<23)) // the exponents' biases differ by 112
}

// F32ToF16 rounds to the nearest binary16 value, ties to even. Magnitudes of
// 65520 and above give infinity; a NaN stays a NaN and becomes quiet.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, a := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case a > 0x7f800000:
		return sign | 0x7e00 | uint16(a>>13)&0x1ff
	case a >= 0x477ff000: // 65520, halfway between 65504 and 2^16
		return sign | 0x7c00
	case a < 113<<23: // below 2^-14: the result is subnormal or 2^-14
		// Adding 2^-1 leaves a multiple of 2^-24 in the mantissa, rounded
		// to nearest even by the addition itself.
		return sign | uint16(math.Float32bits(math.Float32frombits(a)+0.5)-0x3f000000)
	}
	a += 0xfff + a>>13&1
	return sign | uint16((a-112<<23)>>13)
}

// F32ToF16TowardZero rounds to the binary16 value of next smaller or equal
// magnitude. Finite magnitudes above 65504 give 65504; infinities stay; a NaN
// stays a NaN and becomes quiet.
func F32ToF16TowardZero(f float32) uint16 {
	b := math.Float32bits(f)
	sign, a := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case a > 0x7f800000:
		return sign | 0x7e00 | uint16(a>>13)&0x1ff
	case a == 0x7f800000:
		return sign | 0x7c00
	case a >= 0x477fe000:
		return sign | 0x7bff
	case a < 113<<23: // a multiple of 2^-24 below 2^-14: scaling is exact
		return sign | uint16(math.Float32frombits(a)*0x1p24)
	}
	return sign | uint16((a-112<<23)>>13)
}

// BF16ToF32 widens a bfloat16 value, exactly.
func BF16ToF32(h uint16) float32 {
	return math.Float32frombits(uint32(h) << 16)
}

// F32ToBF16 rounds to the nearest bfloat16 value, ties to even. A NaN stays a
// NaN and becomes quiet.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// finiteF16 reports whether h is neither infinite nor NaN.
func finiteF16(h uint16) bool { return h&0x7c00 != 0x7c00 }

// littleEndian says whether this machine stores numbers as files do, so that
// stored arrays can be used in place.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bytes16 returns v as little-endian bytes, in place where the machine allows.
func bytes16(v []uint16) []byte {
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
	}
	b := make([]byte, 2*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint16(b[2*i:], x)
	}
	return b
}

// view16 returns little-endian bytes as 16-bit values, in place where byte
// order and alignment allow, else as a copy. An odd last byte is left out;
// the callers check sizes.
func view16(b []byte) []uint16 {
	n := len(b) / 2
	if p := unsafe.SliceData(b); littleEndian && uintptr(unsafe.Pointer(p))%2 == 0 {
		return unsafe.Slice((*uint16)(unsafe.Pointer(p)), n)
	}
	v := make([]uint16, n)
	for i := range v {
		v[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return v
}
