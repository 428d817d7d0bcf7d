package int4

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func compress(t testing.TB, w []float32, out, in int, o Options) (*packed.Grid, []float32) {
	t.Helper()
	p, err := Compress(gemm.Config{}, w, out, in, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	what := make([]float32, len(w))
	p.Dequantize(what, 0, out)
	return p, what
}

// TestReference compares the error with that of another program, in float64,
// which also rounds scales to f16 before zeros and codes.
func TestReference(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F_scale_rounded_to_f16_first"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "rtn")
		for _, name := range names {
			m := s.Matrix(t, name)
			f := strings.Split(name, ".")
			o := Options{Bits: int(f[1][1] - '0'), Symmetric: f[3] == "sym"}
			if f[2] != "row" {
				o.Group, _ = strconv.Atoi(f[2][1:])
			}
			_, what := compress(t, m.W, m.Out, m.In, o)
			if e := m.RelativeFrobenius(quanttest.Widen(what)); !quanttest.Close(e, results[name].EF, 1e-6) {
				t.Errorf("%s: e_F %.12g, want %.12g", name, e, results[name].EF)
			}
		}
	})
}

func gaussian(n int) []float32 {
	rnd := rand.New(rand.NewPCG(1, 1))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rnd.NormFloat64())
	}
	return w
}

// TestHalfStep checks, with a short last group, that no weight moves by more
// than half a step, or at an end of the grid by the step that rounding zero
// and scale may cost (see package grid).
func TestHalfStep(t *testing.T) {
	const out, in = 7, 172
	w := gaussian(out * in)
	clear(w[2*in : 3*in]) // a row of zeros
	for i := range 64 {
		w[4*in+i] = 0.75 // a constant group
	}
	for _, bits := range widths {
		for _, symmetric := range []bool{false, true} {
			p, what := compress(t, w, out, in, Options{Bits: bits, Group: 64, Symmetric: symmetric})
			if p.Groups() != 3 {
				t.Fatalf("%d groups, want 64 + 64 + 44", p.Groups())
			}
			codes := make([]uint8, in)
			for i := range w {
				if i%in == 0 {
					rb := packed.RowBytes(in, bits)
					packed.UnpackRow(codes, p.Codes[i/in*rb:(i/in+1)*rb], in, bits)
				}
				step := float64(packed.F16ToF32(p.Scale[i/in*3+i%in/64]))
				bound := step * (0.5 + 1e-5)
				// At the ends the rounded zero may cut off half a step more, and
				// the f16 scale 2⁻¹¹ of the range.
				if c := codes[i%in]; c == 0 || int(c) == 1<<bits-1 {
					bound = step * (1 + float64(int(1)<<bits)*0x1p-11)
				}
				if d := math.Abs(float64(what[i]) - float64(w[i])); !(d <= bound) {
					t.Fatalf("%d bits: weight %d moved by %g, a step is %g", bits, i, d, step)
				}
			}
			for i := 2 * in; i < 3*in; i++ {
				if what[i] != 0 {
					t.Fatalf("%d bits: zero row became %v", bits, what[i])
				}
			}
		}
	}
}

// TestSizes pins the formulas of methods.md 6.12 on rows that are multiples
// of the group, and that StoredBytes is what Compress stores on others.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		group     int
		symmetric bool
		bpw       float64
	}{{128, false, 4.15625}, {64, false, 4.3125}, {32, false, 4.625}, {128, true, 4.125}, {64, true, 4.25}, {32, true, 4.5}} {
		o := Options{Bits: 4, Group: c.group, Symmetric: c.symmetric}
		if got := 8 * float64(StoredBytes(o, 4096, 4096)) / (4096 * 4096); got != c.bpw {
			t.Errorf("%+v: %v bits per weight, want %v", o, got, c.bpw)
		}
	}
	for _, o := range []Options{{Bits: 2}, {Bits: 3, Group: 64}, {Bits: 4, Group: 500, Symmetric: true}, {Bits: 8, Group: 7}, {Bits: 3, Group: 128, Symmetric: true}} {
		for _, shape := range [][2]int{{5, 173}, {64, 1}, {1, 40}} {
			out, in := shape[0], shape[1]
			p, _ := compress(t, gaussian(out*in), out, in, o)
			if got, want := StoredBytes(o, out, in), p.Bytes(); got != want {
				t.Errorf("%+v on %d×%d: StoredBytes %d, stored %d", o, out, in, got, want)
			}
		}
	}
}

