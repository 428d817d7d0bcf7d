//go:build !amd64 || noasm

package gemm

// kernels lists the kernels that this machine can run, best first.
func kernels() []*kernel { return []*kernel{&genericKernel} }
