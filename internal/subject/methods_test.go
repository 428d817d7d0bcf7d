package subject

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
	"github.com/sketchbench/sketchbench/scenarios"
)

// TestMethods holds for every method what plans and hashes rely on.
func TestMethods(t *testing.T) {
	seen := map[string]bool{}
	for i := range methods {
		m := &methods[i]
		if seen[m.Name] || m.Name == "" || m.Version < 1 {
			t.Errorf("methods[%d]: name %q version %d: want names that differ and versions from 1", i, m.Name, m.Version)
		}
		seen[m.Name] = true
		if got, ok := LookupMethod(m.Name); !ok || got != m {
			t.Errorf("%s: looked up as %v, %v", m.Name, got, ok)
		}
		o := m.New()
		if errs := m.Check(o); errs != nil {
			t.Errorf("%s: defaults: %v", m.Name, errs)
		}
		if len(Params(o)) > 0 && m.New() == o {
			t.Errorf("%s: New returns the same options twice", m.Name)
		}
		for k, v := range Params(o) {
			switch v.(type) {
			case int64, float64, bool, string:
			default:
				t.Errorf("%s: parameter %s is a %T", m.Name, k, v)
			}
		}
		if names := scenarios.FieldNames(o); len(names) != len(Params(o)) {
			t.Errorf("%s: fields %v, parameters %v", m.Name, names, Params(o))
		}
		for _, name := range m.Told {
			if _, ok := Params(o)[name]; !ok {
				t.Errorf("%s: tells %q, which is no option", m.Name, name)
			}
		}
		if m.Compress != nil && !m.Covers("model.layers.0.mlp.up_proj.weight") {
			t.Errorf("%s: leaves the MLP alone", m.Name)
		}
		for _, name := range []string{"model.embed_tokens.weight", "lm_head.weight"} {
			if m.Name == "ultrasketch" && m.Covers(name) {
				t.Errorf("%s covers %s", m.Name, name)
			}
		}
	}
	if want := MethodNames(); len(want) != len(methods) || want[0] != "dense" {
		t.Errorf("names %v", want)
	}
	if _, ok := LookupMethod("nosuch"); ok {
		t.Error("a method that is not there was found")
	}
}

// TestDecode gives every field of every method a value that is not its
// default, and one of a wrong kind.
func TestDecode(t *testing.T) {
	node := func(fields map[string]string) scenarios.Node {
		n := scenarios.Node{Kind: scenarios.Map}
		for k, v := range fields {
			n.Fields = append(n.Fields, scenarios.Field{Key: k, Value: scenarios.Node{Kind: scenarios.Scalar, Text: v}})
		}
		return n
	}
	for i := range methods {
		m := &methods[i]
		var faults scenarios.Faults
		o := m.New()
		scenarios.Decode(node(fixtureOf(t, m.Name).decode), m.Name, o, &faults)
		if len(faults.List) > 0 || len(m.Check(o)) > 0 {
			t.Errorf("%s: %v %v", m.Name, faults.List, m.Check(o))
		}
		def := Params(m.New())
		for k, v := range Params(o) {
			if v == def[k] {
				t.Errorf("%s.%s: still %v", m.Name, k, v)
			}
			if _, text := v.(string); text {
				continue // any word decodes; Check refuses it
			}
			var faults scenarios.Faults
			scenarios.Decode(node(map[string]string{k: "nonsense"}), m.Name, m.New(), &faults)
			if len(faults.List) != 1 || !strings.Contains(faults.List[0].Message, m.Name+"."+k) {
				t.Errorf("%s.%s: nonsense gives %v", m.Name, k, faults.List)
			}
		}
		scenarios.Decode(node(map[string]string{"nosuch": "1"}), m.Name, m.New(), &faults)
		if len(faults.List) != 1 || !strings.Contains(faults.List[0].Message, `unknown field "nosuch"`) {
			t.Errorf("%s: an unknown field gives %v", m.Name, faults.List)
		}
	}
}

// TestParamsPanics: an option that is no scalar is a bug of the method.
func TestParamsPanics(t *testing.T) {
	defer func() {
		if e := recover(); !strings.Contains(fmt.Sprint(e), "option list is a slice, want a scalar") {
			t.Errorf("recovered %v", e)
		}
	}()
	Params(&struct {
		Skipped int
		List    []int `yaml:"list"`
	}{})
}

// A fixture is what the tests over all methods need to know of one.
type fixture struct {
	method string
	// decode gives every field a value that is not its default.
	decode map[string]string
	// sizes are options with each value of each field that has a say in the
	// size.
	sizes []any
	// kinds are the formats that the method writes, the default's first.
	kinds []packed.Kind
	// golden are options beside the default whose output is held, by label.
	golden func(t *testing.T) map[string]*Case
}

