package packed

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Dense is an uncompressed matrix.
type Dense struct {
	Out, In int
	DType   string // F32, F16 or BF16
	// Data holds Out·In little-endian values, row-major. It may alias a
	// memory map.
	Data []byte
}

// Kind returns KindDense.
func (w *Dense) Kind() Kind { return KindDense }

// Dims returns Out and In.
func (w *Dense) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Dense) Bytes() int64 { return int64(len(w.Data)) }

// Parts returns the matrix as one part without a name of its own.
func (w *Dense) Parts() []Part {
	return []Part{{"", ClassDense, w.DType, []int{w.Out, w.In}, w.Data}}
}

// Dequantize widens rows [r0,r1) to dst.
func (w *Dense) Dequantize(dst []float32, r0, r1 int) {
	size := dtypeBytes(w.DType)
	dst = dst[:(r1-r0)*w.In]
	src := w.Data[r0*w.In*size : r1*w.In*size]
	switch w.DType {
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case "F16":
		for i := range dst {
			dst[i] = F16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	default:
		panic(fmt.Sprintf("packed: Dense.DType is %q", w.DType))
	}
}

// Check looks at sizes and type. It does not read the values, which a
// checkpoint may hold by the gigabyte: whoever loads one looks for NaN.
func (w *Dense) Check() error {
	size := dtypeBytes(w.DType)
	if size == 0 {
		return fmt.Errorf("dense: dtype %q, want one of F32, F16, BF16", w.DType)
	}
	if err := checkDims(KindDense, w.Out, w.In); err != nil {
		return err
	}
	return checkLen(KindDense, "bytes", len(w.Data), w.Out, w.In, size)
}

// dtypeBytes returns the size of a value of a Dense type, 0 for others.
func dtypeBytes(dtype string) int {
	switch dtype {
	case "F32":
		return 4
	case "F16", "BF16":
		return 2
	}
	return 0
}

// checkDims reports a size that a matrix cannot have.
func checkDims(k Kind, out, in int) error {
	if out < 1 || in < 1 || out > math.MaxInt32 || in > math.MaxInt32 {
		return fmt.Errorf("%s: dimensions %d×%d, want 1 to %d each", k, out, in, math.MaxInt32)
	}
	return nil
}

// checkLen reports whether got differs from the product of dims, which are
// not negative; the product may exceed an int.
func checkLen(k Kind, what string, got int, dims ...int) error {
	want := uint64(1)
	for _, d := range dims {
		if d != 0 && want > math.MaxInt64/uint64(d) {
			return fmt.Errorf("%s: %s: size %v overflows", k, what, dims)
		}
		want *= uint64(d)
	}
	if uint64(got) != want {
		return fmt.Errorf("%s: %s: %d, want %d", k, what, got, want)
	}
	return nil
}

// checkWidth reports a code width that has no kernels.
func checkWidth(k Kind, bits int) error {
	switch bits {
	case 2, 3, 4, 8:
		return nil
	}
	return fmt.Errorf("%s: bits: %d, want one of 2, 3, 4, 8", k, bits)
}

// checkFinite reports the first infinity or NaN among f16 values.
func checkFinite(k Kind, what string, v []uint16) error {
	for i, h := range v {
		if !finiteF16(h) {
			return fmt.Errorf("%s: %s[%d] is %v, want a finite value", k, what, i, F16ToF32(h))
		}
	}
	return nil
}

// bytesOf sums what the parts hold.
func bytesOf(parts []Part) int64 {
	var n int64
	for _, p := range parts {
		n += int64(len(p.Data))
	}
	return n
}
