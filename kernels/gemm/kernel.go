package gemm

// A kernel is a micro-kernel with the block sizes that suit it.
type kernel struct {
	isa    ISA
	mr, nr int // size of the tile of C that tile computes
	// Block sizes in elements. A panel of B, kc×nr, stays in the first-level
	// cache while the panels of a block of A, mc×kc, pass by from the second;
	// a block of B, kc×nc, stays in the third. mc is a multiple of mr, nc of nr.
	mc, kc, nc int
	// tile computes the mr×nr tile C = alpha·A·B + beta·C from packed panels
	// as tileGeneric does. If beta is 0, C is not read. The sum over k is made
	// in rising order, one accumulator for each element.
	tile func(k int, a, b, c *float32, ldc int, alpha, beta float32)
	// transpose packs count rows of src, ld apart, as dst[p*stride+i] =
	// src[i*ld+p] for p < k.
	transpose func(dst []float32, stride int, src []float32, ld, count, k int)
	// dots sets dst[j] = Σ_p x[p]·y[j*ld+p] for j < dotRows.
	dots func(k int, x, y *float32, ld int, dst *[dotRows]float32)
}

// dotRows is the number of rows that kernel.dots takes at a time.
const dotRows = 4

// The largest tile of any kernel.
const maxTile = 12 * 32

var genericKernel = kernel{
	isa: Generic, mr: 4, nr: 4, mc: 128, kc: 256, nc: 2048,
	tile: tileGeneric, transpose: transposeGeneric, dots: dotsGeneric,
}
