package cpu

import (
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// newHashed returns the kernels for the way in which w finds its cells.
func newHashed(w *packed.Hashed, leaf leaves) matrix {
	h := hashed{w, leaf}
	switch w.Addressing {
	case packed.AddressChunks:
		return &hashedChunks{h}
	case packed.AddressTiles:
		return &hashedTiles{h}
	}
	return &hashedWeights{h}
}

// hashed is what the kernels of all hashed matrices share.
type hashed struct {
	w    *packed.Hashed
	leaf leaves
}

func (m *hashed) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *hashed) DeviceBytes() int64 { return m.w.Bytes() }

// hashedWeights has a hash for every weight, two with signs by hash, in every
// sketch row. A few rows of the matrix are decoded and multiplied at a time.
type hashedWeights struct{ hashed }

func (m *hashedWeights) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// decode fetches the cells of a row of the matrix, sketch row after sketch
// row, as integers of the same order (ordered), combines and widens them.
func (m *hashedWeights) decode(dst []float32, r0, r1 int) {
	in := m.w.In
	keys := make([]uint16, m.w.Rows*in)
	for r := r0; r < r1; r++ {
		address := uint64(r) * uint64(in)
		for k := range m.w.Rows {
			m.fetch(keys[k*in:(k+1)*in], k, address)
		}
		best := keys[:in]
		m.combine(best, keys)
		if m.w.Sign == packed.SignPlane {
			negate(best, m.w.Signs[r*packed.RowBytes(in, 1):])
		}
		m.leaf.widenF16(dst[(r-r0)*in:(r-r0+1)*in], best)
	}
}

// fetch sets dst to the cells of the weights from address on in sketch row k,
// their signs by hash applied, ordered if rows are to be combined. The indices
// are those of packed.CellIndex and HashSign, written out.
func (m *hashedWeights) fetch(dst []uint16, k int, address uint64) {
	n, seed := uint64(m.w.Size), m.w.Seeds[k]
	cells := m.w.Cells[k*m.w.Size : (k+1)*m.w.Size]
	if m.w.Sign == packed.SignHash {
		signs := m.w.Seeds[m.w.Rows+k]
		for i := range dst {
			a := address + uint64(i)
			j, _ := bits.Mul64(packed.Mix64(a^seed), n)
			dst[i] = cells[j] ^ uint16(packed.Mix64(a^signs)>>63)<<15
		}
	} else {
		for i := range dst {
			j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
			dst[i] = cells[j]
		}
	}
	if m.w.Rows > 1 {
		for i, h := range dst {
			dst[i] = ordered(h)
		}
	}
}

// combine sets best to the f16 values of the combined keys, the first row of
// which best may be.
func (m *hashedWeights) combine(best, keys []uint16) {
	n := len(best)
	row := func(k int) []uint16 { return keys[k*n : (k+1)*n] }
	switch {
	case m.w.Rows == 1:
		return
	case m.w.Combine == packed.CombineMin:
		for k := 1; k < m.w.Rows; k++ {
			for i, v := range row(k) {
				best[i] = min(best[i], v)
			}
		}
	case m.w.Rows == 3:
		a, b, c := row(0), row(1), row(2)
		for i := range best {
			best[i] = median3(a[i], b[i], c[i])
		}
	default:
		a, b, c, d, e := row(0), row(1), row(2), row(3), row(4)
		for i := range best {
			// The least and the greatest of four are not the median of five:
			// the other two and the fifth decide.
			lo := max(min(a[i], b[i]), min(c[i], d[i]))
			hi := min(max(a[i], b[i]), max(c[i], d[i]))
			best[i] = median3(lo, hi, e[i])
		}
	}
	for i, v := range best {
		best[i] = unordered(v)
	}
}

// median3 returns the second of three in order.
func median3(a, b, c uint16) uint16 { return max(min(a, b), min(max(a, b), c)) }

// negate turns the f16 values whose bit in signs, lowest bits first, is 1.
func negate(v []uint16, signs []byte) {
	for i := range v {
		v[i] ^= uint16(signs[i/8]>>(i%8)) << 15
	}
}

// hashedChunks has a hash for every chunk of a row, and widens the cells of a
// chunk as they stand.
type hashedChunks struct{ hashed }

func (m *hashedChunks) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

func (m *hashedChunks) decode(dst []float32, r0, r1 int) {
	in, z := m.w.In, m.w.Chunk
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*in : (r-r0+1)*in]
		for c := 0; c < in; c += z {
			part := row[c:min(c+z, in)]
			m.leaf.widenF16(part, m.w.Cells[m.w.ChunkOffset(r, c/z):])
		}
	}
}

// hashedTiles has a hash for every tile. The cells of a tile stand input by
// input, so that a product with few vectors needs no transposition: the
// outputs of a tile gain x times the cells of each input.
type hashedTiles struct{ hashed }

// decode writes the parts of tiles that lie in rows [r0,r1).
func (m *hashedTiles) decode(dst []float32, r0, r1 int) {
	in, bk, bn := m.w.In, m.w.TileIn, m.w.TileOut
	for r := r0; r < r1; {
		n := r / bn
		end := min((n+1)*bn, r1)
		for c := 0; c < in; c += bk {
			cells := m.w.Cells[m.w.TileOffset(c/bk, n):]
			for i := range min(bk, in-c) {
				for j, h := range cells[i*bn+r%bn:][:end-r] {
					dst[(r-r0+j)*in+c+i] = packed.F16ToF32(h)
				}
			}
		}
		r = end
	}
}

func (m *hashedTiles) mul(d *Device, y, x []float32, t int) {
	if t > maxVectors {
		mulBlocks(d, m, y, x, t)
		return
	}
	out, in, bk, bn := m.w.Out, m.w.In, m.w.TileIn, m.w.TileOut
	bands := (out + bn - 1) / bn
	d.parallel(bands, max(1, rowsPerPiece(in)/bn), t*out*in, func(n0, n1 int) {
		s := scratch(bn)
		defer release(s)
		for n := n0; n < n1; n++ {
			r := n * bn
			rows := min(bn, out-r)
			for i := range t {
				clear(y[i*out+r : i*out+r+rows])
			}
			for c := 0; c < in; c += bk {
				cells := m.w.Cells[m.w.TileOffset(c/bk, n):]
				for j := range min(bk, in-c) {
					m.leaf.widenF16((*s)[:rows], cells[j*bn:])
					for i := range t {
						d.leaf.axpy(y[i*out+r:i*out+r+rows], x[i*in+c+j], (*s)[:rows])
					}
				}
			}
		}
	})
}
