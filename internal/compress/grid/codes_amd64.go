//go:build !noasm

package grid

import "github.com/sketchbench/sketchbench/kernels/gemm"

//go:generate go -C _gen run . -out ../grid_amd64.s -stubs ../stubs_amd64.go -pkg grid

// block is the number of weights that the kernels take at a time.
const block = 16

// hasAVX2 reports whether a machine with isa has AVX2.
func hasAVX2(isa gemm.ISA) bool { return isa == gemm.AVX2 || isa == gemm.AVX512 }

// codesFast computes the first codes and returns how many.
func (g Grid) codesFast(isa gemm.ISA, dst []uint8, w []float32) int {
	blocks := len(w) / block
	if blocks == 0 || !hasAVX2(isa) {
		return 0
	}
	codesAVX2(&dst[0], &w[0], blocks, 1/g.Scale, snap, int32(g.Zero), uint8(g.Max))
	return blocks * block
}

// extremesFast takes the first n weights and returns the largest of 0 and
// their bit patterns.
func extremesFast(isa gemm.ISA, w []float32) (n int, up int32, down uint32) {
	blocks := len(w) / block
	if blocks == 0 || !hasAVX2(isa) {
		return 0, 0, 0
	}
	up, down = extremesAVX2(&w[0], blocks)
	return blocks * block, up, down
}

// columnFast rounds the first weights and returns how many.
func columnFast(isa gemm.ISA, codes []uint8, values, w, scale, zero []float32, top float32) int {
	eights := len(w) / 8
	if eights == 0 || !hasAVX2(isa) {
		return 0
	}
	columnAVX2(&codes[0], &values[0], &w[0], &scale[0], &zero[0], eights, top)
	return 8 * eights
}
