package cpu

import "github.com/sketchbench/sketchbench/internal/packed"

// binary is a matrix of signs with few magnitudes per row and block. A few
// rows are decoded, eight weights at a time, and multiplied.
type binary struct{ w *packed.Binary }

func (m *binary) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *binary) DeviceBytes() int64 { return m.w.Bytes() }

func (m *binary) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

func (m *binary) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// partial is a matrix of signs and salient weights of 8 bits, decoded a few
// rows at a time.
type partial struct {
	w *packed.Partial
	// salient is the number of salient weights before each row, where the
	// row's codes begin.
	salient []uint64
}

func newPartial(w *packed.Partial) *partial {
	m := &partial{w: w, salient: make([]uint64, w.Out)}
	for r := 1; r < w.Out; r++ {
		m.salient[r] = m.salient[r-1] + uint64(w.RowSalient(r-1))
	}
	return m
}

func (m *partial) Dims() (out, in int) { return m.w.Out, m.w.In }

// DeviceBytes counts the index of the rows beside the stored bytes.
func (m *partial) DeviceBytes() int64 { return m.w.Bytes() + 8*int64(m.w.Out) }

func (m *partial) decode(dst []float32, r0, r1 int) {
	m.w.DequantizeFrom(dst, r0, r1, int(m.salient[r0]))
}

func (m *partial) mul(d *Device, y, x []float32, t int) { mulDecoded(d, m, y, x, t) }

// signs is a matrix of signs between two vectors, Ŵ = diag(a)·S·diag(b).
type signs struct{ w *packed.Signs }

func (m *signs) Dims() (out, in int) { return m.w.Out, m.w.In }

func (m *signs) DeviceBytes() int64 { return m.w.Bytes() }

func (m *signs) decode(dst []float32, r0, r1 int) { m.w.Dequantize(dst, r0, r1) }

// nibble is the number of columns whose 16 signed sums are made beforehand.
const nibble = 4

// mul computes Y = diag(a)·S·(b∘x). Each four values of b∘x have only 16 signed
// sums, which are made once for all rows; a row then adds one of them for
// each four of its signs. That pays from some tens of rows on.
func (m *signs) mul(d *Device, y, x []float32, t int) {
	w := m.w
	if t > maxVectors || w.Out < 4*(1<<nibble)/nibble {
		mulDecoded(d, m, y, x, t)
		return
	}
	n := (w.In + nibble - 1) / nibble // a short last one is filled with 0
	s := scratch(n << nibble)
	defer release(s)
	for i := range t {
		signedSums(*s, w.B, x[i*w.In:(i+1)*w.In])
		d.parallel(w.Out, rowsPerPiece(w.In), w.Out*n, func(r0, r1 int) {
			for r := r0; r < r1; r++ {
				y[i*w.Out+r] = packed.F16ToF32(w.A[r]) * sumOfSums(*s, w.Minus, r*w.In, n)
			}
		})
	}
}

// signedSums sets the 16 values of each four columns to ±z ± z ± z ± z of
// z = b∘x, bit k of the place giving column k a minus.
func signedSums(dst []float32, b []uint16, x []float32) {
	for c := 0; c < len(x); c += nibble {
		var z [nibble]float32
		for k, v := range x[c:min(c+nibble, len(x))] {
			z[k] = packed.F16ToF32(b[c+k]) * v
		}
		p, q := [4]float32{z[0] + z[1], z[1] - z[0], z[0] - z[1], -z[0] - z[1]},
			[4]float32{z[2] + z[3], z[3] - z[2], z[2] - z[3], -z[2] - z[3]}
		t := dst[c<<nibble/nibble:][:1<<nibble]
		for i := range t {
			t[i] = p[i&3] + q[i>>2]
		}
	}
}

// sumOfSums adds one value of each 16 for n times four signs from bit i of the
// plane on. Signs behind the row's end meet zeros.
func sumOfSums(s []float32, minus []byte, i, n int) float32 {
	var a, b, c, e float32
	for ; n >= 8; n, i = n-8, i+32 {
		m := packed.Window(minus, i)
		t := s[:8<<nibble]
		a += t[m&15] + t[4*16+m>>16&15]
		b += t[16+m>>4&15] + t[5*16+m>>20&15]
		c += t[2*16+m>>8&15] + t[6*16+m>>24&15]
		e += t[3*16+m>>12&15] + t[7*16+m>>28]
		s = s[8<<nibble:]
	}
	m := packed.Window(minus, i)
	for range n {
		a += s[m&15]
		s, m = s[1<<nibble:], m>>nibble
	}
	return a + b + (c + e)
}
