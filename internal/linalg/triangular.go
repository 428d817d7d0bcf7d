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

// alone is the size up to which diagonal blocks are inverted on one thread
// each, side by side.
const alone = 512

// invert inverts the n×n diagonal block at o: first its parts of at most alone
// rows, each by one goroutine, then what lies between them, in strips.
func (b *block) invert(o, n int) {
	var parts [][2]int
	var list func(o, n int)
	list = func(o, n int) {
		if n <= alone {
			parts = append(parts, [2]int{o, n})
			return
		}
		list(o, half(n))
		list(o+half(n), n-half(n))
	}
	list(o, n)
	b.cfg.Parallel(len(parts), func(i int) { b.invertAlone(new(leafWork), parts[i][0], parts[i][1]) })
	b.join(o, n)
}

// join inverts the n×n diagonal block at o, of which the diagonal parts of at
// most alone rows are inverted.
func (b *block) join(o, n int) {
	if n <= alone {
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.join(o, n1)
	b.join(o+n1, n2)
	b.strips(o+n1, n2, func(c, m int) { b.mulLeft(o, n1, c, m) })
	b.strips(o, n1, func(r, m int) { b.mulRight(r, m, o+n1, n2) })
}

// invertAlone inverts the n×n diagonal block at o on one thread.
func (b *block) invertAlone(w *leafWork, o, n int) {
	if n <= leaf {
		b.invertUpperLeaf(w, o, n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.invertAlone(w, o, n1)
	b.invertAlone(w, o+n1, n2)
	b.mulLeft(o, n1, o+n1, n2)
	b.mulRight(o, n1, o+n1, n2)
}

// mulLeft computes X = −T·X for the n×m part X at (o,c) and the n×n upper
// triangular diagonal block T at o.
func (b *block) mulLeft(o, n, c, m int) {
	if n <= leaf {
		tmp := b.save(c, o, c, n, m)
		b.one.Gemm(false, false, n, m, n, -1, b.at(o, o), b.n, tmp, m, 0, b.at(o, c), b.n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.mulLeft(o, n1, c, m)
	b.one.Gemm(false, false, n1, m, n2, -1, b.at(o, o+n1), b.n, b.at(o+n1, c), b.n, 1, b.at(o, c), b.n)
	b.mulLeft(o+n1, n2, c, m)
}

// mulRight computes X = X·T for the m×n part X at (r,o) and the n×n upper
// triangular diagonal block T at o.
func (b *block) mulRight(r, m, o, n int) {
	if n <= leaf {
		tmp := b.save(r, r, o, m, n)
		b.one.Gemm(false, false, m, n, n, 1, tmp, n, b.at(o, o), b.n, 0, b.at(r, o), b.n)
		return
	}
	n1 := half(n)
	n2 := n - n1
	b.mulRight(r, m, o+n1, n2)
	b.one.Gemm(false, false, m, n2, n1, 1, b.at(r, o), b.n, b.at(o, o+n1), b.n, 1, b.at(r, o+n1), b.n)
	b.mulRight(r, m, o, n1)
}

// invertUpperLeaf inverts the upper triangular diagonal block at o, n ≤ leaf,
// in float64, through its transpose.
func (b *block) invertUpperLeaf(w *leafWork, o, n int) {
	for i := range n {
		for j, v := range b.at(o+i, o+i)[:n-i] {
			w.l[(i+j)*leaf+i] = float64(v)
		}
	}
	w.pad(n)
	w.invert(n)
	for i := range n {
		for j, v := range w.inv[i*leaf+i : i*leaf+n] {
			b.at(o+i, o+i)[j] = float32(v)
		}
	}
}
