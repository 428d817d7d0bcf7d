package cpu

import (
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// indexedGrid is a grid whose groups are not of adjacent channels. Its codes
// are kept in a copy in the order of the groups, which then are, and what it is
// multiplied with is put in that order.
type indexedGrid struct {
	grid
	order []uint32 // the channel at each place
}

// newGrid makes w ready: with a copy if it has an index, its groups have as
// many channels as those of adjacent ones would have, and there is a kernel for
// them.
func newGrid(d *Device, w *packed.Grid) matrix {
	if w.Index == nil {
		return &grid{w}
	}
	order := make([]uint32, w.In)
	for c := range order {
		order[c] = uint32(c)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return int(w.Index[a]) - int(w.Index[b]) })
	_, ok := fitting(d.leaf.grid[w.Bits], w.Group, w.In)
	for k, c := range order {
		ok = ok && int(w.Index[c]) == k/w.Group
	}
	if !ok {
		return &grid{w}
	}
	sorted := *w
	sorted.Index = nil
	sorted.Codes = make([]byte, len(w.Codes))
	rb := packed.RowBytes(w.In, w.Bits)
	d.parallel(w.Out, rowsPerPiece(w.In), w.Out*w.In, func(r0, r1 int) {
		codes, moved := make([]uint8, w.In), make([]uint8, w.In)
		for r := r0; r < r1; r++ {
			packed.UnpackRow(codes, w.Codes[r*rb:(r+1)*rb], w.In, w.Bits)
			for k, c := range order {
				moved[k] = codes[c]
			}
			packed.PackRow(sorted.Codes[r*rb:(r+1)*rb], moved, w.Bits)
		}
	})
	return &indexedGrid{grid{&sorted}, order}
}

// DeviceBytes counts the order of the channels, as large as the index.
func (m *indexedGrid) DeviceBytes() int64 { return m.w.Bytes() + 4*int64(len(m.order)) }

func (m *indexedGrid) decode(dst []float32, r0, r1 int) {
	in := m.w.In
	row := scratch(in)
	defer release(row)
	for r := r0; r < r1; r++ {
		m.w.Dequantize(*row, r, r+1)
		for k, c := range m.order {
			dst[(r-r0)*in+int(c)] = (*row)[k]
		}
	}
}

func (m *indexedGrid) mul(d *Device, y, x []float32, t int) {
	if t > maxVectors {
		mulDecoded(d, m, y, x, t)
		return
	}
	in := m.w.In
	moved := scratch(t * in)
	defer release(moved)
	for i := range t {
		for k, c := range m.order {
			(*moved)[i*in+k] = x[i*in+int(c)]
		}
	}
	m.grid.mul(d, y, *moved, t)
}
