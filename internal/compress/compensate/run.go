package compensate

import (
	"fmt"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// block is the number of columns whose errors reach the columns behind them
// by one matrix product. Within a block they do so one by one.
const block = 128

// chunk is the largest number of rows that are worked on, and so copied, at a
// time.
const chunk = 1024

// strip is the number of rows that a goroutine takes at a time.
const strip = 16

// A Rounder returns the code of a weight and what that code stands for. Row r
// and column c are those of the original matrix; w is the weight after the
// errors of earlier columns have been moved into it. It is called from several
// goroutines, for one row from one at a time, and for the columns of a row in
// the order of f.Perm.
type Rounder func(r, c int, w float32) (code uint8, value float32)

// Run rounds the out×in row-major matrix w, in = f.Dim, and calls row once for
// every row with its codes in the original order of columns, from several
// goroutines; the codes are valid during the call. Weights of dead channels
// are read as 0. w is not changed. An error names the first weight, by row and
// then by position, that is not finite; nothing is rounded then.
func Run(cfg gemm.Config, w []float32, out, in int, f *Factor, round Rounder, row func(r int, codes []uint8)) error {
	if len(w) != out*in || f.Dim != in {
		panic(fmt.Sprintf("compensate: %d weights for %d×%d and a factor of %d channels", len(w), out, in, f.Dim))
	}
	if err := Finite(w, in); err != nil {
		return err
	}
	rows := min(chunk, out)
	p := &pass{
		cfg: cfg, f: f, round: round,
		w: make([]float32, rows*in), e: make([]float32, rows*block), codes: make([]uint8, rows*in),
	}
	for r0 := 0; r0 < out; r0 += chunk {
		p.r0, p.n = r0, min(chunk, out-r0)
		p.run(w[r0*in:(r0+p.n)*in], row)
	}
	return nil
}

// Finite reports the first weight that is NaN or infinite, by row and column.
func Finite(w []float32, in int) error {
	for i, x := range w {
		if x-x != 0 {
			return fmt.Errorf("weight [%d,%d] is %v", i/in, i%in, x)
		}
	}
	return nil
}

// pass is the work on one chunk of rows.
type pass struct {
	cfg   gemm.Config
	f     *Factor
	round Rounder
	r0, n int       // first row and number of rows
	w     []float32 // n×in, columns in the order of processing, compensated
	e     []float32 // n×(columns of the block): errors over U_jj
	codes []uint8   // n×in, columns in the original order
}

func (p *pass) run(w []float32, row func(r int, codes []uint8)) {
	d := p.f.Dim
	p.strips(func(i int) {
		for k, j := range p.f.Perm {
			p.w[i*d+k] = 0
			if !p.f.Dead[j] {
				p.w[i*d+k] = w[i*d+j]
			}
		}
	})
	for k0 := 0; k0 < d; k0 += block {
		k1 := min(k0+block, d)
		p.strips(func(i int) { p.columns(i, k0, k1) })
		if k1 < d {
			p.cfg.Gemm(false, false, p.n, d-k1, k1-k0, -1, p.e, k1-k0, p.f.U[k0*d+k1:], d, 1, p.w[k1:], d)
		}
	}
	p.strips(func(i int) { row(p.r0+i, p.codes[i*d:(i+1)*d]) })
}

// strips calls f for every row of the chunk, in parallel.
func (p *pass) strips(f func(i int)) {
	p.cfg.Parallel((p.n+strip-1)/strip, func(s int) {
		for i := s * strip; i < min((s+1)*strip, p.n); i++ {
			f(i)
		}
	})
}

// columns rounds columns [k0,k1) of row i and moves their errors within the
// block. Products are rounded before they are subtracted, so that no machine
// fuses the two.
func (p *pass) columns(i, k0, k1 int) {
	d := p.f.Dim
	w, e, codes := p.w[i*d+k0:i*d+k1], p.e[i*(k1-k0):(i+1)*(k1-k0)], p.codes[i*d:(i+1)*d]
	for k, j := range p.f.Perm[k0:k1] {
		u := p.f.U[(k0+k)*d+k0+k : (k0+k)*d+k1]
		code, value := p.round(p.r0+i, j, w[k])
		err := (w[k] - value) / u[0]
		codes[j], e[k] = code, err
		rest := w[k:][:len(u)]
		for m, x := range u {
			rest[m] -= float32(err * x)
		}
	}
}
