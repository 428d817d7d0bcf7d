package packed

import "math"

// A query reads single weights of a Cells matrix: the specification of what
// kernels do for many at a time.
type query struct {
	w      *Cells
	l      CellLayout
	hashes []Hash     // Rows × classes; none where a class has no columns
	shifts [][]uint32 // of tiles, per sketch row
	bytes  int        // of a row of codes
}

func newQuery(w *Cells) *query {
	q := &query{w: w, l: w.Layout()}
	q.hashes = make([]Hash, w.Rows*len(w.Sizes))
	q.bytes = RowBytes(q.l.Row, w.Bits%16)
	for k := range w.Rows {
		for g := range w.Sizes {
			if q.l.Counts[g] > 0 {
				q.hashes[k*len(w.Sizes)+g] = w.HashOf(&q.l, k, g)
			}
		}
		if w.Tile > 0 {
			q.shifts = append(q.shifts, w.TileShifts(k))
		}
	}
	return q
}

// cell returns the value of the cell of weight (r,c) in sketch row k.
func (q *query) cell(k, r, c int) float32 {
	w, u := q.w, q.w.unit()
	g := int(w.Class[c/u])
	a := w.Base(g) + uint64(r/u)*q.l.Counts[g] + uint64(q.l.Position[c/u])
	i := uint64(q.hashes[k*len(w.Sizes)+g].Cell(a))
	if w.Tile > 0 {
		i = (i + (uint64(q.shifts[k][r%u])+uint64(c%u))%uint64(w.Window)) % uint64(w.Sizes[g])
	}
	i += uint64(q.l.Offsets[g])
	if w.Bits == 16 {
		return F16ToF32(w.Cells[k*q.l.Row+int(i)])
	}
	return w.CodeValue(k, g, codeAt(w.Codes[k*q.bytes:(k+1)*q.bytes], int(i), w.Bits))
}

// largest returns the cell of largest magnitude, or with signed the largest
// cell, of sketch rows [k0,k1); of equal ones the first.
func (q *query) largest(k0, k1, r, c int, signed bool) float32 {
	best := q.cell(k0, r, c)
	for k := k0 + 1; k < k1; k++ {
		if v := q.cell(k, r, c); signed && v > best || !signed && abs(v) > abs(best) {
			best = v
		}
	}
	return best
}

// weight returns ŵ(r,c).
func (q *query) weight(r, c int) float32 {
	w := q.w
	var v float32
	switch w.Reading {
	case ReadingSplit:
		v = q.largest(0, w.Rows/2, r, c, false)
		if n := q.largest(w.Rows/2, w.Rows, r, c, false); n < v {
			v = -n
		}
	default:
		v = q.largest(0, w.Rows, r, c, w.Reading == ReadingSigned)
	}
	if v > math.MaxFloat32 {
		return 0
	}
	if w.Reading == ReadingPlane && w.Signs[r*RowBytes(w.In, 1)+c/8]>>(c%8)&1 == 1 {
		v = -v
	}
	return v
}

// Dequantize writes rows [r0,r1) to dst. The first sketch row's cell is the
// best so far; a later row's cell replaces it where it is greater, by
// magnitude, in ReadingSigned as a number; equal cells leave the earlier
// row's. In ReadingSplit the first half of the rows and the second give a
// magnitude each, of which the first counts where they are equal. A weight
// whose best is +Inf reads as 0: no cell that a sketch was built from is read
// that way, since every weight of the matrix was inserted.
func (w *Cells) Dequantize(dst []float32, r0, r1 int) {
	q := newQuery(w)
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		for c := range row {
			row[c] = q.weight(r, c)
		}
	}
}

// abs clears the sign bit.
func abs(x float32) float32 {
	return math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
}
