package packed

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// bytes32 returns v as little-endian bytes, in place where the machine allows.
func bytes32[T uint32 | float32](v []T) []byte {
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	}
	b := make([]byte, 4*len(v))
	for i := range v {
		binary.LittleEndian.PutUint32(b[4*i:], *(*uint32)(unsafe.Pointer(&v[i])))
	}
	return b
}

// view32 returns little-endian bytes as 32-bit values, in place where byte
// order and alignment allow, else as a copy, and nil for no bytes. Odd last
// bytes are left out; the callers check sizes.
func view32[T uint32 | float32](b []byte) []T {
	n := len(b) / 4
	if n == 0 {
		return nil
	}
	if p := unsafe.SliceData(b); littleEndian && uintptr(unsafe.Pointer(p))%4 == 0 {
		return unsafe.Slice((*T)(unsafe.Pointer(p)), n)
	}
	v := make([]T, n)
	for i := range v {
		*(*uint32)(unsafe.Pointer(&v[i])) = binary.LittleEndian.Uint32(b[4*i:])
	}
	return v
}

// finite reports whether x is neither infinite nor NaN.
func finite(x float32) bool { return math.Float32bits(x)&0x7f800000 != 0x7f800000 }
