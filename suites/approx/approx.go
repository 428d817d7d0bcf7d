// Package approx measures how far a compressed matrix is from the original:
// in its entries, weighted by the second moments of its inputs, and in its
// outputs on given inputs (protocol.md 2.7); and how near the tables of a
// compressed matrix, or low rank, can come to an update of the weights. It
// returns squared sums, so that ratios over one matrix or many are formed when
// records are read.
package approx

import (
	"fmt"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A Distance is a squared error and what it is relative to.
type Distance struct{ ErrSq, RefSq float64 }

// blockRows is how many rows of the matrices are expanded at once.
const blockRows = 128

// Weights returns ‖W-Ŵ‖²F and ‖W‖²F. Both are out×in.
func Weights(w, what packed.Weight) (Distance, error) {
	var d Distance
	err := eachBlock(w, what, func(b block) {
		d.ErrSq += sumSq(b.diff)
		d.RefSq += sumSq(b.w)
	})
	return d, err
}

// Hessian returns tr((W-Ŵ)H(W-Ŵ)ᵀ) and tr(WHWᵀ) for H of in×in.
func Hessian(cfg gemm.Config, w, what packed.Weight, h []float32) (Distance, error) {
	_, in := w.Dims()
	if len(h) != in*in {
		panic(fmt.Sprintf("approx: H has %d values, want %d×%d", len(h), in, in))
	}
	var d Distance
	prod := make([]float32, blockRows*in)
	quad := func(a []float32, rows int) float64 {
		cfg.Gemm(false, false, rows, in, in, 1, a, in, h, in, 0, prod, in)
		var s float64
		for i, v := range a {
			s += float64(v) * float64(prod[i])
		}
		return s
	}
	err := eachBlock(w, what, func(b block) {
		d.ErrSq += quad(b.diff, b.rows)
		d.RefSq += quad(b.w, b.rows)
	})
	return d, err
}

// Outputs returns ‖X(W-Ŵ)ᵀ‖²F and ‖XWᵀ‖²F for X of t×in.
func Outputs(cfg gemm.Config, w, what packed.Weight, x []float32, t int) (Distance, error) {
	_, in := w.Dims()
	if len(x) != t*in {
		panic(fmt.Sprintf("approx: X has %d values, want %d×%d", len(x), t, in))
	}
	var d Distance
	y := make([]float32, t*blockRows)
	product := func(a []float32, rows int) float64 {
		cfg.Gemm(false, true, t, rows, in, 1, x, in, a, in, 0, y, rows)
		return sumSq(y[:t*rows])
	}
	err := eachBlock(w, what, func(b block) {
		d.ErrSq += product(b.diff, b.rows)
		d.RefSq += product(b.w, b.rows)
	})
	return d, err
}

// A block is some rows of W and of W-Ŵ.
type block struct {
	w, diff []float32 // rows×in
	rows    int
}

func eachBlock(w, what packed.Weight, f func(block)) error {
	out, in := w.Dims()
	if o, i := what.Dims(); o != out || i != in {
		return fmt.Errorf("approx: compressed matrix is %d×%d, the original %d×%d", o, i, out, in)
	}
	bufW, bufD := make([]float32, blockRows*in), make([]float32, blockRows*in)
	for r := 0; r < out; r += blockRows {
		b := block{rows: min(blockRows, out-r)}
		b.w, b.diff = bufW[:b.rows*in], bufD[:b.rows*in]
		w.Dequantize(b.w, r, r+b.rows)
		what.Dequantize(b.diff, r, r+b.rows)
		for i, v := range b.w {
			b.diff[i] = v - b.diff[i]
		}
		f(b)
	}
	return nil
}

func sumSq(a []float32) float64 {
	var s float64
	for _, v := range a {
		s += float64(v) * float64(v)
	}
	return s
}