// TestFit: the group found fits and the next smaller one does not.
func TestFit(t *testing.T) {
	const out, in = 24, 300
	for _, o := range []Options{{Bits: 4}, {Bits: 3, Symmetric: true}} {
		for target := int64(2500); target < 30000; target += 97 {
			f, err := Fit(o, out, in, target)
			if err != nil {
				if small := StoredBytes(o, out, in); small <= target {
					t.Errorf("%d bytes: %v, but %d would do", target, err, small)
				}
				continue
			}
			if StoredBytes(f, out, in) > target {
				t.Errorf("%d bytes: group %d takes %d", target, f.Group, StoredBytes(f, out, in))
			}
			if f.Group--; f.Group > 0 && StoredBytes(f, out, in) <= target {
				t.Errorf("%d bytes: group %d fits too", target, f.Group)
			}
		}
	}
}

// TestClip: the search lowers Σ|ŵ-w|^2.4 of every group or leaves it, for the
// stored scales; grid.TestClipReference holds it to another program.
func TestClip(t *testing.T) {
	const out, in, group = 6, 256, 64
	w := gaussian(out * in)
	clear(w[:group])
	for _, symmetric := range []bool{false, true} {
		o := Options{Bits: 3, Group: group, Symmetric: symmetric}
		_, plain := compress(t, w, out, in, o)
		o.MSEClip = true
		_, clipped := compress(t, w, out, in, o)
		lower := 0
		for g := 0; g < len(w); g += group {
			var before, after float64
			for i := g; i < g+group; i++ {
				before += math.Pow(math.Abs(float64(plain[i]-w[i])), 2.4)
				after += math.Pow(math.Abs(float64(clipped[i]-w[i])), 2.4)
			}
			if after > before*(1+1e-6) {
				t.Errorf("group at %d: error %v with the search, %v without", g, after, before)
			} else if after < before {
				lower++
			}
		}
		if lower < 20 {
			t.Errorf("lower in %d groups of 24", lower)
		}
	}
}

// TestThreads: neither threads nor the instruction set change a bit.
func TestThreads(t *testing.T) {
	const out, in = 53, 200
	w := gaussian(out * in)
	var first *packed.Grid
	configs := []gemm.Config{{Threads: 1}, {Threads: 2}, {Threads: 5}}
	for _, isa := range gemm.Available() {
		configs = append(configs, gemm.Config{ISA: isa})
	}
	for _, cfg := range configs {
		p, err := Compress(cfg, w, out, in, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = p
		}
		for i, part := range p.Parts() {
			if !bytes.Equal(part.Data, first.Parts()[i].Data) {
				t.Errorf("%+v: %s differs", cfg, part.Name)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	const out, in = 40, 130
	for _, c := range []struct {
		name string
		bad  float32
		o    Options
		want string
	}{
		{"NaN", float32(math.NaN()), DefaultOptions(), "int4: weight [38,129] is NaN"},
		{"infinite", float32(math.Inf(-1)), DefaultOptions(), "int4: weight [38,129] is -Inf"},
		{"huge", 3e38, DefaultOptions(), "int4: weights [38,128:130]: scale overflows f16: 2e+37, largest 65504"},
		{"bits", 0, Options{Bits: 5}, "int4: bits: 5, want one of 2, 3, 4, 8"},
		{"group", 0, Options{Bits: 4, Group: -1}, "int4: group: -1, want 0 (the whole row) or more"},
	} {
		w := make([]float32, out*in)
		w[38*in+129] = c.bad
		if _, err := Compress(gemm.Config{}, w, out, in, c.o); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	if faults := Check(Options{Bits: 1, Group: -2}); len(faults) != 2 {
		t.Errorf("faults %v, want both fields", faults)
	}
}

// BenchmarkCompress reads 4 bytes of each weight and writes half a byte.
func BenchmarkCompress(b *testing.B) {
	const out, in = 4096, 4096
	w := gaussian(out * in)
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			for b.Loop() {
				if _, err := Compress(gemm.Config{Threads: threads}, w, out, in, DefaultOptions()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(out*in*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
		})
	}
}

// BenchmarkClip rounds every weight once for each of 80 ranges.
func BenchmarkClip(b *testing.B) {
	const out, in = 256, 1024
	w := gaussian(out * in)
	for b.Loop() {
		if _, err := Compress(gemm.Config{Threads: 1}, w, out, in, Options{Bits: 3, Group: 64, MSEClip: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(out*in*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
}
