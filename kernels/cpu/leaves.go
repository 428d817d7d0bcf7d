package cpu

import "github.com/sketchbench/sketchbench/kernels/gemm"

// leaves are the inner loops of one instruction set. Those that are nil or
// missing are done by decoding rows, see mulDecoded.
type leaves struct {
	dot  func(x, y []float32) float32
	axpy func(y []float32, a float32, x []float32)
	// lanes is the number of values that maxOf, expSum and siluMul take at a
	// time; 0 where the portable loops do it all.
	lanes   int
	maxOf   func(x *float32, n int) float32
	expSum  func(x *float32, n int, top float32) float64
	siluMul func(y, gate, up *float32, n int)
	// dense multiplies a row of a Dense matrix by x, by type of the row.
	dense map[string]func(w *byte, x []float32) float32
	// grid and codebook hold kernels by width of a code, widest vectors first.
	grid     [9][]gridKernel
	codebook [9][]codebookKernel
	// levels holds kernels by width of a code.
	levels [9]levelsRow
	// compete is competeMagnitude for a multiple of 4 weights.
	compete func(best *uint32, n int, cells *uint16, size, address, seed uint64, left uint32)
	// cellValues sets values of reading A for a multiple of 8 weights.
	cellValues func(dst *float32, best *uint32, n int)
	// largestOf is the function of that name for a multiple of 8 columns.
	largestOf func(dst *float32, stride, rows, n int, values *float32, offsets *uint32, count int)
	// widen and unpack convert f16 values and codes; see widenF16AVX2 and
	// unpackAVX2.
	widen  func(dst *float32, src *uint16, n int)
	unpack func(dst *float32, src *byte, n, bits int)
	// read sums values, and steps makes n multiply-adds in each of so many
	// independent lanes; see Stream and MultiplyAdd.
	read   func(x []float32) float32
	steps  func(n int) float32
	chains int
}

// genericLeaves are the portable loops.
var genericLeaves = leaves{dot: dotGeneric, axpy: axpyGeneric, read: readGeneric, steps: stepsGeneric, chains: genericChains}

// leavesOf returns the loops for an instruction set, and whether this build
// and machine have them.
func leavesOf(isa gemm.ISA) (leaves, bool) {
	switch {
	case isa == gemm.Generic:
		return genericLeaves, true
	case isa == gemm.AVX2 && haveAVX2:
		return leavesAVX2, true
	case isa == gemm.AVX512 && haveAVX512:
		return leavesAVX512, true
	}
	return leaves{}, false
}
