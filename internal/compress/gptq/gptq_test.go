package gptq

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func with(f func(o *Options)) Options {
	o := DefaultOptions()
	f(&o)
	return o
}

// TestCheck10EightBits: 8 bits reproduce Gaussian weights to about 1e-2 and
// heavy-tailed ones to 0.05, and compensation does not raise the H-weighted
// error over that of rounding alone, on the same grids of whole rows.
func TestCheck10EightBits(t *testing.T) {
	s := quanttest.Copied(t)
	for name, bound := range map[string]float64{quanttest.Gauss: 0.0125, quanttest.Heavy: 0.05} {
		m := s.Matrix(t, name)
		for _, bits := range widths {
			o := with(func(o *Options) { o.Bits, o.Group = bits, 0 })
			_, what := compress(t, m, o)
			if e := m.RelativeFrobenius(what); bits == 8 && e > bound {
				t.Errorf("%s: e_F %.3g at 8 bits, want about %g", name, e, bound)
			}
			// The dead channel costs nothing, whatever its weights.
			p, err := int4.Compress(gemm.Config{}, slices.Clone(m.W), m.Out, m.In, int4.Options{Bits: bits})
			if err != nil {
				t.Fatal(err)
			}
			rounded := make([]float32, len(m.W))
			p.Dequantize(rounded, 0, m.Out)
			if e, alone := m.Weighted(what), m.Weighted(quanttest.Widen(rounded)); e > alone {
				t.Errorf("%s at %d bits: e_H %.4g with compensation, %.4g without", name, bits, e, alone)
			}
		}
	}
}

// TestCheck11Scale: a power of four on H, under which float32 is exact, changes
// no byte. (Where no channel is dead: its 1 is absolute.)
func TestCheck11Scale(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Gauss)
	scaled := *m
	scaled.H = slices.Clone(m.H)
	for i := range scaled.H {
		scaled.H[i] *= 0x1p-8
	}
	for _, grid := range Grids() {
		o := with(func(o *Options) { o.Group, o.Grid = 32, grid })
		p, _ := compress(t, m, o)
		q, _ := compress(t, &scaled, o)
		if !reflect.DeepEqual(p, q) {
			t.Errorf("%s: another matrix with H/256", grid)
		}
	}
}

// made compresses random weights of n inputs, fewer than channels.
func made(t testing.TB, cfg gemm.Config, w []float32, out, in int, o Options) (*packed.Grid, error) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(7, 7))
	h := make([]float32, in*in)
	for range 40 {
		x := make([]float32, in)
		for i := range x {
			x[i] = float32(rnd.NormFloat64() * math.Exp(rnd.NormFloat64()))
		}
		for i := range h {
			h[i] += 2. / 40 * x[i/in] * x[i%in]
		}
	}
	f, err := compensate.NewFactor(cfg, h, in, o.FactorOptions())
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := Compress(cfg, slices.Clone(w), out, in, f, o)
	return p, err
}

func gaussian(n int) []float32 {
	rnd := rand.New(rand.NewPCG(1, 1))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rnd.NormFloat64())
	}
	return w
}

// TestCheck12Sizes: the formulas of methods.md 4.1 and 4.2 on three shapes,
// b + (16+b)/G or b + 16/G and 32/n where the groups are stored, and that
// StoredBytes is what Compress stores on shapes that they do not divide.
func TestCheck12Sizes(t *testing.T) {
	for _, shape := range [][2]int{{4096, 4096}, {11008, 4096}, {2048, 8192}} {
		for _, c := range []struct {
			o   Options
			bpw float64
		}{
			{with(func(o *Options) { o.ActOrder = false }), 4.15625},
			{with(func(o *Options) {}), 4.15625 + 32/float64(shape[0])},
			{with(func(o *Options) { o.Grid = Static }), 4.15625},
			{with(func(o *Options) { o.Grid, o.Group = Static, 64 }), 4.3125},
			{with(func(o *Options) { o.Grid, o.Group = Lagged, 32 }), 4.625 + 32/float64(shape[0])},
			{with(func(o *Options) { o.Symmetric, o.Group = true, 0 }), 4 + 16/float64(shape[1])},
			{with(func(o *Options) { o.Bits, o.ActOrder = 3, false }), 3 + 19./128},
		} {
			if got := 8 * float64(StoredBytes(c.o, shape[0], shape[1])) / float64(shape[0]) / float64(shape[1]); got != c.bpw {
				t.Errorf("%+v on %v: %v bits, want %v", c.o, shape, got, c.bpw)
			}
		}
	}
	for _, group := range []int{0, 1, 3, 16, 64, 128, 500} {
		for _, grid := range Grids() {
			o := with(func(o *Options) { o.Group, o.Grid, o.Bits = group, grid, 3 })
			if Check(o) != nil {
				continue
			}
			for _, shape := range [][2]int{{5, 173}, {9, 1}, {1, 200}} {
				out, in := shape[0], shape[1]
				p, err := made(t, gemm.Config{}, gaussian(out*in), out, in, o)
				if err != nil || p.Check() != nil {
					t.Fatal(err, p.Check())
				}
				var parts int64
				for _, part := range p.Parts() {
					parts += int64(len(part.Data))
				}
				drawn := Draw(o, out, in, rand.New(rand.NewPCG(1, 1)))
				if want := StoredBytes(o, out, in); p.Bytes() != want || parts != want || drawn.Bytes() != want || drawn.Check() != nil {
					t.Errorf("%+v on %v: StoredBytes %d, stored %d, parts %d, drawn %d, %v", o, shape, want, p.Bytes(), parts, drawn.Bytes(), drawn.Check())
				}
			}
		}
	}
}

