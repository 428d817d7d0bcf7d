// Package gemm is the project's own packed float32 matrix product for the
// CPU: kernels for AVX-512 and AVX2 made by avo (see _gen) and a portable
// one, chosen at run time. Results do not depend on the number of threads.
package gemm

// An ISA names an instruction set that a kernel needs.
type ISA string

// The instruction sets with a kernel. Auto is the best one of this machine.
const (
	Auto    ISA = ""
	Generic ISA = "generic"
	AVX2    ISA = "avx2"
	AVX512  ISA = "avx512"
)

// A Config says how to compute. The zero value uses the best instruction set
// and all of GOMAXPROCS.
type Config struct {
	ISA     ISA
	Threads int // 0 is GOMAXPROCS
}
