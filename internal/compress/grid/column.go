package grid

import (
	"math"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Column rounds weights that have a grid each, such as those of a column:
// codes[i] becomes min(max(round(w[i]/scale[i]) + zero[i], 0), top), half to
// even, and values[i] the level of that code. Scales are above 0, zeros
// integers in [0,top], and all slices as long as w. The quotient is rounded to
// float32 first, so that Code may choose the other neighbour of a weight within
// 2^-24 of the middle of two levels. The instruction set, which the machine must
// have, changes nothing.
func Column(isa gemm.ISA, codes []uint8, values, w, scale, zero []float32, top float32) {
	codes, values, scale, zero = codes[:len(w)], values[:len(w)], scale[:len(w)], zero[:len(w)]
	for i := columnFast(isa, codes, values, w, scale, zero, top); i < len(w); i++ {
		q := float32(math.RoundToEven(float64(w[i]/scale[i]))) + zero[i]
		q = min(max(q, 0), top)
		codes[i], values[i] = uint8(q), scale[i]*(q-zero[i])
	}
}
