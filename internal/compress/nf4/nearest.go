package nf4

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// most is the number of middles between the levels of NF4.
const most = 15

// nearest finds the nearest levels of weights: the code of a weight is the
// number of middles between neighbouring levels, times the scale, that lie
// below it.
type nearest struct {
	isa     gemm.ISA
	middles []float64 // of the levels, exact
	zero    int       // the code of the level 0
	// scaled holds the middles times the scale of a block, rounded down to
	// float32, which parts the float32 values in the same way.
	scaled [most]float32
}

func newNearest(isa gemm.ISA, bits int) *nearest {
	n := &nearest{isa: isa}
	levels := packed.NormalFloat(bits)
	for i, l := range levels[:len(levels)-1] {
		if l == 0 {
			n.zero = i
		}
		n.middles = append(n.middles, (float64(l)+float64(levels[i+1]))/2)
	}
	return n
}

// row writes the codes of row r, in codes and in p.
func (n *nearest) row(p *packed.Levels, codes []uint8, w []float32, r int) {
	for c := 0; c < p.In; {
		block := (r*p.In + c) / p.Block
		end := min(p.In, (block+1)*p.Block-r*p.In)
		n.scale(p.Absmax[block])
		n.codes(codes[c:end], w[c:end])
		c = end
	}
	rb := packed.RowBytes(p.In, p.Bits)
	packed.PackRow(p.Codes[r*rb:(r+1)*rb], codes, p.Bits)
}

// scale sets the middles for a block. The product of a middle, of at most 26
// bits, and a float32 is exact. In a block of zeros the middles are such that
// 0 has its code.
func (n *nearest) scale(absmax float32) {
	if absmax == 0 {
		for i := range n.middles {
			n.scaled[i] = float32(1)
			if i < n.zero {
				n.scaled[i] = -1
			}
		}
		return
	}
	if absmax < smallestNormal {
		n.scaleSmall(absmax)
		return
	}
	// The 29 bits that a float32 lacks are cut off, which rounds magnitudes
	// down; those of values below 0 are rounded up.
	const lacking = 1<<29 - 1
	for i, m := range n.middles {
		b := math.Float64bits(m * float64(absmax))
		b += uint64(int64(b)>>63) & lacking
		n.scaled[i] = float32(math.Float64frombits(b &^ lacking))
	}
}

// smallestNormal is a scale whose products with all middles, which are above
// 2^-5 in magnitude, are normal float32 values.
const smallestNormal = 0x1p-120

// scaleSmall is scale for any scale above 0.
func (n *nearest) scaleSmall(absmax float32) {
	for i, m := range n.middles {
		exact := m * float64(absmax)
		t := float32(exact)
		if float64(t) > exact {
			t = math.Nextafter32(t, float32(math.Inf(-1)))
		}
		n.scaled[i] = t
	}
}

// codes sets dst[i] to the number of middles below w[i].
func (n *nearest) codes(dst []uint8, w []float32) {
	done := n.codesFast(dst, w)
	n.codesGeneric(dst[done:], w[done:])
}

func (n *nearest) codesGeneric(dst []uint8, w []float32) {
	for i, x := range w {
		var code uint8
		for _, t := range n.scaled[:len(n.middles)] {
			if x > t {
				code++
			}
		}
		dst[i] = code
	}
}
