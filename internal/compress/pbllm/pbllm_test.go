package pbllm

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
	EF       float64 `json:"e_F"`
	EH       float64 `json:"e_H"`
	FirstRow int     `json:"salient_first_row"`
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

func compress(t testing.TB, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Partial, Diagnostics) {
	t.Helper()
	p, d, err := Compress(gemm.Config{}, w, out, in, f, o)
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

// TestReference compares errors with numpy's, which has the same f16 scalars.
// Errors are moved in float32 here, which can turn the code of a weight next to
// a bound, and so move what comes behind: within 1e-3, as reference/quant finds
// for codes of fixed grids.
func TestReference(t *testing.T) {
	s := quanttest.Copied(t)
	refs, _ := quanttest.Results[reference](t, s, "binary")
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		for _, share := range []float64{0.05, 0.1, 0.5} {
			for _, over := range []string{OverRow, OverRest} {
				o := DefaultOptions()
				o.Salient, o.Statistics = share, over
				p, d := compress(t, m.W, m.Out, m.In, factor(t, m.H, m.In, o), o)
				label := fmt.Sprintf("%s.pbllm.%v.%s", name, share, over)
				want, ok := refs[label]
				if !ok {
					t.Fatalf("no reference for %s", label)
				}
				if p.RowSalient(0) != want.FirstRow || d.Salient != math.Floor(share*float64(len(m.W)))/float64(len(m.W)) {
					t.Errorf("%s: %d salient weights in row 0, want %d; share %v", label, p.RowSalient(0), want.FirstRow, d.Salient)
				}
				what := dequantized(p)
				if e := m.RelativeFrobenius(what); !quanttest.Close(e, want.EF, 1e-3) {
					t.Errorf("%s: e_F %v, want %v", label, e, want.EF)
				}
				if e := m.Weighted(what); !quanttest.Close(e, want.EH, 1e-3) {
					t.Errorf("%s: e_H %v, want %v", label, e, want.EH)
				}
			}
		}
	}
}

// TestCompensation: moving errors lowers the H-weighted error. With H = I none
// are moved, and by magnitude the salient weights do not depend on H.
func TestCompensation(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		o := DefaultOptions()
		o.Saliency = Magnitude
		with, _ := compress(t, m.W, m.Out, m.In, factor(t, m.H, m.In, o), o)
		without, _ := compress(t, m.W, m.Out, m.In, factor(t, identity(m.In), m.In, o), o)
		if a, b := m.Weighted(dequantized(with)), m.Weighted(dequantized(without)); !(a < b) {
			t.Errorf("%s: e_H %v with compensation, %v without", name, a, b)
		}
	}
}

// TestExact: a matrix of the form is found again without error. Rows from -16
// to 15.875 have a grid of 255 steps of 1/8 and the zero 128; the other
// weights are ±½ in equal numbers, of mean 0 over the row and the rest alike,
// and of magnitude ½ over the rest.
func TestExact(t *testing.T) {
	const out, in = 3, 32
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, out*in)
	for i := range w {
		switch j := i % in; {
		case j == 4:
			w[i] = -16
		case j == 20:
			w[i] = 15.875
		case j%4 == 0:
			w[i] = float32(rng.IntN(50)+30) / 8
		default:
			w[i] = []float32{0.5, -0.5, 0.5, 0.5, -0.5, -0.5}[(j-j/4-1)%6]
		}
	}
	o := DefaultOptions()
	o.Salient, o.Statistics = 0.25, OverRest
	p, d := compress(t, w, out, in, factor(t, identity(in), in, o), o)
	for i, v := range dequantized(p) {
		if v != float64(w[i]) {
			t.Fatalf("[%d,%d] is %v, was %v", i/in, i%in, v, w[i])
		}
	}
	if d.Salient != 0.25 {
		t.Errorf("%+v", d)
	}
}

// TestStatistics works a row of 4, the last salient: over the row 1 2 -1 0 has
// the mean ½ and the mean distance (½+1½+1½+½)/4 = 1, over the rest 1 2 -1 the
// mean ⅔ and the mean distance (⅓+4/3+5/3)/3 = 10/9.
func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		over       string
		mean, size float32
	}{{OverRow, 0.5, 1}, {OverRest, 2. / 3, 10. / 9}} {
		o := Options{Salient: 0.25, Saliency: Magnitude, Statistics: c.over}
		p, _ := compress(t, []float32{1, 2, -1, 8}, 1, 4, factor(t, identity(4), 4, o), o)
		if p.Rest[0] != packed.F32ToF16(c.mean) || p.Rest[1] != packed.F32ToF16(c.size) || p.Mask[0] != 8 {
			t.Errorf("%s: mean %v, magnitude %v, mask %04b", c.over, packed.F16ToF32(p.Rest[0]), packed.F16ToF32(p.Rest[1]), p.Mask[0])
		}
	}
}

// TestMask compares the salient weights with a full sort, ties by place.
func TestMask(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		in := 1 + rng.IntN(9)
		w := make([]float32, in*(1+rng.IntN(5)))
		for i := range w {
			w[i] = float32(rng.IntN(7) - 3) // many ties
		}
		o := Options{Salient: rng.Float64(), Saliency: Magnitude}
		if rng.IntN(5) == 0 {
			o.Salient = float64(rng.IntN(2))
		}
		order := make([]int, len(w))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(w[b]*w[b] - w[a]*w[a]) })
		want := make([]bool, len(w))
		for _, i := range order[:o.count(len(w))] {
			want[i] = true
		}
		if got := o.mask(w, in, factor(t, identity(in), in, o)); !slices.Equal(got, want) {
			t.Fatalf("%v of %v: %v, want %v", o.Salient, w, got, want)
		}
	}
}

