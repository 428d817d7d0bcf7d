package stbllm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/binarize"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A reference is a case of binary.json, which numpy made.
type reference struct {
	EF float64 `json:"e_F"`
	EH float64 `json:"e_H"`
}

func factor(t testing.TB, h []float64, d int, o Options) *compensate.Factor {
	t.Helper()
	f, err := compensate.NewFactor(gemm.Config{}, quanttest.Narrow(h), d, o.FactorOptions())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// identity is the H that moves no error.
func identity(d int) []float64 {
	h := make([]float64, d*d)
	for j := range d {
		h[j*d+j] = 1
	}
	return h
}

// squares returns the diagonal of H, E[x²] but for a factor.
func squares(h []float64, d int) []float64 {
	v := make([]float64, d)
	for j := range v {
		v[j] = h[j*d+j]
	}
	return v
}

func compress(t testing.TB, w []float32, out, in int, h []float64, o Options) (*packed.Binary, binarize.Diagnostics) {
	t.Helper()
	p, d, err := Compress(gemm.Config{}, w, out, in, squares(h, in), factor(t, h, in, o), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p, d
}

func dequantized(w packed.Weight) []float64 {
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	return quanttest.Widen(v)
}

// TestReference compares errors with numpy's, within what moving errors in
// float32 changes (see TestReference of billm).
func TestReference(t *testing.T) {
	s := quanttest.Copied(t)
	refs, _ := quanttest.Results[reference](t, s, "binary")
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		compare := func(label string, o Options) {
			p, _ := compress(t, m.W, m.Out, m.In, m.H, o)
			want, ok := refs[name+".stbllm."+label]
			if !ok {
				t.Fatalf("no reference for %s %s", name, label)
			}
			what := dequantized(p)
			if e := m.RelativeFrobenius(what); !quanttest.Close(e, want.EF, 1e-3) {
				t.Errorf("%s %s: e_F %v, want %v", name, label, e, want.EF)
			}
			if e := m.Weighted(what); !quanttest.Close(e, want.EH, 1e-3) {
				t.Errorf("%s %s: e_H %v, want %v", name, label, e, want.EH)
			}
		}
		for _, keep := range []int{4, 6} {
			for _, importance := range importances {
				o := DefaultOptions()
				o.Keep, o.Importance = keep, importance
				compare(fmt.Sprintf("%d.%s", keep, importance), o)
			}
		}
		o := DefaultOptions()
		o.CompensatePruning = true
		compare("4.move", o)
	}
}

// TestCompensation: moving errors lowers the H-weighted error. With a factor of
// H = I none are moved, and by magnitude the searches do not depend on H.
func TestCompensation(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		o := DefaultOptions()
		o.Saliency = binarize.Magnitude
		var e [2]float64
		for i, h := range [][]float64{m.H, identity(m.In)} {
			p, _, err := Compress(gemm.Config{}, m.W, m.Out, m.In, squares(m.H, m.In), factor(t, h, m.In, o), o)
			if err != nil {
				t.Fatal(err)
			}
			e[i] = m.Weighted(dequantized(p))
		}
		if !(e[0] < e[1]) {
			t.Errorf("%s: e_H %v with compensation, %v without", name, e[0], e[1])
		}
	}
}

// TestScores works the importances of a row of 4 weights. Over the column sums
// 2 2 4 8 and the row sum 8 the weights 1 -1 2 4 have the shares ½+⅛ ½+⅛ ½+¼
// ½+½; mean squares of 16 0 1 1 make norms of 4 0 1 1, and channel 1 is dead.
func TestScores(t *testing.T) {
	norm, row, columns := norms([]float64{16, 0, 1, 1}), []float32{1, -1, 2, 4}, []float64{2, 2, 4, 8}
	got := make([]float64, 4)
	dead := math.Inf(-1)
	// Shares .625 .625 .75 1: mean .75, squares 2/64 + 1/16 = 3/32, deviation
	// of 3 degrees √(1/32) = 0.17678.
	z := math.Sqrt(1./32) + 1e-5
	for _, c := range []struct {
		importance string
		want       []float64
	}{
		{Wanda, []float64{4, dead, 2, 4}},
		{Relative, []float64{1.25, dead, 0.75, 1}},
		{Standardised, []float64{4 * -0.125 / z, dead, 0, 0.25 / z}},
	} {
		Options{Importance: c.importance}.scores(got, row, columns, norm)
		for j := range got {
			if got[j] != c.want[j] && !(math.Abs(got[j]-c.want[j]) <= 1e-12) {
				t.Errorf("%s: %v, want %v", c.importance, got, c.want)
				break
			}
		}
	}
}

