package sketchtune

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// nearest finds the nearest entries of a codebook's tables, which ascend.
type nearest struct {
	groups, group int
	bits          int
	values        []float32 // tables widened, out×G×2^bits
	// mids holds, for an entry and the next that differs, the middle between
	// them: out×G×2^bits, +Inf where none differs. A middle that is no float32
	// is rounded down, which parts the float32 values in the same way.
	mids []float32
}

func newNearest(p *packed.Codebook) *nearest {
	n := &nearest{groups: p.Groups(), group: p.Group, bits: p.Bits,
		values: make([]float32, len(p.Table)), mids: make([]float32, len(p.Table))}
	for i, h := range p.Table {
		n.values[i] = packed.F16ToF32(h)
	}
	for i := len(n.mids) - 1; i >= 0; i-- {
		switch {
		case (i+1)&(1<<p.Bits-1) == 0:
			n.mids[i] = float32(math.Inf(1))
		case n.values[i] == n.values[i+1]:
			n.mids[i] = n.mids[i+1]
		default:
			n.mids[i] = middle(n.values[i], n.values[i+1])
		}
	}
	return n
}

// middle returns the middle of two f16 values, rounded down. Their sum has at
// most 42 significant bits, so it is exact in float64.
func middle(a, b float32) float32 {
	exact := (float64(a) + float64(b)) / 2
	m := float32(exact)
	if float64(m) > exact {
		m = math.Nextafter32(m, float32(math.Inf(-1)))
	}
	return m
}

// round is a compensate.Rounder: the nearest entry, of several the first. The
// code of a weight is the number of middles that lie below it, by bisection.
func (n *nearest) round(r, c int, w []float32, codes []uint8, values []float32) {
	stride := n.groups << n.bits
	first := r*stride + c/n.group<<n.bits
	half := 1 << n.bits / 2
	codes, values = codes[:len(w)], values[:len(w)]
	for i, x := range w {
		mids := n.mids[first : first+2*half]
		code := 0
		for step := half; step > 0; step >>= 1 {
			next := code + step
			if x > mids[next-1] {
				code = next
			}
		}
		codes[i], values[i] = uint8(code), n.values[first+code]
		first += stride
	}
}
