// Package safetensors reads and writes tensors in the safetensors format: an
// 8-byte little-endian header length, a JSON header that gives each tensor's
// type, shape and place, and the data without holes. It reads through a memory
// map and knows checkpoints of several files by their index. It trusts no file
// and holds no arithmetic beyond widening to float32.
package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// A Tensor is a named array. Data holds its values row-major, little-endian;
// from a File it aliases the file's memory, is read-only and ends to be valid
// with Close.
type Tensor struct {
	Name  string
	DType string // F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL
	Shape []int
	Data  []byte
}

// dtypeSize returns the bytes of one value, 0 for types that this package
// does not know.
func dtypeSize(dtype string) int {
	switch dtype {
	case "F64", "I64", "U64":
		return 8
	case "F32", "I32", "U32":
		return 4
	case "F16", "BF16", "I16", "U16":
		return 2
	case "I8", "U8", "BOOL":
		return 1
	}
	return 0
}

// byteSize returns the bytes of an array, or an error for an unknown type, a
// negative dimension or a size beyond an int.
func byteSize(dtype string, shape []int) (int, error) {
	size := dtypeSize(dtype)
	if size == 0 {
		return 0, fmt.Errorf("dtype %q, want one of F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL", dtype)
	}
	empty := false
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape[%d] is %d, want 0 or more", i, d)
		}
		empty = empty || d == 0
	}
	if empty {
		return 0, nil
	}
	n := uint64(size)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("shape %v of %s has more bytes than fit an int", shape, dtype)
		}
		n = lo
	}
	return int(n), nil
}

// Len returns the number of values.
func (t Tensor) Len() int {
	if size := dtypeSize(t.DType); size > 0 {
		return len(t.Data) / size
	}
	return 0
}

// Float32 widens the values of an F32, F16 or BF16 tensor to dst, exactly. It
// is an error if the type is another or dst has not t.Len() values.
func (t Tensor) Float32(dst []float32) error {
	if len(dst) != t.Len() {
		return fmt.Errorf("tensor %q: %d values do not fit a slice of %d", t.Name, t.Len(), len(dst))
	}
	src := t.Data
	switch t.DType {
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i : 4*i+4]))
		}
	case "F16":
		for i := range dst {
			dst[i] = widenF16(binary.LittleEndian.Uint16(src[2*i : 2*i+2]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:2*i+2])) << 16)
		}
	default:
		return fmt.Errorf("tensor %q: dtype %s, want one of F32, F16, BF16", t.Name, t.DType)
	}
	return nil
}

// widenF16 converts a binary16 value: the exponents' biases differ by 112. A
// subnormal m·2^-24 goes through an integer, since arithmetic on float32
// subnormals is slow.
func widenF16(h uint16) float32 {
	sign, m := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case m < 1<<10:
		return math.Float32frombits(sign | math.Float32bits(float32(int32(m))*0x1p-24))
	case m >= 31<<10:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (m<<13 + 112<<23))
}

// FirstNonFinite returns the index of the first NaN or infinity of a floating
// point tensor, in row-major order, and whether there is one.
func (t Tensor) FirstNonFinite() (index int, ok bool) {
	// A value is finite unless all bits of its exponent are set. In each lane
	// of a word, z is the exponent's complement, 0 if not finite; adding the
	// lane's 0x7f… sets its top bit if and only if z > 0.
	var exp, top uint64
	switch t.DType {
	case "F64":
		exp, top = 0x7ff0000000000000, 1<<63
	case "F32":
		exp, top = 0x7f8000007f800000, 0x8000000080000000
	case "F16":
		exp, top = 0x7c007c007c007c00, 0x8000800080008000
	case "BF16":
		exp, top = 0x7f807f807f807f80, 0x8000800080008000
	default:
		return 0, false
	}
	// Lanes' lowest bits, so that top - low is 0x7f… in each lane.
	low := top >> (8*dtypeSize(t.DType) - 1)
	finite := func(x uint64) bool { return ((x&exp^exp)+(top-low))&top == top }

	b, i := t.Data, 0
	for ; len(b)-i >= 8; i += 8 {
		if !finite(binary.LittleEndian.Uint64(b[i : i+8])) {
			break
		}
	}
	size := dtypeSize(t.DType)
	for ; len(b)-i >= size; i += size {
		var v [8]byte
		copy(v[:], b[i:i+size])
		if !finite(binary.LittleEndian.Uint64(v[:])) {
			return i / size, true
		}
	}
	return 0, false
}
