package cpu

import "github.com/sketchbench/sketchbench/kernels/gemm"

// leaves are the inner loops of one instruction set.
type leaves struct {
	dot  func(x, y []float32) float32
	axpy func(y []float32, a float32, x []float32)
}

// genericLeaves are the portable loops.
var genericLeaves = leaves{dot: dotGeneric, axpy: axpyGeneric}

// leavesOf returns the loops for an instruction set, and whether this build
// and machine have them.
func leavesOf(isa gemm.ISA) (leaves, bool) {
	switch isa {
	case gemm.Generic:
		return genericLeaves, true
	case gemm.AVX2, gemm.AVX512:
		return genericLeaves, true
	}
	return leaves{}, false
}
