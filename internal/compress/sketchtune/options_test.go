package sketchtune

import (
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestWeights: with a diagonal H, [H⁻¹]_jj is U_jj², so that the paper's
// weights at an exponent of 2 are the code's at 4. With another H, they differ.
func TestWeights(t *testing.T) {
	const out, in = 13, 96
	w, h := problem(out, in)
	diagonal := make([]float32, in*in)
	for j := range in {
		diagonal[j*in+j] = h[j*in+j]
	}
	o := DefaultOptions()
	o.Exponent = 4
	paper := o
	paper.Weights, paper.Exponent = Diag, 2
	f := factor(t, diagonal, in, o)
	a, b := sampleWeights(f, o), sampleWeights(f, paper)
	for j := range a {
		// U_jj is a float32: four times its rounding, and a few of float64.
		if !quanttest.Close(a[j], b[j], 4*0x1p-24) {
			t.Fatalf("weight %d: %v by U, %v by the diagonal", j, a[j], b[j])
		}
	}
	f = factor(t, h, in, o)
	x, _, _ := compress(t, w, out, in, f, o)
	if y, _, _ := compress(t, w, out, in, f, paper); sameParts(x, y) {
		t.Error("H that is not diagonal: the same result with both kinds of weights")
	}
	largest := Options{Bits: 4, GPR: 1, Exponent: largestExponent, Weights: Diag, Start: string(kmeans.Histogram)}
	for j := range in {
		diagonal[j*in+j] = float32(math.Pow(10, -35+70*float64(j)/in))
	}
	for j, v := range sampleWeights(factor(t, diagonal, in, largest), largest) {
		if !(v >= 1e-200 && v <= 1) {
			t.Fatalf("weight %d is %v", j, v)
		}
	}
}

// TestWide: at 8 bits every code is the nearest entry, and the default start's
// inertia is that of the optimum to 1 %.
func TestWide(t *testing.T) {
	const out, in = 5, 2048
	w := make([]float32, out*in)
	rnd := newRand()
	for i := range w {
		w[i] = float32(rnd.NormFloat64() / rnd.ExpFloat64())
	}
	h := make([]float32, in*in)
	for j := range in {
		h[j*in+j] = 1 + float32(j*37%in)
	}
	o := DefaultOptions()
	o.Bits = 8
	p, what, d := compress(t, w, out, in, factor(t, h, in, o), o)
	if !d.HasOverOptimum || !(d.OverOptimum >= 1-1e-9 && d.OverOptimum <= 1.01) {
		t.Errorf("%v of the least inertia", d.OverOptimum)
	}
	for i, x := range w {
		best := math.Inf(1)
		for _, v := range p.Table[i/in<<8:][:256] {
			best = min(best, math.Abs(at(v)-float64(x)))
		}
		if math.Abs(what[i]-float64(x)) != best {
			t.Fatalf("weight %d, %v: entry %v, the nearest is %v away", i, x, what[i], best)
		}
	}
}

// TestCheck21Fit: the most groups a row within the bytes, and the least that fits
// none; at the bits B of g groups the solver g = (B-b)·d/(16·2^b) gives g back.
func TestCheck21Fit(t *testing.T) {
	o := DefaultOptions()
	for _, bits := range widths {
		for _, g := range divisors(4096) {
			o.Bits, o.GPR = bits, g
			solved := (storedBits(o, 64, 4096) - float64(bits)) * 4096 / (16 * float64(int(1)<<bits))
			if got, err := Fit(o, 64, 4096, StoredBytes(o, 64, 4096)); err != nil || got.GPR != g || solved != float64(g) {
				t.Errorf("%d bits, %d groups: Fit gives %d, %v, the formula %v", bits, g, got.GPR, err, solved)
			}
		}
	}
	o = DefaultOptions()
	// A row of 172: 86 bytes of codes and 32 for each table; divisors 1, 2, 4, 43.
	for target, want := range map[int64]int{10 * 118: 1, 10*150 - 1: 1, 10 * 150: 2, 10 * 214: 4, 10*1462 - 1: 4, 10 * 1462: 43, 1 << 40: 172} {
		got, err := Fit(o, 10, 172, target)
		if err != nil || got.GPR != want {
			t.Errorf("%d bytes: gpr %d, %v, want %d", target, got.GPR, err, want)
		}
	}
	const want = "1179 bytes are too few for one table a row of a 10×172 matrix at 4 bits, which takes 1180"
	if _, err := Fit(o, 10, 172, 1179); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	o.Refit = true
	if got, err := Fit(o, 10, 172, 1<<40); err != nil || got.GPR != 43 {
		t.Errorf("with refit: gpr %d, %v, want 43", got.GPR, err)
	}
	o.GPR = 86
	if err := CheckShape(o, 10, 172); err == nil || err.Error() != "refit: 1376 table entries in a row, want at most 1024: a gpr of 1 to 64" {
		t.Errorf("error %v", err)
	}
}

// TestLeanQuant: the published options.
func TestLeanQuant(t *testing.T) {
	want := Options{Bits: 4, GPR: 1, Exponent: 4, Damp: 0.1, ActOrder: true, Start: "published", Weights: "U"}
	if o := LeanQuantOptions(); o != want || Check(o) != nil {
		t.Errorf("%+v, faults %v", o, Check(o))
	}
}

// TestOddShapes: rows that are constant or zero, width 1, and groups of one
// column are kept to the rounding of a table entry.
func TestOddShapes(t *testing.T) {
	for _, in := range []int{1, 2, 6} {
		w := make([]float32, 3*in)
		for c := range in {
			w[in+c], w[2*in+c] = 0.7, float32(c)-1.25
		}
		_, h := problem(1, in)
		for _, gpr := range []int{1, in} {
			for _, start := range kmeans.Starts() {
				o := DefaultOptions()
				o.GPR, o.Start, o.Refit = gpr, string(start), true
				p, _, err := Compress(gemmConfig, w, 3, in, factor(t, h, in, o), h, o)
				if err != nil {
					t.Fatal(err)
				}
				what := make([]float32, len(w))
				p.Dequantize(what, 0, 3)
				for i, x := range w {
					if want := packed.F16ToF32(packed.F32ToF16(x)); what[i] != want {
						t.Errorf("width %d, gpr %d, %s: weight %d is %v, want %v", in, gpr, start, i, what[i], want)
					}
				}
			}
		}
	}
}

// TestDiagnostics: a table of 16 entries over 6 columns has 10 to spare.
func TestDiagnostics(t *testing.T) {
	const out, in = 4, 6
	w, h := problem(out, in)
	h[2*in+2] = 0
	for j := range in {
		h[2*in+j], h[j*in+2] = 0, 0
	}
	o := DefaultOptions()
	_, _, d := compress(t, w, out, in, factor(t, h, in, o), o)
	notes := map[string]float64{}
	d.Note(func(metric string, v float64) { notes[metric] = v })
	if notes["unused_codes"] != 10./16 || notes["kmeans_over_optimum"] != 1 || notes["dead_channels"] != 1 || !(notes["damping"] > 0) || len(notes) != 6 {
		t.Errorf("%v", notes)
	}
}
