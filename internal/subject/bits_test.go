package subject

import (
	"math"
	"testing"
)

// options reads options by their scenario names.
type options map[string]any

func (o options) int(name string) float64   { return float64(o[name].(int64)) }
func (o options) float(name string) float64 { return o[name].(float64) }
func (o options) is(name string) bool       { return o[name].(bool) }

// or is an option of which 0 means another value.
func (o options) or(name string, zero float64) float64 {
	if v := o.int(name); v != 0 {
		return v
	}
	return zero
}

// groups is n·⌈d/G⌉, the groups of a matrix, of which 0 is the whole row.
func (o options) groups(n, d float64) float64 { return n * math.Ceil(d/o.or("group", d)) }

// rounded are the bits of a rounding grid (methods.md 4.1): a code a weight, a
// 16-bit scale and, unless symmetric, a zero of b bits a group.
func rounded(o options, n, d float64) float64 {
	b := o.int("bits")
	zero := b
	if o.is("symmetric") {
		zero = 0
	}
	return n*d*b + o.groups(n, d)*(16+zero)
}

// lowRankBits are those of a rank (4.6).
func lowRankBits(o options, n, d float64) float64 {
	r := math.Floor(o.float("bits") * n * d / (16 * (n + d)) * (1 + 1e-12))
	if o.int("rank") > 0 {
		r = o.int("rank")
	}
	return 16 * min(r, n, d) * (n + d)
}

// normalFloats are the bits of 4.3: 32 a block, or 8, and then 32 for every 256
// blocks and 32 for the offset.
func normalFloats(o options, b, n, d float64) float64 {
	blocks := math.Ceil(n * d / o.int("block"))
	if o.is("double-quant") {
		return n*d*b + 8*blocks + 32*math.Ceil(blocks/256) + 32
	}
	return n*d*b + 32*blocks
}

// pathBits are those of a path beside a base (4.3).
func pathBits(o options, n, d float64) float64 { return 16 * o.int("rank") * (n + d) }

// cellBits are those of rows of hashed cells with so many seeds (4.9).
func cellBits(o options, n, d, rows, seeds, signs float64) float64 {
	m := min(math.Floor(math.Floor((o.float("bits")*n*d-signs)/16)/rows), n*d)
	return 16*rows*o.or("cells", m) + 64*seeds + signs
}

func magnitudeBits(o options, n, d float64) float64 {
	signs := 0.0
	if o["signs"] == "carried" {
		signs = n * d
	}
	return cellBits(o, n, d, o.int("rows"), o.int("rows"), signs)
}

