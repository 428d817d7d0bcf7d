package cpu

import (
	"fmt"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// A matrix is a packed weight made ready.
type matrix interface {
	kernels.Matrix
	// decode writes rows [r0,r1) of Ŵ to dst.
	decode(dst []float32, r0, r1 int)
	// mul computes Y = X·Ŵᵀ for any t. X and Y do not overlap.
	mul(d *Device, y, x []float32, t int)
}

// Upload makes w ready. The bytes of w stay where they are and are used in
// place; what is added is an index of the columns for Cells and of the rows for
// Partial; and a Grid with an index may be copied, see newGrid. A weight that fails its Check is an error.
func (d *Device) Upload(w packed.Weight) (kernels.Matrix, error) {
	if err := w.Check(); err != nil {
		return nil, fmt.Errorf("cpu: upload: %w", err)
	}
	switch w := w.(type) {
	case *packed.Dense:
		return &dense{w}, nil
	case *packed.Grid:
		return newGrid(d, w), nil
	case *packed.Codebook:
		return &codebook{w}, nil
	case *packed.LowRank:
		return newLowRank(w), nil
	case *packed.Cells:
		return newCells(w, d.leaf), nil
	case *packed.Hashed:
		return newHashed(w, d.leaf), nil
	case *packed.Levels:
		return &levels{w}, nil
	case *packed.Binary:
		return &binary{w}, nil
	case *packed.Partial:
		return newPartial(w), nil
	case *packed.Signs:
		return &signs{w}, nil
	case *packed.Sparse:
		return &sparse{w}, nil
	case *packed.Sum:
		return newSum(d, w)
	}
	return nil, fmt.Errorf("cpu: upload: no kernels for the format %q", w.Kind())
}

// Mul computes Y = X·Ŵᵀ: X is t×in, Y is t×out.
func (d *Device) Mul(y, x kernels.Buffer, t int, w kernels.Matrix) {
	out, in := w.Dims()
	w.(matrix).mul(d, first(y, t*out), first(x, t*in), t)
}

// Embed sets row i of Y (len(ids)×in) to row ids[i] of Ŵ.
func (d *Device) Embed(y kernels.Buffer, ids []int, w kernels.Matrix) {
	_, in := w.Dims()
	rows := first(y, len(ids)*in)
	for i, id := range ids {
		w.(matrix).decode(rows[i*in:(i+1)*in], id, id+1)
	}
}

// maxVectors is the largest number of tokens that is multiplied without
// expanding blocks of the matrix. Above it the expansion, shared by all
// tokens, costs less than reading the codes once per token.
const maxVectors = 8

// rowsPerPiece returns how many rows of a matrix go to a goroutine at a time,
// some 2^15 weights.
func rowsPerPiece(in int) int { return max(1, (1<<15)/in) }

// rowUnit returns how many rows of m are best decoded together.
func rowUnit(m matrix) int {
	if t, ok := m.(*tiles); ok {
		return t.w.Tile
	}
	return 1
}

// upTo returns the first multiple of unit that is not below n.
func upTo(n, unit int) int { return (n + unit - 1) / unit * unit }

// mulDecoded computes Y = X·Ŵᵀ for any format: the specification.
func mulDecoded(d *Device, m matrix, y, x []float32, t int) {
	if t > maxVectors {
		mulBlocks(d, m, y, x, t)
		return
	}
	out, in := m.Dims()
	unit := rowUnit(m)
	d.parallel(out, upTo(rowsPerPiece(in), unit), t*out*in, func(r0, r1 int) {
		// A few rows at a time, so that they stay in the first-level cache
		// and the setup of decode is shared.
		step := upTo(max(1, min(4096/in, r1-r0)), unit)
		s := scratch(step * in)
		defer release(s)
		for r := r0; r < r1; r += step {
			n := min(step, r1-r)
			m.decode(*s, r, r+n)
			for j := range n {
				row := (*s)[j*in : (j+1)*in]
				for i := range t {
					y[i*out+r+j] = d.leaf.dot(x[i*in:(i+1)*in], row)
				}
			}
		}
	})
}

// blockValues bounds the values of Ŵ that mulBlocks holds at a time: 8 MB.
const blockValues = 1 << 21

// mulBlocks computes Y = X·Ŵᵀ by expanding blocks of rows and multiplying
// each with gemm. Blocks are as tall as blockValues allows, because each one
// makes gemm pack X again.
func mulBlocks(d *Device, m matrix, y, x []float32, t int) {
	out, in := m.Dims()
	unit := rowUnit(m)
	step := min(out, upTo(max(32, blockValues/in/32*32), unit))
	s := scratch(step * in)
	defer release(s)
	for r := 0; r < out; r += step {
		n := min(step, out-r)
		d.parallel(n, upTo(rowsPerPiece(in), unit), n*in, func(i, j int) {
			m.decode((*s)[i*in:j*in], r+i, r+j)
		})
		d.cfg.Gemm(false, true, t, n, in, 1, x, in, *s, in, 0, y[r:], out)
	}
}
