package cpu

import (
	"fmt"

	"github.com/sketchbench/sketchbench/kernels"
)

// A Buffer is memory of the process.
type Buffer []float32

// Len returns the number of values.
func (b Buffer) Len() int { return len(b) }

// Slice returns values [i,j) of the same memory.
func (b Buffer) Slice(i, j int) kernels.Buffer { return b[i:j:j] }

// NewBuffer returns n zeros.
func (d *Device) NewBuffer(n int) (kernels.Buffer, error) {
	if n < 0 {
		return nil, fmt.Errorf("cpu: buffer of %d values", n)
	}
	return make(Buffer, n), nil
}

// Write copies src to the start of dst.
func (d *Device) Write(dst kernels.Buffer, src []float32) {
	copy(first(dst, len(src)), src)
}

// Read copies the first len(dst) values of src.
func (d *Device) Read(dst []float32, src kernels.Buffer) {
	copy(dst, first(src, len(dst)))
}

// Copy copies the first n values of src to dst.
func (d *Device) Copy(dst, src kernels.Buffer, n int) {
	copy(first(dst, n), first(src, n))
}

// first returns the first n values of a buffer of this package; it panics if
// there are fewer.
func first(b kernels.Buffer, n int) []float32 {
	v := b.(Buffer)
	return v[:n:n]
}
