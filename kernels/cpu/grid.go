package cpu

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// grid is a matrix on evenly spaced levels.
type grid struct{ w *packed.Grid }

func (m *grid) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *grid) DeviceBytes() int64 { return m.w.Bytes() }

func (m *grid) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *grid) mul(d *Device, y, x []float32, t int) {
	k, ok := fitting(d.leaf.grid[m.w.Bits], m.w.Group, m.w.In)
	if !ok || t > maxVectors || m.w.Index != nil {
		mulDecoded(d, m, y, x, t)
		return
	}
	k.mul(d, m.w, y, x, t)
}

// A gridKernel multiplies a row of codes of one width by a vector:
// Σ_g scale[g]·(Σ code·x - zero[g]·sums[g]) over groups of blocks·8·lanes
// codes, x interleaved.
type gridKernel struct {
	lanes int
	row   func(codes *byte, x, sums, scale, zero *float32, groups, blocks int) float32
}

func (k gridKernel) block() int { return 8 * k.lanes }

// mul computes Y = X·Ŵᵀ. A row is full groups, then a rest: the short group or,
// if a single group is longer than a row, all of it. The rest is whole blocks,
// for the kernel, and a tail of columns.
func (k gridKernel) mul(d *Device, w *packed.Grid, y, x []float32, t int) {
	out, in := w.Out, w.In
	p := k.prepare(w, x, t)
	defer p.release()
	// The zeros of eight rows are a whole number of bytes, so pieces of
	// eight rows start on one.
	step := (rowsPerPiece(in) + 7) / 8 * 8
	d.parallel(out, step, t*out*in, func(r0, r1 int) {
		g := newGridRows(d, w, r0, r1-r0)
		defer g.release()
		for r := r0; r < r1; r++ {
			scale, zero := g.row(r - r0)
			for i := range t {
				y[i*out+r] = k.dotRow(w, p, r, i, scale, zero)
			}
		}
	})
}

// gridInput is what the kernels need of X, made once per product.
type gridInput struct {
	t, full int       // full is the columns in whole blocks
	x       []float32 // t×in
	mixed   *[]float32
	sums    *[]float32 // t×groups: Σx of each group
}

func (p *gridInput) release() {
	release(p.mixed)
	release(p.sums)
}

// prepare interleaves X and adds up its groups. Factor k undoes that code k
// of a lane is read where it stands in the word, 2^(bits·k) times as large,
// those from the fourth on after a shift by four codes. Codes of 8 bits are
// read in order.
func (k gridKernel) prepare(w *packed.Grid, x []float32, t int) *gridInput {
	in, groups := w.In, w.Groups()
	p := &gridInput{t: t, full: in / k.block() * k.block(), x: x}
	var factor [8]float32
	for i := range factor {
		factor[i] = float32(math.Ldexp(1, -w.Bits*(i%4)))
	}
	p.mixed, p.sums = scratch(t*p.full), scratch(t*groups)
	for i := range t {
		row, dst := x[i*in:(i+1)*in], (*p.mixed)[i*p.full:(i+1)*p.full]
		if w.Bits == 8 {
			copy(dst, row)
		} else {
			interleave(dst, row, k.lanes, &factor)
		}
		for g := range groups {
			(*p.sums)[i*groups+g] = sum(row[g*w.Group : min((g+1)*w.Group, in)])
		}
	}
	return p
}

// dotRow returns the product of row r with vector i.
func (k gridKernel) dotRow(w *packed.Grid, p *gridInput, r, i int, scale, zero []float32) float32 {
	in, last := w.In, len(scale)-1
	codes := w.Codes[r*packed.RowBytes(in, w.Bits) : (r+1)*packed.RowBytes(in, w.Bits)]
	x := (*p.mixed)[i*p.full : (i+1)*p.full]
	sums := (*p.sums)[i*len(scale) : (i+1)*len(scale)]
	var y float32
	done := 0
	if w.Group%k.block() == 0 && in >= w.Group {
		groups := in / w.Group
		y = k.row(&codes[0], &x[0], &sums[0], &scale[0], &zero[0], groups, w.Group/k.block())
		done = groups * w.Group
	}
	if done == in {
		return y
	}
	subtract := true // zero·sums of the rest is still to be subtracted
	if blocks := (in - done) / k.block(); blocks > 0 {
		y += k.row(&codes[done*w.Bits/8], &x[done], &sums[last], &scale[last], &zero[last], 1, blocks)
		done += blocks * k.block()
		subtract = false
	}
	tail := tailDot(codes[done*w.Bits/8:], p.x[i*in+done:(i+1)*in], w.Bits)
	if subtract {
		tail -= float32(zero[last] * sums[last])
	}
	return y + float32(scale[last]*tail)
}

// tailDot returns Σ code·x for fewer codes than a block has.
func tailDot(codes []byte, x []float32, bits int) float32 {
	var c [128]uint8
	packed.UnpackRow(c[:], codes, len(x), bits)
	var s float32
	for i, v := range x {
		s += float32(float32(c[i]) * v)
	}
	return s
}

// sum adds x in float64.
func sum(x []float32) float32 {
	var s0, s1, s2, s3 float64
	for ; len(x) >= 4; x = x[4:] {
		s0 += float64(x[0])
		s1 += float64(x[1])
		s2 += float64(x[2])
		s3 += float64(x[3])
	}
	for _, v := range x {
		s0 += float64(v)
	}
	return float32((s0 + s2) + (s1 + s3))
}