// TestFit: the group found fits and the next smaller one does not.
func TestFit(t *testing.T) {
	const out, in = 24, 300
	for _, o := range []Options{DefaultOptions(), with(func(o *Options) { o.Grid = Lagged }), with(func(o *Options) { o.Grid, o.Symmetric = Static, true })} {
		groups := o.fitting(in)
		for target := int64(3500); target < 30000; target += 97 {
			f, err := Fit(o, out, in, target)
			if err != nil {
				o.Group = 0
				if small := StoredBytes(o, out, in); small <= target {
					t.Errorf("%d bytes: %v, but %d would do", target, err, small)
				}
				continue
			}
			if Check(f) != nil || StoredBytes(f, out, in) > target {
				t.Errorf("%d bytes: group %d takes %d; %v", target, f.Group, StoredBytes(f, out, in), Check(f))
			}
			if i := slices.Index(groups, f.Group); i > 0 {
				f.Group = groups[i-1]
				if StoredBytes(f, out, in) <= target {
					t.Errorf("%d bytes: group %d fits too", target, f.Group)
				}
			}
		}
	}
}

// TestEmpty: rows of zeros and of one value, and channels that no input uses,
// whatever the grids. Zeros stay zeros; a group of one value c has the range
// from 0 to c, both of which are levels but for the rounding of the scale.
func TestEmpty(t *testing.T) {
	const out, in = 6, 96
	w := gaussian(out * in)
	clear(w[in : 2*in])
	for i := range in {
		w[3*in+i] = -0.75
	}
	h := make([]float32, in*in)
	for i := range in {
		if i != 5 {
			h[i*in+i] = float32(1 + i%7)
		}
	}
	for _, grid := range Grids() {
		for _, group := range []int{0, 32} {
			for _, symmetric := range []bool{false, true} {
				o := with(func(o *Options) { o.Group, o.Grid, o.Symmetric = group, grid, symmetric })
				f, err := compensate.NewFactor(gemm.Config{}, slices.Clone(h), in, o.FactorOptions())
				if err != nil {
					t.Fatal(err)
				}
				p, d, err := Compress(gemm.Config{}, slices.Clone(w), out, in, f, o)
				if err != nil {
					t.Fatal(err)
				}
				if d.Dead != 1 || d.Damping != f.Damping {
					t.Errorf("diagnostics %+v, want 1 dead channel, damping %v", d, f.Damping)
				}
				what := make([]float32, len(w))
				p.Dequantize(what, 0, out)
				for j := range in {
					dead := j == 5
					if what[in+j] != 0 || dead && what[4*in+j] != 0 {
						t.Fatalf("%+v: zero in column %d became %v, %v", o, j, what[in+j], what[4*in+j])
					}
					if step := float64(packed.F16ToF32(p.Scale[3*p.Groups()])); !dead && math.Abs(float64(what[3*in+j])+0.75) > step/2+0.75*0x1p-11 {
						t.Fatalf("%+v: -0.75 in column %d became %v", o, j, what[3*in+j])
					}
				}
			}
		}
	}
}

// TestThreads: threads do not change a bit.
func TestThreads(t *testing.T) {
	const out, in = 53, 200
	w := gaussian(out * in)
	for _, grid := range Grids() {
		o := with(func(o *Options) { o.Group, o.Grid = 32, grid })
		first, err := made(t, gemm.Config{Threads: 1}, w, out, in, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{2, 5} {
			p, err := made(t, gemm.Config{Threads: threads}, w, out, in, o)
			if err != nil {
				t.Fatal(err)
			}
			for i, part := range p.Parts() {
				if !bytes.Equal(part.Data, first.Parts()[i].Data) {
					t.Errorf("%s, %d threads: %s differs", grid, threads, part.Name)
				}
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
		{"NaN", float32(math.NaN()), DefaultOptions(), "gptq: weight [38,129] is NaN"},
		{"huge", 3e38, with(func(o *Options) { o.Group = 0 }), "gptq: row 38, group 0: scale overflows f16: 2e+37, largest 65504"},
		{"huge", 1e30, DefaultOptions(), "gptq: row 38, group "},
		{"bits", 0, with(func(o *Options) { o.Bits = 5 }), "gptq: bits: 5, want one of 2, 3, 4, 8"},
		{"group", 0, with(func(o *Options) { o.Group = -1 }), "gptq: group: -1, want 0 (the whole row) or more"},
		{"lagged", 0, with(func(o *Options) { o.Grid, o.Group = Lagged, 100 }), "gptq: group: 100 with grid lagged, want a divisor or a multiple of the 128 columns of a block"},
		{"grid", 0, with(func(o *Options) { o.Grid = "late" }), `gptq: grid: "late", want one of current, lagged, static`},
	} {
		w := make([]float32, out*in)
		w[38*in+129] = c.bad
		if _, err := made(t, gemm.Config{}, w, out, in, c.o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	if faults := Check(Options{Bits: 1, Group: -2, Damp: math.NaN()}); len(faults) != 4 {
		t.Errorf("faults %v, want all four fields", faults)
	}
}
