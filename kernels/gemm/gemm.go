// Package gemm is the project's own packed float32 matrix product for the
// CPU: kernels for AVX-512 and AVX2 made by avo (see _gen) and a portable
// one, chosen at run time. All matrices are row-major with a leading dimension
// (the distance between the starts of two rows). Results do not depend on the
// number of threads, but do depend on the instruction set. It has no
// triangular solve, no other element type and no batched form.
//
// The method is that of Goto and van de Geijn, Anatomy of High-Performance
// Matrix Multiplication (ACM TOMS 34(3), 2008): a block of B is packed for the
// shared cache, a block of A for the second level, and a micro-kernel keeps a
// tile of C in registers.
package gemm

import "fmt"

// Gemm computes C = alpha·op(A)·op(B) + beta·C, where op(A) is m×k, op(B) is
// k×n and C is m×n. With ta, A is stored k×m and op(A) = Aᵀ; with tb, B is
// stored n×k and op(B) = Bᵀ. If beta is 0, C is not read; if alpha or k is 0,
// A and B are not read. C must not overlap A or B.
//
// Two calls with the same row of op(A) and column of op(B) give the same bits
// of that element of C, except that products with at most fewRows rows of A or
// columns of B (ta false and tb true) sum in another order: see multiplyFew.
//
// Gemm panics if a size is negative, a leading dimension is smaller than a
// row, a slice is too short for its matrix, or the machine lacks c.ISA (see
// Resolve).
func (c Config) Gemm(ta, tb bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, cm []float32, ldc int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("gemm: negative size: m %d, n %d, k %d", m, n, k))
	}
	av := newView("A", a, lda, m, k, ta)
	bv := newView("B", b, ldb, n, k, !tb)
	newView("C", cm, ldc, m, n, false)
	if m == 0 || n == 0 {
		return
	}
	p := product{
		m: m, n: n, k: k, a: av, b: bv, c: cm, ldc: ldc,
		alpha: alpha, beta: beta,
	}
	c.multiply(&p)
}

// SyrkLower computes the lower triangle, diagonal included, of the n×n matrix
// C = alpha·op(A)·op(A)ᵀ + beta·C, where op(A) is n×k; with ta, A is stored
// k×n and op(A) = Aᵀ, so that C = alpha·AᵀA + beta·C. What lies above the
// diagonal of C is neither read nor written. Otherwise as Gemm.
func (c Config) SyrkLower(ta bool, n, k int, alpha float32, a []float32, lda int, beta float32, cm []float32, ldc int) {
	if n < 0 || k < 0 {
		panic(fmt.Sprintf("gemm: negative size: n %d, k %d", n, k))
	}
	av := newView("A", a, lda, n, k, ta)
	newView("C", cm, ldc, n, n, false)
	if n == 0 {
		return
	}
	p := product{
		m: n, n: n, k: k, a: av, b: av, c: cm, ldc: ldc,
		alpha: alpha, beta: beta, lower: true,
	}
	c.multiply(&p)
}

// A view is a matrix that is read by rows of length k, whichever way it is
// stored: element (i,p) is data[i*ld+p], or data[p*ld+i] if transposed.
type view struct {
	data       []float32
	ld         int
	transposed bool
}

// newView checks that a rows×k matrix, stored k×rows if transposed, fits.
func newView(name string, data []float32, ld, rows, k int, transposed bool) view {
	r, c := rows, k
	if transposed {
		r, c = k, rows
	}
	if ld < max(c, 1) {
		panic(fmt.Sprintf("gemm: leading dimension of %s is %d, want at least %d", name, ld, max(c, 1)))
	}
	if r > 0 && c > 0 && len(data) < (r-1)*ld+c {
		panic(fmt.Sprintf("gemm: %s has %d values, want at least %d (%d×%d, leading dimension %d)", name, len(data), (r-1)*ld+c, r, c, ld))
	}
	return view{data, ld, transposed}
}