// TestCheck12Bits counts the bytes of results against 8p + (1-p) + 1 + 56/d
// bits, where p·N weights are salient and 8 of them fill whole bytes, and at
// odd sizes against the parts one by one; and Fit inverts the formula.
func TestCheck12Bits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		out, in int
		p       float64
		want    float64 // bits
	}{
		{64, 256, 0.125, 64 * 256 * (8*0.125 + 0.875 + 1 + 56./256)},
		{40, 128, 0.1, 40 * 128 * (1.7 + 1 + 56./128)},
		{10, 96, 0.05, 10 * 96 * (1.35 + 1 + 56./96)}, // 48 salient weights
		// 5·13 = 65: 6 salient, 42 bits; planes of 9 bytes each.
		{5, 13, 0.1, 8 * (9 + 9 + 6 + 5*7)},
		{5, 13, 0, 8 * (9 + 9 + 0 + 5*7)},
		{5, 13, 1, 8 * (9 + 9 + 57 + 5*7)},
	} {
		w := make([]float32, c.out*c.in)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		o := DefaultOptions()
		o.Salient = c.p
		p, _ := compress(t, w, c.out, c.in, factor(t, identity(c.in), c.in, o), o)
		var parts int64
		for _, part := range p.Parts() {
			parts += int64(len(part.Data))
		}
		if math.Abs(8*float64(p.Bytes())-c.want) > 1e-6 || p.Bytes() != StoredBytes(o, c.out, c.in) || parts != p.Bytes() {
			t.Errorf("%d×%d p=%v: %d bytes, parts %d, formula %d, want %v bits", c.out, c.in, c.p, p.Bytes(), parts, StoredBytes(o, c.out, c.in), c.want)
		}
		if d := Draw(o, c.out, c.in, rng); d.Bytes() != p.Bytes() || d.Check() != nil {
			t.Errorf("%d×%d p=%v: drawn %d bytes, %v", c.out, c.in, c.p, d.Bytes(), d.Check())
		}
		for spare := range int64(3) {
			target := p.Bytes() + spare
			fitted, err := Fit(DefaultOptions(), c.out, c.in, target)
			n := c.out * c.in
			more := Options{Salient: float64(fitted.count(n)+1) / float64(n)}
			if err != nil || StoredBytes(fitted, c.out, c.in) > target || fitted.count(n) < n && StoredBytes(more, c.out, c.in) <= target {
				t.Errorf("%d×%d: %d bytes fit %v, %v", c.out, c.in, target, fitted.Salient, err)
			}
		}
	}
	if _, err := Fit(DefaultOptions(), 5, 13, 52); err == nil || err.Error() != "52 bytes are too few for the signs of a 5×13 matrix, which take 53" {
		t.Error(err)
	}
}

// TestCount: k of n weights, given as a share, are k weights, whatever float64
// makes of k/n; 0.1 of 5120 are 512.
func TestCount(t *testing.T) {
	for _, n := range []int{1, 7, 1000, 4099} {
		for k := range n + 1 {
			if got := (Options{Salient: float64(k) / float64(n)}).count(n); got != k {
				t.Fatalf("%d/%d: %d salient weights", k, n, got)
			}
		}
	}
	if got := (Options{Salient: 0.1}).count(5120); got != 512 {
		t.Errorf("0.1 of 5120: %d", got)
	}
}

// TestHardShapes: widths of 1, rows of zeros and of one value, dead channels,
// equal magnitudes: all finite, and zeros stay zeros.
func TestHardShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][2]int{{1, 1}, {5, 1}, {1, 9}, {7, 130}} {
		for _, fill := range []string{"normal", "zero", "constant", "equal magnitudes"} {
			for _, share := range []float64{0, 0.1, 1} {
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
				o.Salient = share
				p, _ := compress(t, w, out, in, factor(t, h, in, o), o)
				for i, v := range dequantized(p) {
					if v-v != 0 || fill == "zero" && v != 0 {
						t.Errorf("%s %d×%d p=%v: [%d,%d] became %v of %v", fill, out, in, share, i/in, i%in, v, w[i])
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
	if _, _, err := Compress(gemm.Config{}, []float32{1, float32(math.NaN())}, 1, 2, f, o); err == nil || err.Error() != "pbllm: weight [0,1] is NaN" {
		t.Error(err)
	}
	if _, _, err := Compress(gemm.Config{}, []float32{1, 0, 1e8, 0}, 2, 2, f, o); err == nil || !strings.HasPrefix(err.Error(), "pbllm: row 1: scale overflows f16") {
		t.Error(err)
	}
	if _, _, err := Compress(gemm.Config{}, []float32{1, 0, 1e6, 1e6}, 2, 2, f, o); err == nil || !strings.HasPrefix(err.Error(), "pbllm: row 1: mean 1e+06 or magnitude 0 is beyond f16") {
		t.Error(err)
	}
	want := []string{"salient: 2, want a share of 0 to 1", `saliency: "x", want one of hessian, magnitude`,
		`statistics: "y", want one of row, rest`, "damp: +Inf, want a finite number of 0 or more"}
	if got := Check(Options{Salient: 2, Saliency: "x", Statistics: "y", Damp: math.Inf(1)}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	if got := Check(o); got != nil {
		t.Error(got)
	}
	if Nominal(o) != 1.7 {
		t.Errorf("nominal %v, want 1.7", Nominal(o))
	}
}
