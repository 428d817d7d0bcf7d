package cpu

import (
	"unsafe"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// gridRows holds the scales and zeros of some rows of a grid as float32.
type gridRows struct {
	groups int
	scale  *[]float32 // rows×groups
	zeros  *[]float32 // rows×groups, or one row for all if they are symmetric
	shared bool
}

// newGridRows widens the scales and zeros of n rows from r0 on, a multiple of
// 8.
func newGridRows(d *Device, w *packed.Grid, r0, n int) gridRows {
	g := gridRows{groups: w.Groups(), shared: w.Symmetric}
	g.scale = scratch(n * g.groups)
	d.leaf.widenF16(*g.scale, w.Scale[r0*g.groups:(r0+n)*g.groups])
	if w.Symmetric {
		g.zeros = scratch(g.groups)
		for i := range *g.zeros {
			(*g.zeros)[i] = float32(w.ZeroAt(0, 0))
		}
		return g
	}
	g.zeros = scratch(n * g.groups)
	d.unpackCodes(*g.zeros, w.Zero[r0*g.groups*w.Bits/8:], w.Bits)
	return g
}

// row returns the scales and zeros of a row, counted from r0.
func (g *gridRows) row(r int) (scale, zero []float32) {
	lo, hi := r*g.groups, (r+1)*g.groups
	if g.shared {
		return (*g.scale)[lo:hi], *g.zeros
	}
	return (*g.scale)[lo:hi], (*g.zeros)[lo:hi]
}

func (g *gridRows) release() {
	release(g.scale)
	release(g.zeros)
}

// widenF16 converts len(dst) f16 values.
func (l *leaves) widenF16(dst []float32, src []uint16) {
	n := 0
	if eights := len(dst) / 8; eights > 0 && l.widen != nil {
		l.widen(unsafe.SliceData(dst), unsafe.SliceData(src[:8*eights]), eights)
		n = 8 * eights
	}
	for ; n < len(dst); n++ {
		dst[n] = packed.F16ToF32(src[n])
	}
}

// unpackCodes converts len(dst) packed codes.
func (d *Device) unpackCodes(dst []float32, src []byte, bits int) {
	if d.leaf.unpack != nil && bits <= 4 && len(src) >= 4 {
		// The kernel reads four bytes for every eight codes.
		if eights := min(len(dst)/8, (len(src)-4)/bits+1); eights > 0 {
			d.leaf.unpack(unsafe.SliceData(dst), unsafe.SliceData(src), eights, bits)
			dst, src = dst[8*eights:], src[bits*eights:]
		}
	}
	var c [64]uint8
	for len(dst) > 0 {
		n := min(len(dst), len(c))
		packed.UnpackRow(c[:], src, n, bits)
		for i := range n {
			dst[i] = float32(c[i])
		}
		dst, src = dst[n:], src[packed.RowBytes(n, bits):]
	}
}
