package ultrasketch

import (
	"math"
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Float32 bit patterns: magnitudes compare as these integers do.
const (
	magnitude = 1<<31 - 1  // mask
	infinity  = 0xff << 23 // +Inf, the cell that was never hit
)

const emptyCell = 0x7c00 // +Inf in f16

// fill computes s.Cells for the finite weights w from the rest of s.
func fill(cfg gemm.Config, s *packed.Cells, w []float32) {
	wide := build(cfg, s, w)
	s.Cells = make([]uint16, len(wide))
	const chunk = 1 << 16
	cfg.Parallel((len(wide)+chunk-1)/chunk, func(t int) {
		lo, hi := t*chunk, min((t+1)*chunk, len(wide))
		for i, b := range wide[lo:hi] {
			s.Cells[lo+i] = packed.F32ToF16TowardZero(math.Float32frombits(b))
		}
	})
}

// build returns the cells of s, its rows one after another, as float32 bit
// patterns: each holds the weight of least magnitude that falls into it, among
// equals the one of lowest address ("AbsMin", methods.md 3.3).
//
// Taking the least is associative, so strips of the matrix are sketched apart
// and merged in order, and the result is that of one pass.
func build(cfg gemm.Config, s *packed.Cells, w []float32) []uint32 {
	layout := s.Layout()
	columns := make([][]int32, len(s.Sizes))
	for c, g := range s.Class {
		columns[g] = append(columns[g], int32(c))
	}
	// Two tasks for each thread balance the load; a strip needs more weights
	// than a row has cells, for merging not to be the work.
	strips := max(1, min((2*threads(cfg)+s.Rows-1)/s.Rows, len(w)/(4*max(layout.Row, 1)), s.Out))
	step := (s.Out + strips - 1) / strips
	parts := make([][]uint32, strips)
	for i := range parts {
		parts[i] = make([]uint32, s.Rows*layout.Row)
	}
	cfg.Parallel(s.Rows*strips, func(t int) {
		k, i := t%s.Rows, t/s.Rows
		cells := parts[i][k*layout.Row : (k+1)*layout.Row]
		for j := range cells {
			cells[j] = infinity
		}
		// Class by class, although that passes over the strip once for each:
		// cells are hit at random, and those of one class fit in the cache.
		for g, cols := range columns {
			o, n := layout.Offsets[g], s.Sizes[g]
			for r := i * step; r < min((i+1)*step, s.Out); r++ {
				insert(cells[o:o+n], w[r*s.In:(r+1)*s.In], cols, s.Seeds[k], uint64(r)*layout.Counts[g])
			}
		}
	})
	cfg.Parallel(s.Rows, func(k int) {
		cells := parts[0][k*layout.Row : (k+1)*layout.Row]
		for _, p := range parts[1:] {
			for j, b := range p[k*layout.Row : (k+1)*layout.Row] {
				if b&magnitude < cells[j]&magnitude {
					cells[j] = b
				}
			}
		}
	})
	return parts[0]
}

// insert puts the weights of the given columns of a row, at addresses from
// address on, into the cells of their class. The index is packed.CellIndex,
// written out.
func insert(cells []uint32, row []float32, cols []int32, seed, address uint64) {
	n := uint64(len(cells))
	for _, c := range cols {
		b := math.Float32bits(row[c])
		i, _ := bits.Mul64(packed.Mix64(address^seed), n)
		if p := &cells[i]; b&magnitude < *p&magnitude {
			*p = b
		}
		address++
	}
}

func threads(cfg gemm.Config) int {
	if c, err := cfg.Resolve(); err == nil {
		return c.Threads
	}
	return 1
}
