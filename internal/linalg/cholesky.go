package linalg

import (
	"fmt"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// UpperFactor replaces the symmetric positive definite n×n matrix H by the
// upper triangular R with H = R·Rᵀ and a positive diagonal: the Cholesky
// factorization that starts at the last column. With U = R⁻¹ (InvertUpper),
// H⁻¹ = Uᵀ·U, so U is the upper Cholesky factor of the inverse, at half the
// cost of forming the inverse and factoring it (methods.md 2.2). Only the
// upper triangle of h is read; the strictly lower part is set to zero. The
// error names the first pivot that is not a positive finite number, by index
// from 0, and its value; the first to be reached is the last one by index. After
// an error the strictly lower part is as it was, so that it can stand for the
// upper one of the symmetric matrix in another attempt.
func UpperFactor(cfg gemm.Config, h []float32, n int) error {
	// Reversing the order of rows and of columns makes the last column the
	// first, turns lower into upper, and is a reversal of the whole slice.
	reverse(cfg, h)
	if i, pivot := cholesky(cfg, h, n); i >= 0 {
		reverse(cfg, h)
		return pivotError(n-1-i, pivot)
	}
	reverse(cfg, h)
	return nil
}

func pivotError(i int, pivot float64) error {
	return fmt.Errorf("linalg: matrix is not positive definite: pivot %d is %.6g, want a positive number", i, pivot)
}

// reverse reverses the order of the values of a.
func reverse(cfg gemm.Config, a []float32) {
	const chunk = 1 << 16
	pairs := len(a) / 2
	cfg.Parallel((pairs+chunk-1)/chunk, func(t int) {
		lo, hi := t*chunk, min((t+1)*chunk, pairs)
		head, tail := a[lo:hi], a[len(a)-hi:len(a)-lo]
		for i := range head {
			j := len(tail) - 1 - i
			head[i], tail[j] = tail[j], head[i]
		}
	})
}

// cholesky replaces the symmetric positive definite n×n matrix A by its lower
// triangular factor L, A = L·Lᵀ with a positive diagonal. Only the lower
// triangle of a is read; the strictly upper part is set to zero. It returns the
// index and value of the first pivot that is not a positive finite number, where
// a is partly overwritten, or index -1.
//
// The matrix is halved recursively (Gustavson, "Recursion leads to automatic
// variable blocking", IBM J. Res. Dev. 41(6), 1997), so that most products are
// as deep as they are wide.
func cholesky(cfg gemm.Config, a []float32, n int) (int, float64) {
	b := newBlock(cfg, a, n)
	b.inv = make([]float32, (n+leaf-1)/leaf*leaf*leaf)
	if i, pivot := b.factor(new(leafWork), 0, n); i >= 0 {
		return i, pivot
	}
	for r := range n {
		clear(a[r*n+r+1 : (r+1)*n])
	}
	return -1, 0
}

// factor factors the n×n diagonal block at o, of which the earlier columns
// have been eliminated:
//
//	L11 = chol(A11), L21 = A21·L11⁻ᵀ, L22 = chol(A22 − L21·L21ᵀ).
func (b *block) factor(w *leafWork, o, n int) (int, float64) {
	if n <= leaf {
		return b.factorLeaf(w, o, n)
	}
	n1 := half(n)
	n2 := n - n1
	if i, pivot := b.factor(w, o, n1); i >= 0 {
		return i, pivot
	}
	b.strips(o+n1, n2, func(r, m int) { b.solve(r, m, o, n1) })
	cfg := b.cfg
	if n2 <= 2*leaf {
		cfg = b.one
	}
	cfg.SyrkLower(false, n2, n1, -1, b.at(o+n1, o), b.n, 1, b.at(o+n1, o+n1), b.n)
	return b.factor(w, o+n1, n2)
}

// solve computes B = B·L⁻ᵀ for the m×n part B at (r,o) and the factored n×n
// diagonal block L at o.
func (b *block) solve(r, m, o, n int) {
	if n <= leaf {
		tmp := b.save(r, r, o, m, n)
		b.one.Gemm(false, true, m, n, n, 1, tmp, n, b.inv[o*leaf:], leaf, 0, b.at(r, o), b.n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.solve(r, m, o, n1)
	b.one.Gemm(false, true, m, n2, n1, -1, b.at(r, o), b.n, b.at(o+n1, o), b.n, 1, b.at(r, o+n1), b.n)
	b.solve(r, m, o+n1, n2)
}

// factorLeaf factors the diagonal block at o, n ≤ leaf, and keeps the inverse
// of its factor in b.inv. It computes in float64, so that only the products of
// gemm add float32 rounding.
func (b *block) factorLeaf(w *leafWork, o, n int) (int, float64) {
	for i := range n {
		for j, v := range b.at(o+i, o)[:i+1] {
			w.l[i*leaf+j] = float64(v)
		}
	}
	w.pad(n)
	if i, pivot := w.factor(n); i >= 0 {
		return o + i, pivot
	}
	w.invert(n)
	for i := range n {
		row, inv := b.at(o+i, o)[:i+1], b.inv[(o+i)*leaf:]
		for j := range row {
			row[j] = float32(w.l[i*leaf+j])
			inv[j] = float32(w.inv[j*leaf+i])
		}
	}
	return -1, 0
}
