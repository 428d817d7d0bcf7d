// Package linalg factors dense float32 matrices: blocked Cholesky, the
// inverse of a triangular matrix, and a truncated singular value
// decomposition. Nearly all arithmetic is done by kernels/gemm, so results
// depend on its instruction set but not on the number of threads. It has no
// pivoting, no general solver and no iterative refinement.
//
// Matrices are row-major without padding. A slice whose length does not fit
// the sizes is a caller's bug and panics; a fault of the mathematics, such as
// a pivot that is not positive, is an error.
package linalg

import (
	"fmt"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// leaf is the size of the diagonal blocks that are factored and inverted
// without gemm, in float64. It is large enough for gemm to pay with one side
// of this size, and small enough for the cubic work in scalar code, n·leaf²/3,
// to stay below a tenth of the whole from n = 1024.
const leaf = 64

// A block is the work space of one triangular factorization in place: the
// matrix and what the recursion needs beside it.
type block struct {
	cfg gemm.Config
	a   []float32 // n×n
	n   int
	// inv holds the inverses of the lower triangular diagonal blocks, leaf×leaf
	// each with zeros above the diagonal: multiplying by one is a solve.
	inv []float32
	tmp []float32 // copy of one leaf-wide or leaf-high panel: leaf·n values
	// l and li are one diagonal block and its inverse.
	l, li [leaf * leaf]float64
}

func newBlock(cfg gemm.Config, a []float32, n int) *block {
	if n < 0 || len(a) != n*n {
		panic(fmt.Sprintf("linalg: matrix of %d values, want %d×%d", len(a), n, n))
	}
	return &block{cfg: cfg, a: a, n: n, tmp: make([]float32, leaf*n)}
}

// at returns the matrix from element (r,c) on; its leading dimension is b.n.
func (b *block) at(r, c int) []float32 { return b.a[r*b.n+c:] }

// half returns where the recursion cuts n > leaf rows: near the middle, at a
// multiple of leaf.
func half(n int) int { return (n/2 + leaf - 1) / leaf * leaf }

// save copies the m×n part of the matrix at (r,c) to b.tmp, without padding.
func (b *block) save(r, c, m, n int) {
	for i := range m {
		copy(b.tmp[i*n:(i+1)*n], b.at(r+i, c))
	}
}
