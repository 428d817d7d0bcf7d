package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// codebook is a matrix of codes into tables of centroids.
type codebook struct{ w *packed.Codebook }

func (m *codebook) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *codebook) DeviceBytes() int64 { return m.w.Bytes() }

func (m *codebook) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *codebook) mul(d *Device, y, x []float32, t int) {
	k, ok := fitting(d.leaf.codebook[m.w.Bits], m.w.Group, m.w.In)
	if !ok || t > maxVectors {
		mulDecoded(d, m, y, x, t)
		return
	}
	k.mul(d, m.w, y, x, t)
}

// A codebookKernel multiplies a row of codes of one width by a vector:
// Σ table[code]·x over groups of blocks·8·lanes codes, x interleaved.
type codebookKernel struct {
	lanes  int
	planes bool // x in the order of interleavePlanes instead
	row    func(codes *byte, x *float32, table *uint16, groups, blocks int) float32
}

func (k codebookKernel) block() int { return 8 * k.lanes }

// mul computes Y = X·Ŵᵀ. Groups are whole blocks, except that a single one may
// leave a tail of columns.
func (k codebookKernel) mul(d *Device, w *packed.Codebook, y, x []float32, t int) {
	out, in := w.Out, w.In
	full := in / k.block() * k.block()
	mixed := scratch(t * full)
	defer release(mixed)
	for i := range t {
		dst, row := (*mixed)[i*full:(i+1)*full], x[i*in:(i+1)*in]
		if k.planes {
			interleavePlanes(dst, row)
		} else {
			interleave(dst, row, k.lanes, &plain)
		}
	}
	bytes, entries := packed.RowBytes(in, w.Bits), w.Groups()<<w.Bits
	d.parallel(out, rowsPerPiece(in), t*out*in, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			codes, table := w.Codes[r*bytes:(r+1)*bytes], w.Table[r*entries:(r+1)*entries]
			for i := range t {
				v := k.row(&codes[0], &(*mixed)[i*full], &table[0], w.Groups(), w.Group/k.block())
				if full < in {
					v += tailLookup(codes[full*w.Bits/8:], x[i*in+full:(i+1)*in], table, w.Bits)
				}
				y[i*out+r] = v
			}
		}
	})
}

// tailLookup returns Σ table[code]·x for fewer codes than a block has.
func tailLookup(codes []byte, x []float32, table []uint16, bits int) float32 {
	var c [128]uint8
	packed.UnpackRow(c[:], codes, len(x), bits)
	var s float32
	for i, v := range x {
		s += float32(packed.F16ToF32(table[c[i]]) * v)
	}
	return s
}

// fitting returns the first of the kernels whose blocks fill the groups of a
// row: groups of whole blocks, or one group of at least a block.
func fitting[K interface{ block() int }](kernels []K, group, in int) (k K, ok bool) {
	for _, k := range kernels {
		if n := k.block(); in >= n && (group%n == 0 || group >= in) {
			return k, true
		}
	}
	return k, false
}
