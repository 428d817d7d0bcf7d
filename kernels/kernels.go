// Package kernels states the operations that a device must provide to run a
// transformer on packed weights. kernels/cpu implements them; kernels/kerneltest
// holds the tests that every implementation must pass. It holds no arithmetic
// of its own.
//
// Letters: t tokens, out and in the channel counts of a matrix, all matrices
// row-major. A size that does not fit panics: it is a caller's bug.
package kernels

import "github.com/sketchbench/sketchbench/internal/packed"

// A Buffer is device memory that holds float32 values. It belongs to the
// device that made it.
type Buffer interface {
	// Len returns the number of values.
	Len() int
	// Slice returns values [i,j) of the same memory.
	Slice(i, j int) Buffer
}

// A Matrix is a packed weight as a device holds it.
type Matrix interface {
	// Dims returns the output and input channel counts.
	Dims() (out, in int)
	// DeviceBytes returns the bytes that the device keeps for it, memory
	// shared with the packed weight included.
	DeviceBytes() int64
}

// A Device runs kernels.
type Device interface {
	// Name identifies the device in records, such as "cpu/avx2".
	Name() string
	// NewBuffer returns n zeros.
	NewBuffer(n int) (Buffer, error)
	// Write copies src to the start of dst.
	Write(dst Buffer, src []float32)
	// Read copies the first len(dst) values of src.
	Read(dst []float32, src Buffer)
	// Copy copies the first n values of src to dst.
	Copy(dst, src Buffer, n int)
	// Upload makes w ready for Mul and Embed. The device may repack it or
	// keep it as it is; w must not change afterwards.
	Upload(w packed.Weight) (Matrix, error)

	// Mul computes Y = X·Ŵᵀ: X is t×in, Y is t×out.
	Mul(y, x Buffer, t int, w Matrix)
	// Embed sets row i of Y (len(ids)×in) to row ids[i] of Ŵ.
	Embed(y Buffer, ids []int, w Matrix)
	// RMSNorm sets each row y of Y to x·gain/√(mean(x²)+eps); X and Y are
	// t×d with d = gain.Len(), and may be the same buffer.
	RMSNorm(y, x, gain Buffer, t int, eps float32)
	// RoPE rotates X, t rows of heads×headDim, in place. Row i stands at
	// position pos+i; the pair (j, j+headDim/2) of a head turns by
	// (pos+i)·invFreq[j], j < headDim/2 = len(invFreq): the rotate-half form
	// of Hugging Face checkpoints.
	RoPE(x Buffer, t, heads, headDim, pos int, invFreq []float64)
	// Attention computes causal softmax attention for t queries at positions
	// pos..pos+t-1. Q and Y are t×heads×headDim; K and V hold positions
	// 0..pos+t-1 as rows of kvHeads×headDim. Query head h reads key-value
	// head h/(heads/kvHeads). Scores are scaled by 1/√headDim.
	Attention(y, q, k, v Buffer, t, pos, heads, kvHeads, headDim int)
	// SwiGLU sets y[i] = silu(gate[i])·up[i] for the first n values, with
	// silu(z) = z/(1+e^-z); y may be gate or up.
	SwiGLU(y, gate, up Buffer, n int)
	// Add adds the first n values of x to y.
	Add(y, x Buffer, n int)
	// Gram adds XᵀX to H (d×d); X is t×d. Both triangles are kept.
	Gram(h, x Buffer, t, d int)

	// Sync waits for the device and reports an error of the work before it.
	Sync() error
	// Close releases the device.
	Close() error
}

// A Prober is a Device that can be driven to its limits: what its products are
// held against (protocol.md 2.9). Whoever calls it keeps the time.
type Prober interface {
	Device
	// Stream reads the first n values of b once, in order, with all threads
	// and nothing but loads and additions, and returns their sum.
	Stream(b Buffer, n int) float32
	// MultiplyAdd makes n multiply-adds in each of as many independent lanes
	// of registers as keep the arithmetic units of all threads busy, and
	// returns the number of floating-point operations, two for each.
	MultiplyAdd(n int) (flops float64)
}
