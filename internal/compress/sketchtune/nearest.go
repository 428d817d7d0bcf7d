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
	// mids holds the middle between an entry and the next: out×G×2^bits, the
	// last of a table +Inf. The sum of two f16 values has at most 42
	// significant bits, so it is exact.
	mids []float64
}

func newNearest(p *packed.Codebook) *nearest {
	n := &nearest{groups: p.Groups(), group: p.Group, bits: p.Bits,
		values: make([]float32, len(p.Table)), mids: make([]float64, len(p.Table))}
	for i, h := range p.Table {
		n.values[i] = packed.F16ToF32(h)
	}
	for i := range n.mids {
		if (i+1)&(1<<p.Bits-1) == 0 {
			n.mids[i] = math.Inf(1)
			continue
		}
		n.mids[i] = (float64(n.values[i]) + float64(n.values[i+1])) / 2
	}
	return n
}

// round is a compensate.Rounder: the nearest entry, of several the first.
func (n *nearest) round(r, c int, w float32) (uint8, float32) {
	first := (r*n.groups + c/n.group) << n.bits
	size := 1 << n.bits
	mids, values := n.mids[first:first+size], n.values[first:first+size]
	x, code := float64(w), 0
	for step := size / 2; step > 0; step /= 2 {
		if x > mids[code+step-1] {
			code += step
		}
	}
	v := values[code]
	for code > 0 && values[code-1] == v {
		code--
	}
	return uint8(code), v
}