// TestKeepRow: the highest of every 8, of equals the first; of 3 that are
// left ⌈3·4/8⌉ = 2.
func TestKeepRow(t *testing.T) {
	kept := make([]bool, 11)
	keepRow(kept, []float64{5, 1, 5, 1, 1, 9, 0, 5, 2, 1, 2}, 4)
	want := []bool{true, false, true, false, false, true, false, true, true, false, true}
	if !slices.Equal(kept, want) {
		t.Errorf("%v, want %v", kept, want)
	}
	clear(kept)
	keepRow(kept[:8], []float64{1, 1, 1, 1, 1, 1, 1, 1}, 3)
	if !slices.Equal(kept[:8], []bool{true, true, true, false, false, false, false, false}) {
		t.Errorf("equals: %v", kept)
	}
}

// TestExact: a matrix of the form, whose other half is 0, is found again
// without error: of columns 0, 2, …, 30 of each 32, 2 and 18 are salient, and the
// rest are ±1, ±2 and ±4 in equal numbers; by w², 4 and its double 8 part them.
func TestExact(t *testing.T) {
	const out, in = 4, 64
	w := make([]float32, out*in)
	for i := range w {
		if i%2 == 1 {
			continue
		}
		w[i] = []float32{1, 40, -1, 2, -2, 4, -4, 4, -4, -24, 4, -4, 2, -2, 1, -1}[i%in%32/2]
		if i/in%2 == 1 {
			w[i] = -w[i]
		}
	}
	o := DefaultOptions()
	o.Block = 32
	p, d := compress(t, w, out, in, identity(in), o)
	for i, v := range dequantized(p) {
		if v != float64(w[i]) {
			t.Fatalf("[%d,%d] is %v, was %v", i/in, i%in, v, w[i])
		}
	}
	if d.Salient != 1./16 {
		t.Errorf("%+v, want 4 of 64 columns salient", d)
	}
}

// TestPruned: what is pruned is 0, and nothing else is.
func TestPruned(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Gauss)
	for keep := 1; keep <= 8; keep++ {
		o := DefaultOptions()
		o.Keep = keep
		p, _ := compress(t, m.W, m.Out, m.In, m.H, o)
		for g, what := 0, dequantized(p); g < len(what); g += 8 {
			zeros := 0
			for i := g; i < g+8; i++ {
				if what[i] == 0 {
					zeros++
				}
			}
			if zeros != 8-keep {
				t.Fatalf("keep %d: %d zeros of 8", keep, zeros)
			}
		}
	}
}