// formulas are the stored bits of an n×d matrix as methods.md writes them, for
// sizes at which no code is padded.
var formulas = map[string]func(o options, n, d float64) float64{
	"int4": rounded,
	"gptq": func(o options, n, d float64) float64 {
		bits := rounded(o, n, d)
		if o.is("act-order") && o["grid"] != "static" && o.or("group", d) < d {
			bits += 32 * d // a group index for every column (4.2)
		}
		return bits
	},
	"nf4": func(o options, n, d float64) float64 { return normalFloats(o, o.int("bits"), n, d) },
	// 2.7: b + 16·2^b·g/d.
	"sketchtune": func(o options, n, d float64) float64 {
		return n*d*o.int("bits") + 16*math.Exp2(o.int("bits"))*o.int("gpr")*n
	},
	"leanquant": func(o options, n, d float64) float64 {
		return n*d*o.int("bits") + 16*math.Exp2(o.int("bits"))*o.int("gpr")*n
	},
	// 4.5: 48 bits a weight kept apart, and 32 for every row and one more.
	"squeezellm": func(o options, n, d float64) float64 {
		bits := n*d*o.int("bits") + 16*math.Exp2(o.int("bits"))*n
		if kept := math.Floor(o.float("sparse") * n * d); kept > 0 {
			bits += 48*kept + 32*(n+1)
		}
		return bits
	},
	"lora":  func(o options, n, d float64) float64 { return 16*n*d + pathBits(o, n, d) },
	"qlora": func(o options, n, d float64) float64 { return normalFloats(o, 4, n, d) + pathBits(o, n, d) },
	"loftq": func(o options, n, d float64) float64 { return normalFloats(o, o.int("bits"), n, d) + pathBits(o, n, d) },
	// 4.7: 1 + c_s of payload, 1 - c_s of groups, 7 scalars a row and block, 1
	// bit a column.
	"billm": func(o options, n, d float64) float64 { return 2*n*d + 16*7*n*math.Ceil(d/o.int("block")) + d },
	// 8p + (1-p) and a mask: a bit for every weight, 7 more for the salient, which
	// end on a byte, and the mask; a 16-bit scale with an 8-bit zero and two
	// 16-bit scalars a row.
	"pbllm": func(o options, n, d float64) float64 {
		salient := math.Floor(o.float("salient") * n * d)
		return n*d + 8*math.Ceil(7*salient/8) + n*d + 56*n
	},
	// f·(1 sign + 2 region bits), the patterns, 9 scalars a row and block, 1
	// bit a column; log2 of the patterns of 1, 2, … of 8, rounded up.
	"stbllm": func(o options, n, d float64) float64 {
		pattern := []float64{0, 3, 5, 6, 7, 6, 5, 3, 0}[int(o.int("keep"))]
		return 3*n*d*o.int("keep")/8 + n*d/8*pattern + 16*9*n*math.Ceil(d/o.int("block")) + d
	},
	// 1 + 16(n+d)/(nd).
	"onebit": func(o options, n, d float64) float64 { return n*d + 16*(n+d) },
	// 3.7: the cells of R rows, a row ending on a byte, their seeds, the class map
	// and the class sizes, 16-bit scales of narrow cells, and a plane of signs; a
	// shared sketch is held by the method's own tests.
	"ultrasketch": func(o options, n, d float64) float64 {
		if o["scope"] != "matrix" {
			return math.NaN()
		}
		c, r, levels := o.int("cell"), o.int("rows"), o.int("levels")
		if o["reading"] == "S" {
			r *= 2
		}
		cells := min(math.Floor(math.Floor(o.float("bits")/levels*n*d/c)/r), n*d)
		columns, classes := d, 8.
		if t := o.int("tile"); t > 0 {
			columns = math.Ceil(d / t)
			classes = min(8, columns, max(1, math.Floor(cells/(2*o.int("window")))))
		}
		bits := 8*r*math.Ceil(cells*c/8) + 64*r + 8*math.Ceil(3*columns/8) + 32*classes
		if c < 16 {
			bits += 16 * r * classes
		}
		if o["reading"] == "B" {
			bits += n * 8 * math.Ceil(d/8)
		}
		return levels * bits
	},
	// 4.9: 16-bit cells, 64-bit seeds, and signs where they are carried apart.
	"hashednets": func(o options, n, d float64) float64 { return cellBits(o, n, d, 1, 2, 0) },
	"robe":       func(o options, n, d float64) float64 { return cellBits(o, n, d, 1, 4, 0) },
	"rzlinear": func(o options, n, d float64) float64 {
		if o["hash"] == "two-level" {
			return cellBits(o, n, d, 1, 7, 0)
		}
		return cellBits(o, n, d, 1, 4, 0)
	},
	"countsketch": func(o options, n, d float64) float64 { return cellBits(o, n, d, o.int("rows"), 2*o.int("rows"), 0) },
	"countmin":    magnitudeBits,
	"minmax":      magnitudeBits,
	"svd":         lowRankBits,
	"asvd":        lowRankBits,
	"svdllm":      lowRankBits,
}

// TestFormulas compares the bytes that methods store with the formulas of
// methods.md, exactly, at three shapes; TestStoredBytes compares them with what
// is in memory. Every method has a formula, or is named with the reason.
func TestFormulas(t *testing.T) {
	for i := range methods {
		m := &methods[i]
		f, ok := formulas[m.Name]
		if !ok {
			if m.Compress != nil && m.Source == nil {
				t.Errorf("%s: no formula", m.Name)
			}
			continue
		}
		held := 0
		for _, shape := range [][2]int{{256, 256}, {128, 512}, {768, 256}} {
			n, d := shape[0], shape[1]
			for _, o := range append(fixtureOf(t, m.Name).sizes, m.New()) {
				if m.CheckShape(o, n, d) != nil {
					continue
				}
				want := f(Params(o), float64(n), float64(d))
				if math.IsNaN(want) {
					continue
				}
				held++
				if got := 8 * float64(m.StoredBytes(o, n, d)); got != want {
					t.Errorf("%s %+v %d×%d: %v bits, the formula says %v", m.Name, o, n, d, got, want)
				}
			}
		}
		if held < 3 {
			t.Errorf("%s: the formula was held %d times, want three shapes", m.Name, held)
		}
	}
}
