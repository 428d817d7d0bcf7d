package sketchtune

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// tableSize is the number of entries of the largest table of codes of at most 4
// bits, wideSize of one of codes of 8.
const (
	tableSize = 16
	wideSize  = 256
)

// nearest finds the nearest entries of a codebook's tables, which ascend.
type nearest struct {
	groups, group int
	bits          int
	values        []float32 // tables widened, out×G×2^bits
	// mids holds, for every entry of a table that has a next, the middle
	// between it and the next that differs, and +Inf for the others, in the
	// form of order: out×G tables. A middle that is no float32 is rounded
	// down, which parts the float32 values in the same way.
	mids [][tableSize]int32
	wide [][wideSize]int32 // the same for codes of 8 bits
}

func newNearest(p *packed.Codebook) *nearest {
	n := &nearest{groups: p.Groups(), group: p.Group, bits: p.Bits, values: make([]float32, len(p.Table))}
	for i, h := range p.Table {
		n.values[i] = packed.F16ToF32(h)
	}
	tables, size := p.Out*p.Groups(), 1<<p.Bits
	if size > tableSize {
		n.wide = make([][wideSize]int32, tables)
		for t := range n.wide {
			middles(n.wide[t][:], n.values[t*size:(t+1)*size])
		}
		return n
	}
	n.mids = make([][tableSize]int32, tables)
	for t := range n.mids {
		middles(n.mids[t][:], n.values[t*size:(t+1)*size])
	}
	return n
}

// middles fills the middles of a table.
func middles(mids []int32, values []float32) {
	for i := len(mids) - 1; i >= 0; i-- {
		switch {
		case i >= len(values)-1:
			mids[i] = order(float32(math.Inf(1)))
		case values[i] == values[i+1]:
			mids[i] = mids[i+1]
		default:
			mids[i] = order(middle(values[i], values[i+1]))
		}
	}
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

// order maps a float32 to an integer that compares like it. Both zeros give
// the same.
func order(f float32) int32 {
	b := int32(math.Float32bits(f + 0)) // -0 + 0 is +0
	return b ^ int32(uint32(b>>31)>>1)
}

// rounder returns the compensate.Rounder of the width of the codes.
func (n *nearest) rounder() compensate.Rounder {
	if n.wide != nil {
		return n.roundWide
	}
	return n.round
}

// round is a compensate.Rounder: the nearest entry, of several the first. The
// code of a weight is the number of middles that lie below it. It is found by
// bisection without branches, which no processor could predict.
func (n *nearest) round(r, c int, w []float32, codes []uint8, values []float32) {
	t := r*n.groups + c/n.group
	codes, values = codes[:len(w)], values[:len(w)]
	for i, x := range w {
		o, mids := int64(order(x)), &n.mids[t]
		// A difference is negative, and its sign all ones, if the middle is
		// below the weight.
		code := (int64(mids[7]) - o) >> 63 & 8
		code += (int64(mids[code+3]) - o) >> 63 & 4
		code += (int64(mids[code+1]) - o) >> 63 & 2
		code += (int64(mids[code&(tableSize-1)]) - o) >> 63 & 1
		codes[i], values[i] = uint8(code), n.values[t<<n.bits+int(code)]
		t += n.groups
	}
}

// roundWide is round for codes of 8 bits.
func (n *nearest) roundWide(r, c int, w []float32, codes []uint8, values []float32) {
	t := r*n.groups + c/n.group
	codes, values = codes[:len(w)], values[:len(w)]
	for i, x := range w {
		o, mids := int64(order(x)), &n.wide[t]
		var code int64
		for half := int64(wideSize / 2); half > 0; half /= 2 {
			code += (int64(mids[(code+half-1)&(wideSize-1)]) - o) >> 63 & half
		}
		codes[i], values[i] = uint8(code), n.values[t<<n.bits+int(code)]
		t += n.groups
	}
}