// TestCheck12Bits counts the bytes of results against 3·f + ⌈log2 C(8,N)⌉/8 +
// 16·9/128 + 1/n where patterns and blocks are full, and of 300 columns
// against 37 patterns, one of 4 columns of which ⌈N/2⌉ are kept, and 3 blocks.
func TestCheck12Bits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	places := map[int]float64{1: 3, 2: 5, 3: 6, 4: 7, 5: 6, 6: 5, 7: 3, 8: 0} // ⌈log2⌉ of 8 28 56 70 56 28 8 1
	rests := map[int]float64{1: 2, 2: 3, 3: 2, 4: 0}                          // of 4 6 4 1
	bytes := func(bits float64) float64 { return math.Ceil(bits / 8) }
	for keep := 1; keep <= 8; keep++ {
		for _, shape := range [][2]int{{64, 256}, {40, 128}, {16, 300}} {
			out, in := shape[0], shape[1]
			n, d := float64(out), float64(in)
			want := n * d * (3*float64(keep)/8 + places[keep]/8 + 16*9./128 + 1/n)
			if in == 300 {
				kept := float64(37*keep + (keep+1)/2)
				want = 8 * (3*bytes(n*kept) + bytes(n*(37*places[keep]+rests[(keep+1)/2])) + bytes(d) + n*3*18)
			}
			w := make([]float32, out*in)
			for i := range w {
				w[i] = float32(rng.NormFloat64())
			}
			o := DefaultOptions()
			o.Keep = keep
			p, _ := compress(t, w, out, in, identity(in), o)
			var parts int64
			for _, part := range p.Parts() {
				parts += int64(len(part.Data))
			}
			if 8*float64(p.Bytes()) != want || p.Bytes() != StoredBytes(o, out, in) || parts != p.Bytes() {
				t.Errorf("%d of 8, %d×%d: %d bytes, parts %d, formula %d, want %v bits", keep, out, in, p.Bytes(), parts, StoredBytes(o, out, in), want)
			}
			if dr := Draw(o, out, in, rng); dr.Bytes() != p.Bytes() || dr.Check() != nil {
				t.Errorf("%d of 8: drawn %d bytes, %v", keep, dr.Bytes(), dr.Check())
			}
			fitted, err := Fit(DefaultOptions(), out, in, p.Bytes())
			if more := fitted; err != nil || StoredBytes(fitted, out, in) > p.Bytes() || fitted.Keep < keep {
				more.Keep++
				t.Errorf("%d bytes fit %d of 8, %v", p.Bytes(), fitted.Keep, err)
			} else if more.Keep++; more.Keep <= 8 && StoredBytes(more, out, in) <= p.Bytes() {
				t.Errorf("%d bytes fit %d of 8 too", p.Bytes(), more.Keep)
			}
		}
	}
	if _, err := Fit(DefaultOptions(), 64, 256, 10); err == nil || !strings.HasPrefix(err.Error(), "10 bytes are too few for 1 of 8") {
		t.Error(err)
	}
}

// TestNominal holds the paper's figures.
func TestNominal(t *testing.T) {
	for keep, want := range map[int]float64{6: 0.8, 5: 0.7, 4: 0.55, 2: 0.3} {
		if got := Nominal(Options{Keep: keep}); got != want {
			t.Errorf("%d:8 is %v, want %v", keep, got, want)
		}
	}
}

// TestHardShapes: widths of 1 and of blocks and a rest, rows of zeros and of
// one value, dead channels, equal magnitudes: all finite, and zeros stay zeros.
func TestHardShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][2]int{{1, 1}, {5, 1}, {1, 9}, {7, 130}, {3, 257}} {
		for _, fill := range []string{"normal", "zero", "constant", "equal magnitudes"} {
			for _, importance := range importances {
				out, in := shape[0], shape[1]
				w := make([]float32, out*in)
				for i := range w {
					switch fill {
					case "normal":
						w[i] = float32(rng.NormFloat64())
					case "constant":
						w[i] = 0.5
					case "equal magnitudes":
						w[i] = float32(rng.IntN(2)) - 0.5
					}
				}
				h := identity(in)
				h[0] = 0 // a dead channel
				o := DefaultOptions()
				o.Importance = importance
				p, _ := compress(t, w, out, in, h, o)
				for i, v := range dequantized(p) {
					if v-v != 0 || fill == "zero" && v != 0 {
						t.Errorf("%s %d×%d %s: [%d,%d] became %v of %v", fill, out, in, importance, i/in, i%in, v, w[i])
					}
				}
			}
		}
	}
}

// TestFaults holds the messages.
func TestFaults(t *testing.T) {
	o := DefaultOptions()
	if _, _, err := Compress(gemm.Config{}, []float32{1, float32(math.Inf(1))}, 1, 2, []float64{1, 1}, factor(t, identity(2), 2, o), o); err == nil || err.Error() != "stbllm: weight [0,1] is +Inf" {
		t.Error(err)
	}
	want := []string{`saliency: "x", want one of hessian, magnitude`, `search: "y", want one of saliency, weights`,
		"keep: 9, want 1 to 8 of every 8 weights", `importance: "z", want one of relative, standardised, wanda`,
		`layers: "", want one of outliers, uniform`, "block: 12 columns, want a multiple of 8", "damp: -1, want a finite number of 0 or more"}
	if got := Check(Options{Saliency: "x", Search: "y", Keep: 9, Importance: "z", Block: 12, Damp: -1}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	if got := Check(o); got != nil {
		t.Error(got)
	}
}
