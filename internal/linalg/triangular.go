package linalg

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// InvertUpper replaces the upper triangular n×n matrix R by its inverse, which
// is upper triangular too. What lies below the diagonal of r is not read and
// set to zero. The error names the first diagonal entry, counted from 0, that
// is zero or not finite, and its value; of r, only the part below the diagonal
// has then changed.
//
// With R in halves, R⁻¹ = [U11, −U11·R12·U22; 0, U22], U11 and U22 being the
// inverses of the diagonal halves.
func InvertUpper(cfg gemm.Config, r []float32, n int) error {
	b := newBlock(cfg, r, n)
	for i := range n {
		clear(r[i*n : i*n+i])
	}
	for i := range n {
		if d := float64(r[i*n+i]); d == 0 || math.IsNaN(d) || math.IsInf(d, 0) {
			return fmt.Errorf("linalg: triangular matrix is singular: diagonal entry %d is %v, want a finite number other than 0", i, d)
		}
	}
	if n > 0 {
		b.invert(0, n)
	}
	return nil
}

// invert inverts the n×n diagonal block at o.
func (b *block) invert(o, n int) {
	if n <= leaf {
		b.invertUpperLeaf(o, n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.invert(o, n1)
	b.invert(o+n1, n2)
	b.mulLeft(o, n1, o+n1, n2)
	b.mulRight(o, n1, o+n1, n2)
	for i := range n1 {
		row := b.at(o+i, o+n1)[:n2]
		for j := range row {
			row[j] = -row[j]
		}
	}
}

// mulLeft computes X = T·X for the n×m part X at (o,c) and the n×n upper
// triangular diagonal block T at o.
func (b *block) mulLeft(o, n, c, m int) {
	if n <= leaf {
		b.save(o, c, n, m)
		b.cfg.Gemm(false, false, n, m, n, 1, b.at(o, o), b.n, b.tmp, m, 0, b.at(o, c), b.n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.mulLeft(o, n1, c, m)
	b.cfg.Gemm(false, false, n1, m, n2, 1, b.at(o, o+n1), b.n, b.at(o+n1, c), b.n, 1, b.at(o, c), b.n)
	b.mulLeft(o+n1, n2, c, m)
}

// mulRight computes X = X·T for the m×n part X at (r,o) and the n×n upper
// triangular diagonal block T at o.
func (b *block) mulRight(r, m, o, n int) {
	if n <= leaf {
		b.save(r, o, m, n)
		b.cfg.Gemm(false, false, m, n, n, 1, b.tmp, n, b.at(o, o), b.n, 0, b.at(r, o), b.n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.mulRight(r, m, o+n1, n2)
	b.cfg.Gemm(false, false, m, n2, n1, 1, b.at(r, o), b.n, b.at(o, o+n1), b.n, 1, b.at(r, o+n1), b.n)
	b.mulRight(r, m, o, n1)
}

// invertUpperLeaf inverts the upper triangular diagonal block at o, n ≤ leaf,
// in float64, through its transpose.
func (b *block) invertUpperLeaf(o, n int) {
	for i := range n {
		for j, v := range b.at(o+i, o+i)[:n-i] {
			b.l[(i+j)*leaf+i] = float64(v)
		}
	}
	b.invertLeaf(n)
	for i := range n {
		row := b.at(o+i, o+i)[:n-i]
		for j := range row {
			row[j] = float32(b.li[(i+j)*leaf+i])
		}
	}
}
