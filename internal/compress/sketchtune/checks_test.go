package sketchtune

import (
	"math"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestCheck8Lossless: rows of at most 2^bits distinct values, here f16, are kept
// exactly by the starts that take them, whatever the factor.
func TestCheck8Lossless(t *testing.T) {
	const out, in = 17, 96
	w, h := problem(out, in)
	for i := range w {
		w[i] = float32(math.Round(float64(w[i]))) / 4 * float32(1+i/in)
		w[i] = min(max(w[i], -2), 2)
	}
	for r := range out {
		row := w[r*in : (r+1)*in]
		distinct := slices.Clone(row)
		slices.Sort(distinct)
		if n := len(slices.Compact(distinct)); n > 16 {
			t.Fatalf("row %d has %d values", r, n)
		}
	}
	o := DefaultOptions()
	f := factor(t, h, in, o)
	for _, start := range []kmeans.Start{kmeans.Histogram, kmeans.Exact, kmeans.Published, kmeans.PlusPlus} {
		for _, size := range [][2]int{{4, 1}, {4, 4}, {8, 1}, {2, 32}, {3, 96}} {
			// At 32 groups three columns share a table of 4, at 96 each has its own.
			gpr := size[1]
			o.Start, o.Bits, o.GPR = string(start), size[0], gpr
			_, what, d := compress(t, w, out, in, f, o)
			for i, x := range w {
				if what[i] != float64(x) {
					t.Fatalf("%s, gpr %d: weight %d is %v, want %v", start, gpr, i, what[i], x)
				}
			}
			if d.Inertia != 0 {
				t.Errorf("%s: inertia %v", start, d.Inertia)
			}
		}
	}
}

// TestCheck5OurPacking: codes lie densely, lowest bits first. The published
// files have a code in every half byte, the first in the high half.
func TestCheck5OurPacking(t *testing.T) {
	for _, c := range []struct {
		bits  int
		codes []uint8
		want  []byte
	}{
		{4, []uint8{1, 2, 3, 4}, []byte{0x21, 0x43}},
		{2, []uint8{0, 1, 2, 3}, []byte{0b11_10_01_00}},
		// 0 to 7 from the lowest bit up: 000 001 010 011 100 101 110 111.
		{3, []uint8{0, 1, 2, 3, 4, 5, 6, 7}, []byte{0b10_001_000, 0b1_100_011_0, 0b111_110_10}},
		{8, []uint8{200, 7}, []byte{200, 7}},
	} {
		got := make([]byte, packed.RowBytes(len(c.codes), c.bits))
		packed.PackRow(got, c.codes, c.bits)
		if !slices.Equal(got, c.want) {
			t.Errorf("%d bits: %#x, want %#x", c.bits, got, c.want)
		}
		back := make([]uint8, len(c.codes))
		packed.UnpackRow(back, got, len(back), c.bits)
		if !slices.Equal(back, c.codes) {
			t.Errorf("%d bits: %v came back as %v", c.bits, c.codes, back)
		}
	}
}

// TestCheck12Formula: bits + 16·2^bits·gpr/in, and a row's codes filled up to
// whole bytes, are the bytes of what Compress makes, in parts too.
func TestCheck12Formula(t *testing.T) {
	for _, shape := range [][2]int{{24, 172}, {5, 96}, {7, 30}, {3, 1}} {
		out, in := shape[0], shape[1]
		w, h := problem(out, in)
		f := factor(t, h, in, DefaultOptions())
		for _, bits := range widths {
			for _, gpr := range []int{1, 2, in} {
				o := DefaultOptions()
				o.Bits, o.GPR = bits, gpr
				if CheckShape(o, out, in) != nil {
					continue
				}
				p, _, _ := compress(t, w, out, in, f, o)
				var parts int64
				for _, part := range p.Parts() {
					parts += int64(len(part.Data))
				}
				rowBits := float64(bits*in + 16*(1<<bits)*gpr)
				rowBits += float64((8 - bits*in%8) % 8)
				want := int64(float64(out) * rowBits / 8)
				if StoredBytes(o, out, in) != want || p.Bytes() != want || parts != want {
					t.Errorf("%d×%d, %d bits, gpr %d: formula %d, StoredBytes %d, stored %d, parts %d", out, in, bits, gpr, want, StoredBytes(o, out, in), p.Bytes(), parts)
				}
			}
		}
	}
	if got := storedBits(DefaultOptions(), 4096, 4096); got != 4.0625 {
		t.Errorf("4096×4096 at 4 bits: %v, want 4.0625", got)
	}
}

// TestCheck20EqualTrainables: on a square matrix the tables of 4 bits hold as
// many values as factors of rank 8.
func TestCheck20EqualTrainables(t *testing.T) {
	const n = 256
	o := DefaultOptions()
	values := len(Draw(o, n, n, newRand()).Table)
	lowrank := &packed.LowRank{Out: n, In: n, Rank: 8}
	if got := math.Round(float64(values) / float64(n+n)); got != 8 || values != lowrank.Rank*(lowrank.Out+lowrank.In) {
		t.Errorf("%d values, those of rank %v", values, got)
	}
}

// TestCheck23Ratios: total to trainable parameters of Llama-2-7B at 4 bits, and
// those of adapters of rank 64 to those of one table a row.
func TestCheck23Ratios(t *testing.T) {
	const hidden, mlp, depth, vocabulary = 4096, 11008, 32, 32000
	shapes := llama(hidden, hidden, mlp)
	var rows, linear, adapters float64
	for _, s := range shapes {
		rows += depth * float64(s[0])
		linear += depth * float64(s[0]*s[1])
		adapters += depth * 64 * float64(s[0]+s[1])
	}
	total := linear + 2*hidden*vocabulary + (2*depth+1)*hidden
	if total != 6738415616 {
		t.Fatalf("%v parameters", total)
	}
	for gpr, want := range map[int]float64{1: 309.7, 4: 77.4, 8: 38.7} {
		o := DefaultOptions()
		o.GPR = gpr
		perRow := float64(len(Draw(o, 1, hidden, newRand()).Table))
		if got := math.Round(10*total/(rows*perRow)) / 10; got != want {
			t.Errorf("gpr %d: %v, want %v", gpr, got, want)
		}
	}
	if got := math.Round(100*adapters/(rows*16)) / 100; adapters != 159907840 || got != 7.35 {
		t.Errorf("adapters of %v values, ratio %v", adapters, got)
	}
}
