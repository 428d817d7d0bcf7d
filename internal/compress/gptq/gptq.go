// Package gptq rounds weights on evenly spaced grids column by column and
// moves the error of each column into those to come (GPTQ, Frantar and others,
// ICLR 2023; methods.md 4.2). It does not gather second moments.
package gptq

import (
	"fmt"
	"sync"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// block is the number of columns of the published code's blocks. Here it
// matters only to lagged grids.
const block = 128

// Diagnostics say how the rounding of a matrix went.
type Diagnostics struct {
	Damping float64 // added to the diagonal of H, in its units
	Dead    int     // input channels that are always zero
}

// Compress rounds w, an out×in row-major matrix, with the factor f of its
// input's second moments, made with o.FactorOptions and shared by all matrices
// that read the input. Weights of dead channels become 0 in w. Scales are
// rounded to f16 before zeros and codes are chosen. An error is a fault of o,
// or names a weight that is not finite or a group too wide for an f16 scale.
// The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Grid, Diagnostics, error) {
	fail := func(err error) (*packed.Grid, Diagnostics, error) {
		return nil, Diagnostics{}, fmt.Errorf("gptq: %w", err)
	}
	if faults := Check(o); faults != nil {
		return fail(faults[0])
	}
	if out < 1 || in < 1 || len(w) != out*in || f.Dim != in {
		panic(fmt.Sprintf("gptq: %d weights for %d×%d and a factor of %d channels", len(w), out, in, f.Dim))
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		return fail(err)
	}
	d := Diagnostics{Damping: f.Damping, Dead: f.DeadChannels()}
	f.ClearDead(w)
	if err := compensate.Finite(w, in); err != nil {
		return fail(err)
	}
	c := newCoder(cfg, out, in, f, o)
	if err := c.run(cfg, w); err != nil {
		return fail(err)
	}
	return c.p, d, nil
}

// coder chooses grids and codes.
type coder struct {
	o     Options
	isa   gemm.ISA
	f     *compensate.Factor
	p     *packed.Grid
	zeros []uint8 // out×G
	// group gives the group of each input channel.
	group []int
	// scale and zero hold the grids by group and then by row, G×out.
	scale, zero []float32
	top         float32

	mu    sync.Mutex
	fault error // of the first row with one
	row   int
}

func newCoder(cfg gemm.Config, out, in int, f *compensate.Factor, o Options) *coder {
	c := &coder{o: o, isa: cfg.ISA, f: f, group: make([]int, in), top: float32(int(1)<<o.Bits - 1)}
	c.p = &packed.Grid{Out: out, In: in, Bits: o.Bits, Group: o.group(in), Symmetric: o.Symmetric,
		Codes: make([]byte, out*packed.RowBytes(in, o.Bits))}
	n := out * c.p.Groups()
	c.p.Scale, c.zeros = make([]uint16, n), make([]uint8, n)
	c.scale, c.zero = make([]float32, n), make([]float32, n)
	for k, j := range f.Perm {
		c.group[j] = k / c.p.Group
		if o.Grid == Static {
			c.group[j] = j / c.p.Group
		}
	}
	if o.indexed(in) {
		c.p.Index = make([]uint32, in)
		for j, g := range c.group {
			c.p.Index[j] = uint32(g)
		}
	}
	return c
}

// run rounds w.
func (c *coder) run(cfg gemm.Config, w []float32) error {
	p := c.p
	blocks := compensate.Blocks{Width: p.Group, Start: c.start}
	switch {
	case c.o.Grid == Static || p.Group == p.In:
		c.original(cfg, w)
		blocks = compensate.Blocks{Width: p.In}
	case c.o.Grid == Lagged && p.Group < block:
		blocks.Width = block
	}
	if c.fault != nil {
		return c.fault
	}
	rb := packed.RowBytes(p.In, p.Bits)
	err := compensate.RunBlocks(cfg, w, p.Out, p.In, c.f, blocks, c.round, func(r int, codes []uint8) {
		packed.PackRow(p.Codes[r*rb:(r+1)*rb], codes, p.Bits)
	})
	if err == nil {
		err = c.fault
	}
	if err == nil && !p.Symmetric {
		p.Zero = make([]byte, packed.RowBytes(len(c.zeros), p.Bits))
		packed.PackRow(p.Zero, c.zeros, p.Bits)
	}
	return err
}

// rows is the number of rows whose original grids a goroutine makes at a time.
const rows = 16

// original chooses the grids of all groups, of adjacent channels, from w.
func (c *coder) original(cfg gemm.Config, w []float32) {
	p := c.p
	cfg.Parallel((p.Out+rows-1)/rows, func(i int) {
		for r := i * rows; r < min((i+1)*rows, p.Out); r++ {
			for g := range p.Groups() {
				c.choose(r, g, w[r*p.In+g*p.Group:r*p.In+min((g+1)*p.Group, p.In)])
			}
		}
	})
}

// start is a compensate.Blocks.Start: it chooses the grids of the groups that
// lie in a block.
func (c *coder) start(r, rows, k, n int, w []float32, stride int) {
	for first := 0; first < n; first += c.p.Group {
		last := min(first+c.p.Group, n)
		for i := range rows {
			c.choose(r+i, (k+first)/c.p.Group, w[i*stride+first:i*stride+last])
		}
	}
}

// choose makes the grid of group g of row r for its weights.
func (c *coder) choose(r, g int, w []float32) {
	lo, hi, bad := grid.Range(c.isa, w)
	q, half, err := grid.New16(float64(lo), float64(hi), c.p.Bits, c.p.Symmetric)
	if bad >= 0 {
		err = fmt.Errorf("a weight became %v while errors were moved; try a larger damp than %g", w[bad], c.o.Damp)
	}
	if err != nil {
		c.fail(r, fmt.Errorf("row %d, group %d: %w", r, g, err))
		return
	}
	n, groups := c.p.Out, c.p.Groups()
	c.p.Scale[r*groups+g], c.zeros[r*groups+g] = half, uint8(q.Zero)
	c.scale[g*n+r], c.zero[g*n+r] = float32(q.Scale), float32(q.Zero)
}

// fail keeps the fault of the first row that has one.
func (c *coder) fail(r int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil || r < c.row {
		c.fault, c.row = err, r
	}
}

// round is a compensate.Rounder.
func (c *coder) round(r, j int, w []float32, codes []uint8, values []float32) {
	at := c.group[j]*c.p.Out + r
	grid.Column(c.isa, codes, values, w, c.scale[at:at+len(w)], c.zero[at:at+len(w)], c.top)
}
