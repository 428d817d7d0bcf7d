package compensate

import (
	"fmt"
	"sync"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// chunk is the largest number of rows that a goroutine works on, and so
// copies, at a time.
const chunk = 512

// leaf is the number of columns whose errors reach each other one by one; in
// larger blocks they do so by matrix products.
const leaf = 16

// strip is the number of rows for which the columns of a leaf are rounded
// together: those of a leaf fit in the first-level cache.
const strip = 64

// A Rounder rounds column c of rows r, …, r+len(w)-1 of the original matrix:
// w holds their weights, after the errors of earlier columns have been moved
// into them, codes receives their codes and values what these stand for. It is
// called from several goroutines, for one row from one at a time, and for the
// columns of a row in the order of f.Perm.
type Rounder func(r, c int, w []float32, codes []uint8, values []float32)

// Blocks let a caller look at the weights of some columns together before the
// first of them is rounded, such as to choose their levels.
type Blocks struct {
	// Width is the number of columns of a block, in the order of f.Perm; the
	// last block may be narrower.
	Width int
	// Start is called before the columns [k,k+n) of rows [r,r+rows) are
	// rounded. The i-th of these rows has its weights in w[i·stride:][:n], in
	// the order of f.Perm; the errors of all columns before k have been moved
	// into them. It is called from several goroutines, for one row from one at
	// a time.
	Start func(r, rows, k, n int, w []float32, stride int)
}

// Run rounds the out×in row-major matrix w, in = f.Dim, and calls row once for
// every row with its codes in the original order of columns, from several
// goroutines; the codes are valid during the call. Weights of dead channels
// are read as 0. w is not changed. An error names the first weight, by row and
// then by position, that is not finite; nothing is rounded then.
func Run(cfg gemm.Config, w []float32, out, in int, f *Factor, round Rounder, row func(r int, codes []uint8)) error {
	return RunBlocks(cfg, w, out, in, f, Blocks{Width: in}, round, row)
}

// RunBlocks is Run with blocks.
func RunBlocks(cfg gemm.Config, w []float32, out, in int, f *Factor, b Blocks, round Rounder, row func(r int, codes []uint8)) error {
	if len(w) != out*in || f.Dim != in {
		panic(fmt.Sprintf("compensate: %d weights for %d×%d and a factor of %d channels", len(w), out, in, f.Dim))
	}
	if b.Width < 1 {
		panic(fmt.Sprintf("compensate: blocks of %d columns", b.Width))
	}
	if err := Finite(w, in); err != nil {
		return err
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		panic(err)
	}
	rows := min(chunk, (out+cfg.Threads-1)/cfg.Threads)
	passes := sync.Pool{New: func() any {
		return &pass{
			cfg: gemm.Config{ISA: cfg.ISA, Threads: 1}, f: f, blocks: b, round: round,
			w: make([]float32, rows*in), codes: make([]uint8, rows*in), row: make([]uint8, in),
		}
	}}
	cfg.Parallel((out+rows-1)/rows, func(i int) {
		p := passes.Get().(*pass)
		p.r0, p.n = i*rows, min(rows, out-i*rows)
		p.run(w[p.r0*in:(p.r0+p.n)*in], row)
		passes.Put(p)
	})
	return nil
}

// Finite reports the first weight that is NaN or infinite, by row and column.
func Finite(w []float32, in int) error {
	if i := notFinite(w); i >= 0 {
		return fmt.Errorf("weight [%d,%d] is %v", i/in, i%in, w[i])
	}
	return nil
}

// notFinite returns the index of the first value that is NaN or infinite, -1
// if there is none.
func notFinite(v []float32) int {
	for i, x := range v {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

// pass is the work on one chunk of rows, by one goroutine.
type pass struct {
	cfg    gemm.Config
	f      *Factor
	blocks Blocks
	round  Rounder
	r0, n  int // first row and number of rows
	// w is n×in, columns in the order of processing: compensated weights, and
	// of the columns that are done the errors over U_jj.
	w     []float32
	codes []uint8 // n×in, columns in the order of processing
	row   []uint8 // codes of a row, columns in the original order

	// Columns of a leaf, strip rows each.
	t      [leaf][strip]float32
	c      [leaf][strip]uint8
	values [strip]float32
}

func (p *pass) run(w []float32, row func(r int, codes []uint8)) {
	d := p.f.Dim
	for i := range p.n {
		src, dst := w[i*d:(i+1)*d], p.w[i*d:(i+1)*d]
		for k, j := range p.f.Perm {
			dst[k] = src[j]
			if p.f.Dead[j] {
				dst[k] = 0
			}
		}
	}
	p.between(0, d)
	for i := range p.n {
		codes := p.codes[i*d : (i+1)*d]
		for k, j := range p.f.Perm {
			p.row[j] = codes[k]
		}
		row(p.r0+i, p.row)
	}
}

// between rounds columns [lo,hi), whole blocks, which all earlier errors have
// reached: one half of the blocks, the larger one, the product that moves its
// errors into the other, the other half.
func (p *pass) between(lo, hi int) {
	width := p.blocks.Width
	if hi-lo <= width {
		if p.blocks.Start != nil {
			p.blocks.Start(p.r0, p.n, lo, hi-lo, p.w[lo:], p.f.Dim)
		}
		p.block(lo, hi)
		return
	}
	mid := lo + ((hi-lo-1)/width+2)/2*width
	p.between(lo, mid)
	p.move(lo, mid, hi)
	p.between(mid, hi)
}

// move moves the errors of columns [lo,mid) into [mid,hi).
func (p *pass) move(lo, mid, hi int) {
	d := p.f.Dim
	p.cfg.Gemm(false, false, p.n, hi-mid, mid-lo, -1, p.w[lo:], d, p.f.U[lo*d+mid:], d, 1, p.w[mid:], d)
}

// block is between for the columns of a block, by halves of whole leaves.
func (p *pass) block(lo, hi int) {
	if hi-lo <= leaf {
		for i := 0; i < p.n; i += strip {
			p.leaf(i, min(strip, p.n-i), lo, hi)
		}
		return
	}
	// Whole leaves, the larger half first.
	mid := lo + (hi-lo+2*leaf-1)/(2*leaf)*leaf
	p.block(lo, mid)
	p.move(lo, mid, hi)
	p.block(mid, hi)
}

// leaf rounds columns [lo,hi) of rows [i,i+n) of the chunk.
func (p *pass) leaf(i, n, lo, hi int) {
	d := p.f.Dim
	for r := range n {
		for k, x := range p.w[(i+r)*d+lo : (i+r)*d+hi] {
			p.t[k][r] = x
		}
	}
	for k, j := range p.f.Perm[lo:hi] {
		u := p.f.U[(lo+k)*d+lo+k : (lo+k)*d+hi]
		p.round(p.r0+i, j, p.t[k][:n], p.c[k][:n], p.values[:n])
		p.moveErrors(k, n, u)
	}
	for r := range n {
		w, codes := p.w[(i+r)*d+lo:(i+r)*d+hi], p.codes[(i+r)*d+lo:(i+r)*d+hi]
		for k := range w {
			w[k], codes[k] = p.t[k][r], p.c[k][r]
		}
	}
}

// moveErrors replaces the weights of column k of a leaf, n rows, by their
// errors over u[0] and moves them into the len(u)-1 columns behind. Products
// are rounded before they are subtracted, so that no machine fuses the two.
func (p *pass) moveErrors(k, n int, u []float32) {
	done := p.moveFast(k, n, u)
	e, values := p.t[k][done:n], p.values[done:n]
	for r, v := range values {
		e[r] = (e[r] - v) / u[0]
	}
	for m, x := range u[1:] {
		rest := p.t[k+1+m][done:n]
		for r, v := range e {
			rest[r] -= float32(v * x)
		}
	}
}