// fixtures has an entry for every method; a family's are beside its entries.
var fixtures = slices.Concat(
	[]fixture{{method: "dense", kinds: []packed.Kind{packed.KindDense}}},
	roundingFixtures, gptqFixtures, codebookFixtures, ultrasketchFixtures, hashFixtures,
	lowrankFixtures, twopathFixtures, binaryFixtures, foreignFixtures,
)

func fixtureOf(t *testing.T, method string) fixture {
	t.Helper()
	i := slices.IndexFunc(fixtures, func(f fixture) bool { return f.method == method })
	if i < 0 {
		t.Fatalf("%s: no fixture", method)
	}
	return fixtures[i]
}

// TestStoredBytes compares the formulas with what the methods return, on
// shapes that leave groups short and bits over.
func TestStoredBytes(t *testing.T) {
	cfg := gemmConfig(t)
	shapes := [][2]int{{64, 172}, {172, 64}, {33, 100}, {16, 260}}
	if testing.Short() {
		shapes = shapes[:2]
	}
	for i := range methods {
		m := &methods[i]
		sizes := fixtureOf(t, m.Name).sizes
		if m.Compress != nil && len(sizes) == 0 {
			t.Errorf("%s: no options to test", m.Name)
		}
		for _, shape := range shapes {
			out, in := shape[0], shape[1]
			for _, o := range sizes {
				if m.CheckShape(o, out, in) != nil {
					continue
				}
				w, err := m.Compress(randomMatrix(t, cfg, out, in), o)
				if err != nil {
					t.Errorf("%s %+v %d×%d: %v", m.Name, o, out, in, err)
					continue
				}
				if got, want := m.StoredBytes(o, out, in), w.Bytes(); got != want {
					t.Errorf("%s %+v %d×%d: formula %d bytes, stored %d", m.Name, o, out, in, got, want)
				}
				if a, b := w.Dims(); a != out || b != in {
					t.Errorf("%s: %d×%d came back as %d×%d", m.Name, out, in, a, b)
				}
			}
		}
	}
}

func gemmConfig(t testing.TB) gemm.Config {
	t.Helper()
	cfg, err := gemm.Config{Threads: 1}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// randomMatrix is a matrix with inputs of 256 random rows.
func randomMatrix(t testing.TB, cfg gemm.Config, out, in int) Matrix {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(out), uint64(in)))
	m := Matrix{Spec: model.LinearSpec{Name: "w", Out: out, In: in}, Gemm: cfg, Seed: 7, W: make([]float32, out*in)}
	for i := range m.W {
		m.W[i] = float32(rng.NormFloat64())
	}
	const rows = 256
	x := make([]float32, rows*in)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * float64(1+i%in))
	}
	h := make([]float32, in*in)
	cfg.Gemm(true, false, in, in, rows, 2./rows, x, in, x, in, 0, h, in)
	for j := range in {
		m.MeanSquare = append(m.MeanSquare, float64(h[j*in+j])/2)
	}
	m.MeanAbs = make([]float64, in)
	for i, v := range x {
		m.MeanAbs[i%in] += math.Abs(float64(v)) / rows
	}
	m.H = func() []float32 { return h }
	m.Root = func() (linalg.Root, error) { return svdllm.NewRoot(h, in, rows) }
	m.Factor = func(o compensate.FactorOptions) (*compensate.Factor, error) {
		return compensate.NewFactor(cfg, slices.Clone(h), in, o)
	}
	return m
}

// TestCheckShape names what does not fit a matrix.
func TestCheckShape(t *testing.T) {
	for _, c := range []struct {
		method  string
		o       any
		out, in int
		want    string
	}{
		{"sketchtune", &sketchtune.Options{GPR: 8}, 64, 172, "gpr: 8 does not divide the 172 input channels"},
		// Rank 1 of 64×172 takes 16·236/11008 = 0.343 bits and 472 bytes.
		{"svd", &svd.Options{Bits: 0.25}, 64, 172, "bits: 0.25 are too few for rank 1 of a 64×172 matrix, which takes 0.343"},
		{"svd", &svd.Options{Rank: 65}, 64, 172, "rank: 65 for a 64×172 matrix, want at most 64"},
		{"ultrasketch", sketchOptions(func(o *ultrasketch.Options) { o.Bits = 0.01 }), 64, 172, "bits: 0.01"},
		{"ultrasketch", sketchOptions(func(o *ultrasketch.Options) { o.Levels, o.Scope = 2, "layer" }), 64, 172, "levels: 2 with scope layer"},
		{"int4", &int4.Options{Bits: 4, Group: 1000}, 64, 172, ""},
		{"dense", &noOptions{}, 1, 1, ""},
	} {
		m, _ := LookupMethod(c.method)
		err := m.CheckShape(c.o, c.out, c.in)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s %+v: got %v, want %s", c.method, c.o, err, c.want)
		}
	}
}
