//go:build !noasm

package gemm

import "golang.org/x/sys/cpu"

//go:generate go -C _gen run . -out ../gemm_amd64.s -stubs ../stubs_amd64.go -pkg gemm

// Block sizes: a panel of B fills half of 32 KiB (AVX2 machines) or two thirds
// of 48 KiB (AVX-512 machines) of first-level cache, a block of A half of 512
// KiB or less of the second level.

var avx2Kernel = kernel{
	isa: AVX2, mr: 6, nr: 16, mc: 192, kc: 256, nc: 2048,
	tile: tileAVX2, transpose: transposeAVX2, dots: dotsAVX2,
}

var avx512Kernel = kernel{
	isa: AVX512, mr: 12, nr: 32, mc: 240, kc: 256, nc: 2048,
	tile: tileAVX512, transpose: transposeAVX2, dots: dotsAVX512,
}

// kernels lists the kernels that this machine can run, best first. The
// features include the operating system's support of the registers.
func kernels() []*kernel {
	var list []*kernel
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		if cpu.X86.HasAVX512F {
			list = append(list, &avx512Kernel)
		}
		list = append(list, &avx2Kernel)
	}
	return append(list, &genericKernel)
}

// transposeAVX2 is transposeGeneric, faster.
func transposeAVX2(dst []float32, stride int, src []float32, ld, count, k int) {
	blocks := k / 8
	_ = dst[(k-1)*stride+count-1]
	_ = src[(count-1)*ld+k-1]
	i := 0
	for blocks > 0 && count-i >= 4 {
		d, s := &dst[i], &src[i*ld]
		switch rest := count - i; {
		case rest >= 8:
			transpose8AVX2(d, stride, s, ld, blocks)
			i += 8
		case rest >= 6:
			transpose6AVX2(d, stride, s, ld, blocks)
			i += 6
		default:
			transpose4AVX2(d, stride, s, ld, blocks)
			i += 4
		}
	}
	if p := 8 * blocks; p < k {
		transposeGeneric(dst[p*stride:], stride, src[p:], ld, i, k-p)
	}
	if i < count {
		transposeGeneric(dst[i:], stride, src[i*ld:], ld, count-i, k)
	}
}
