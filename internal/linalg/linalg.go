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
// without gemm, in float64 and on one thread. It is large enough for gemm to
// pay with one side of this size, and small enough for that code to take a few
// hundredths of the time from n = 1024.
const leaf = 64

// A block is the work space of one triangular factorization in place: the
// matrix and what the recursion needs beside it.
//
// Products with many rows are cut into strips, one to a goroutine, that go
// through all of a triangular recursion without waiting for each other. Strips
// depend on sizes alone, not on the number of threads.
type block struct {
	cfg gemm.Config
	one gemm.Config // cfg on one thread
	a   []float32   // n×n
	n   int
	// inv holds the inverses of the lower triangular diagonal blocks, leaf×leaf
	// each with zeros above the diagonal: multiplying by one is a solve.
	inv []float32
	// tmp has leaf values for each row or column of the matrix: copies of
	// panels, leaf wide or high, of strips that share no row or column.
	tmp []float32
}

func newBlock(cfg gemm.Config, a []float32, n int) *block {
	if n < 0 || len(a) != n*n {
		panic(fmt.Sprintf("linalg: matrix of %d values, want %d×%d", len(a), n, n))
	}
	return &block{cfg: cfg, one: gemm.Config{ISA: cfg.ISA, Threads: 1}, a: a, n: n, tmp: make([]float32, leaf*n)}
}

// at returns the matrix from element (r,c) on; its leading dimension is b.n.
func (b *block) at(r, c int) []float32 { return b.a[r*b.n+c:] }

// half returns where the recursion cuts n > leaf rows: near the middle, at a
// multiple of leaf.
func half(n int) int { return (n/2 + leaf - 1) / leaf * leaf }

// strips calls f(i, h) for strips of h rows or columns from i on that make up
// [o, o+m): a quarter each, between one and four leaves.
func (b *block) strips(o, m int, f func(i, h int)) {
	step := min(max((m/4+leaf-1)/leaf, 1), 4) * leaf
	b.cfg.Parallel((m+step-1)/step, func(s int) {
		i := s * step
		f(o+i, min(step, m-i))
	})
}

// save copies the m×n part of the matrix at (r,c), without padding, to the
// part of b.tmp that belongs to row or column at.
func (b *block) save(at, r, c, m, n int) []float32 {
	tmp := b.tmp[at*leaf:][:m*n]
	for i := range m {
		copy(tmp[i*n:(i+1)*n], b.at(r+i, c))
	}
	return tmp
}
