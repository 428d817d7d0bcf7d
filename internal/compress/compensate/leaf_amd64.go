//go:build !noasm

package compensate

import "github.com/sketchbench/sketchbench/kernels/gemm"

//go:generate go -C _gen run . -out ../leaf_amd64.s -stubs ../stubs_amd64.go -pkg compensate

// moveFast is moveErrors for the first rows, and returns how many.
func (p *pass) moveFast(k, n int, u []float32) int {
	if p.cfg.ISA != gemm.AVX2 && p.cfg.ISA != gemm.AVX512 || n < 8 {
		return 0
	}
	moveAVX2(&p.t[k][0], &p.values[0], &u[0], len(u), n/8)
	return n / 8 * 8
}
