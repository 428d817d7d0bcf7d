package billm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A reference is a case of binary.json, which numpy made.
type reference struct {
	EF     float64 `json:"e_F"`
	EH     float64 `json:"e_H"`
	Blocks []struct{ Salient []int }
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

func compress(t testing.TB, w []float32, out, in int, f *compensate.Factor, o Options) *packed.Binary {
	t.Helper()
	p, _, err := Compress(gemm.Config{}, w, out, in, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

func dequantized(w packed.Weight) []float64 {
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	return quanttest.Widen(v)
}

// TestReference compares salient columns and errors with numpy's, which has the
// same f16 scalars. Errors are moved in float32 here, which can turn the sign or
// the region of a weight next to a bound, and so move what comes behind: within
// 1e-3, as reference/quant finds for codes of fixed grids.
func TestReference(t *testing.T) {
	s := quanttest.Copied(t)
	refs, _ := quanttest.Results[reference](t, s, "binary")
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		for _, search := range []string{"saliency", "weights"} {
			o := DefaultOptions()
			o.Search = search
			p := compress(t, slices.Clone(m.W), m.Out, m.In, factor(t, m.H, m.In, o), o)
			want, ok := refs[name+".billm."+search]
			if !ok {
				t.Fatalf("no reference for %s %s", name, search)
			}
			var columns []int
			for b, block := range want.Blocks {
				for _, j := range block.Salient {
					columns = append(columns, 128*b+j)
				}
			}
			var got []int
			for j := range m.In {
				if packed.Window(p.Salient, j)&1 == 1 {
					got = append(got, j)
				}
			}
			if !slices.Equal(got, columns) {
				t.Errorf("%s %s: salient columns %v, want %v", name, search, got, columns)
			}
			what := dequantized(p)
			if e := m.RelativeFrobenius(what); !quanttest.Close(e, want.EF, 1e-3) {
				t.Errorf("%s %s: e_F %v, want %v", name, search, e, want.EF)
			}
			if e := m.Weighted(what); !quanttest.Close(e, want.EH, 1e-3) {
				t.Errorf("%s %s: e_H %v, want %v", name, search, e, want.EH)
			}
		}
	}
}

// TestCompensation: moving errors lowers the H-weighted error. With H = I none
// are moved, and by magnitude the searches do not depend on H.
func TestCompensation(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		o := DefaultOptions()
		o.Saliency = "magnitude"
		with := m.Weighted(dequantized(compress(t, m.W, m.Out, m.In, factor(t, m.H, m.In, o), o)))
		without := m.Weighted(dequantized(compress(t, m.W, m.Out, m.In, factor(t, identity(m.In), m.In, o), o)))
		if !(with < without) {
			t.Errorf("%s: e_H %v with compensation, %v without", name, with, without)
		}
	}
}

// TestExact: a matrix that has the form already is found again without error.
func TestExact(t *testing.T) {
	for _, search := range []string{"saliency", "weights"} {
		const out, in = 6, 32
		w := make([]float32, out*in)
		for i := range w {
			// ±1 twice each, ±4 three times each, ∓16∓4 in columns 4 and 11.
			w[i] = []float32{1, -1, 1, -1, 20, 4, -4, 4, -4, 4, -4, -12, 1, -1, 1, -1}[i%in%16]
			if i/in%2 == 1 {
				w[i] = -w[i]
			}
		}
		o := DefaultOptions()
		o.Block, o.Search = 16, search
		what := dequantized(compress(t, w, out, in, factor(t, identity(in), in, o), o))
		for i, x := range w {
			if float64(x) != what[i] {
				t.Fatalf("%s: [%d,%d] is %v, was %v", search, i/in, i%in, what[i], x)
			}
		}
	}
}

// TestCheck12Bits counts the bytes of results: 2.875 + 1/n bits where blocks
// and planes are full; at 300 columns a third block of 44 has scalars too.
func TestCheck12Bits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		out, in int
		want    float64 // bits
	}{
		{64, 256, 64 * 256 * (2.875 + 1./64)},
		{40, 128, 40 * 128 * (2.875 + 1./40)},
		{16, 300, 16*300*2 + 304 + 16*16*7*3},
	} {
		w := make([]float32, c.out*c.in)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		o := DefaultOptions()
		p := compress(t, w, c.out, c.in, factor(t, identity(c.in), c.in, o), o)
		var parts int64
		for _, part := range p.Parts() {
			parts += int64(len(part.Data))
		}
		if 8*float64(p.Bytes()) != c.want || p.Bytes() != StoredBytes(o, c.out, c.in) || parts != p.Bytes() {
			t.Errorf("%d×%d: %d bytes, parts %d, formula %d, want %v bits", c.out, c.in, p.Bytes(), parts, StoredBytes(o, c.out, c.in), c.want)
		}
		if d := Draw(o, c.out, c.in, rng); d.Bytes() != p.Bytes() || d.Check() != nil {
			t.Errorf("%d×%d: drawn %d bytes, %v", c.out, c.in, d.Bytes(), d.Check())
		}
	}
}

// TestHardShapes: widths of 1 and of blocks and a rest, rows of zeros and of
// one value, dead channels, equal magnitudes: all finite, zeros stay zeros, and
// one value stays itself.
func TestHardShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][2]int{{1, 1}, {5, 1}, {1, 9}, {7, 130}, {3, 257}} {
		for _, fill := range []string{"normal", "zero", "constant", "equal magnitudes"} {
			for _, search := range []string{"saliency", "weights"} {
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
				o.Search = search
				for i, v := range dequantized(compress(t, w, out, in, factor(t, h, in, o), o)) {
					switch dead := i%in == 0; {
					case v-v != 0, fill == "zero" && v != 0, fill == "constant" && in == 1 && v != 0,
						fill == "constant" && !dead && in > 1 && i%in >= 128 && v != 0.5:
						t.Errorf("%s %d×%d %s: [%d,%d] became %v of %v", fill, out, in, search, i/in, i%in, v, w[i])
					}
				}
			}
		}
	}
}

// TestFaults holds the messages.
func TestFaults(t *testing.T) {
	o := DefaultOptions()
	f := factor(t, identity(2), 2, o)
	nan := float32(math.NaN())
	if _, _, err := Compress(gemm.Config{}, []float32{1, nan}, 1, 2, f, o); err == nil || err.Error() != "billm: weight [0,1] is NaN" {
		t.Error(err)
	}
	if _, _, err := Compress(gemm.Config{}, []float32{1, 0, 1e5, 1e5}, 2, 2, f, o); err == nil || !strings.Contains(err.Error(), "of row 1, columns 0 to 1 is beyond f16") {
		t.Error(err)
	}
	want := []string{`saliency: "x", want one of hessian, magnitude`, `search: "y", want one of saliency, weights`,
		"block: 0, want 1 or more columns", "damp: NaN, want a finite number of 0 or more"}
	if got := Check(Options{Saliency: "x", Search: "y", Damp: math.NaN()}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	if got := Check(o); got != nil {
		t.Error(got)
	}
}

// TestThreads: one and three threads make the same bits.
func TestThreads(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Heavy)
	o := DefaultOptions()
	f := factor(t, m.H, m.In, o)
	var first []byte
	for _, threads := range []int{1, 3} {
		p, _, err := Compress(gemm.Config{Threads: threads}, m.W, m.Out, m.In, f, o)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, part := range p.Parts() {
			all = append(all, part.Data...)
		}
		if first == nil {
			first = all
		}
		if !slices.Equal(all, first) {
			t.Errorf("%d threads differ", threads)
		}
	}
}
