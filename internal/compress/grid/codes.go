package grid

import (
	"math"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Codes sets dst[i] to Code(w[i]), much faster. The scale must be an f16 value
// as from New16, dst as long as w, and every |w[i]| below 2¹¹ scales: Clip leaves
// weights up to 255/0.21, or 1.5 times as many where the scale is subnormal. The
// instruction set, which the machine must have, changes no code.
//
// It multiplies by 1/Scale instead of dividing. The product misses the quotient
// by at most 2⁻⁵² of it, less than 2⁻⁴¹. An f16 scale has at most 11 significant
// bits and a weight 24, so a quotient other than half an odd number is 2⁻²⁶ or
// more away from the next such number; and rounding the product to multiples of
// 2⁻⁴⁰ brings a quotient that is half an odd number back to where it belongs.
// Then half goes to even as in Code.
func (g Grid) Codes(isa gemm.ISA, dst []uint8, w []float32) {
	dst = dst[:len(w)]
	n := g.codesFast(isa, dst, w)
	g.codesGeneric(dst[n:], w[n:])
}

// snap is where float64 values are 2⁻⁴⁰ apart: adding and subtracting it
// rounds to a multiple of that.
const snap = 1.5 * (1 << 12)

func (g Grid) codesGeneric(dst []uint8, w []float32) {
	const integer = 1.5 * (1 << 52) // values are 1 apart
	inverse, zero, top := 1/g.Scale, int32(g.Zero), int32(g.Max)
	for i, v := range w {
		x := float64(float64(v)*inverse) + snap
		q := int32(math.Float64bits(x - snap + integer)) // low bits of a two's complement
		dst[i] = uint8(min(max(q+zero, 0), top))
	}
}

// Range returns the least and the largest of the weights and 0, and the index
// of the first weight that is not finite, or -1. The instruction set, which the
// machine must have, makes no difference.
//
// It compares bit patterns. As signed numbers those of values above 0 are in
// their order and others below; as unsigned numbers those of values below 0
// are in the order of their magnitudes and others below. Values that are not
// finite are behind all others of their sign.
func Range(isa gemm.ISA, w []float32) (lo, hi float32, bad int) {
	const infinity = 0x7f800000
	n, up, down := extremesFast(isa, w)
	for _, v := range w[n:] {
		b := math.Float32bits(v)
		up, down = max(up, int32(b)), max(down, b)
	}
	if up >= infinity || down >= infinity|1<<31 {
		for i, v := range w {
			if v-v != 0 {
				return 0, 0, i
			}
		}
	}
	if down > 1<<31 { // -0 and what is not below 0 stay out
		lo = math.Float32frombits(down)
	}
	return lo, math.Float32frombits(uint32(up)), -1
}
