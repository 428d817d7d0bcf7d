//go:build !noasm

package nf4

import "github.com/sketchbench/sketchbench/kernels/gemm"

//go:generate go -C _gen run . -out ../nearest_amd64.s -stubs ../stubs_amd64.go -pkg nf4

// block is the number of weights that the kernel takes at a time.
const block = 32

// codesFast finds the first codes and returns how many.
func (n *nearest) codesFast(dst []uint8, w []float32) int {
	blocks := len(w) / block
	if blocks == 0 || n.isa != gemm.AVX2 && n.isa != gemm.AVX512 {
		return 0
	}
	codesAVX2(&dst[:len(w)][0], &w[0], blocks, &n.scaled[0], len(n.middles))
	return blocks * block
}
