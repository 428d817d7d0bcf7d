package suites

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
)

// newEnv opens a model, demo or a folder, with a cache of its own.
func newEnv(t testing.TB, model string) *subject.Env {
	t.Helper()
	m, err := subject.OpenModel(model, model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	dev, cfg, err := subject.OpenDevice("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	return &subject.Env{Model: m, Device: dev, Gemm: cfg, Cache: stage.Cache{Dir: t.TempDir()}}
}

// openCase opens a case of a method on some tensors, or all; edit changes the
// default options unless it is nil.
func openCase(t testing.TB, e *subject.Env, method string, edit func(o any), only ...string) *subject.Subject {
	t.Helper()
	m, ok := subject.LookupMethod(method)
	if !ok {
		t.Fatalf("no method %s", method)
	}
	o := m.New()
	if edit != nil {
		edit(o)
	}
	c := &subject.Case{Label: method, Method: m, Options: o, Params: subject.Params(o), Only: only}
	c.Params["tensors"] = strings.Join(only, " ")
	if m.Moments != subject.NoMoments {
		c.Calibration = calibration()
	}
	s, err := e.Open(context.Background(), c, func(subject.Stage, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func calibration() *subject.Calibration {
	return &subject.Calibration{Corpus: subject.CorpusRef{Name: "demo-calibration"}, Sequences: 2, Length: 64}
}

// A tape is what a suite said.
type tape struct {
	records []results.Record
	done    int
	total   int
}

// out returns an Out that writes to the tape and checks what the record list
// demands of every line.
func (p *tape) out(t testing.TB, suite string) Out {
	return Out{
		First: true, Clock: bench.WallClock, Doubt: func(string) {},
		Progress: func(done, total int) {
			if done != p.done+1 || p.total != 0 && total != p.total {
				t.Errorf("%s: progress %d of %d after %d of %d", suite, done, total, p.done, p.total)
			}
			p.done, p.total = done, total
		},
		Emit: func(r results.Record) error {
			p.records = append(p.records, r)
			m, _ := results.LookupMetric(r.Metric)
			r.Kind, r.Schema, r.Suite, r.Unit = results.KindValue, results.Schema, suite, m.Unit
			r.Run, r.Case, r.Scenario, r.Model, r.Method = "r", "c", "s", "m", "x"
			if err := r.Check(); err != nil {
				t.Errorf("%s: %+v: %v", suite, r, err)
			}
			return nil
		},
	}
}

// measure prepares and runs a suite.
func measure(t testing.TB, name string, c *Context, s *subject.Subject, o any) *tape {
	t.Helper()
	suite, ok := Lookup(name)
	if !ok {
		t.Fatalf("no suite %s", name)
	}
	if errs := suite.Prepare(c, o); errs != nil {
		t.Fatal(errs)
	}
	p := &tape{}
	if err := suite.Run(context.Background(), c, s, o, p.out(t, name)); err != nil {
		t.Fatal(err)
	}
	if p.total == 0 || p.done != p.total {
		t.Errorf("%s: progress ended at %d of %d", name, p.done, p.total)
	}
	return p
}

// TestAll holds for every suite what plans and runs rely on.
func TestAll(t *testing.T) {
	for _, s := range All() {
		got, ok := Lookup(s.Name)
		if !ok || got.Name != s.Name || !slices.Contains(Names(), s.Name) {
			t.Errorf("%s is not found", s.Name)
		}
		a, b := s.New(), s.New()
		if a == b || !reflect.DeepEqual(a, b) {
			t.Errorf("%s: New returns %v and %v", s.Name, a, b)
		}
		if s.Timing != (s.Blocks != nil) {
			t.Errorf("%s: timing %v, blocks %v", s.Name, s.Timing, s.Blocks != nil)
		}
		if len(scenarios.FieldNames(a)) == 0 {
			t.Errorf("%s: no fields", s.Name)
		}
		if !slices.ContainsFunc(results.Metrics(), func(m results.Metric) bool { return m.Suite == s.Name && !m.Derived }) {
			t.Errorf("%s: no metrics", s.Name)
		}
	}
	if _, ok := Lookup("nosuch"); ok || len(Names()) != 6 {
		t.Errorf("suites %v", Names())
	}
	parts := []packed.Class{packed.ClassDense, packed.ClassCodes, packed.ClassTables, packed.ClassScales,
		packed.ClassFactors, packed.ClassCells, packed.ClassIndices, packed.ClassSeeds, packed.ClassMasks, packed.ClassPadding, packed.ClassDeclared}
	for i, p := range parts {
		if results.PartClasses()[i] != string(p) {
			t.Errorf("part class %d is %s in results and %s in packed", i, results.PartClasses()[i], p)
		}
	}
}

// TestPrepare: faults start with the field at fault.
func TestPrepare(t *testing.T) {
	e := newEnv(t, demo.Model)
	scored := scenarios.Corpus{Name: "demo"}
	perp := func(recipe string, c scenarios.Corpus, windows int) any {
		return &perplexityOptions{Recipe: recipe, Corpus: c, Windows: windows}
	}
	for _, c := range []struct {
		suite string
		o     any
		want  []string
	}{
		{"perplexity", perp("gptq-512", scored, 2), nil},
		{"perplexity", perp("gptq-512", scenarios.Corpus{}, 0), []string{"corpus: missing, want a shipped corpus"}},
		{"perplexity", perp("gptq-2048", scored, 0), []string{"recipe: gptq-2048 has windows of 2048 tokens, the model has 512"}},
		{"perplexity", perp("gptq-512", scenarios.Corpus{Name: "demo-calibration"}, 0), []string{"corpus: demo-calibration is also the calibration text"}},
		{"perplexity", perp("gptq-512", scenarios.Corpus{File: "nosuch.raw"}, 0), []string{"corpus: open "}},
		{"perplexity", perp("gptq-512", scored, -1), []string{"windows: -1, want"}},
		{"approx", &approxOptions{Windows: 4, Recipe: "gptq-512"}, []string{"corpus: missing, and there is no perplexity suite"}},
		{"approx", &approxOptions{Windows: 0, Recipe: "gptq-512", Corpus: scored}, nil}, // the first four
		{"approx", &approxOptions{Windows: -1, Recipe: "gptq-512x", Corpus: scored}, []string{"windows: -1, want", "recipe: "}},
		{"approx", &approxOptions{Windows: 1, Corpus: scored}, []string{"recipe: gptq-2048 has windows"}},
		{"divergence", &divergenceOptions{}, []string{"corpus: missing, and there is no perplexity suite"}},
		{"divergence", &divergenceOptions{Corpus: scored}, []string{"recipe: gptq-2048 has windows"}},
		{"divergence", &divergenceOptions{Corpus: scenarios.Corpus{Name: "demo-calibration"}, Recipe: "gptq-64"}, []string{"corpus: demo-calibration is also the calibration text"}},
		{"divergence", &divergenceOptions{Corpus: scored, Recipe: "gptq-64", Windows: 100000}, []string{"windows: 100000, want at most"}},
		{"latency", latencySuite.New(), nil},
		{"memory", memorySuite.New(), nil},
		{"memory", &memoryOptions{Prompt: 0, New: 0, Runs: 0}, []string{"prompt: 0, want", "new: 0, want", "runs: 0, want"}},
		{"memory", &memoryOptions{Prompt: 500, New: 13, Runs: 1}, []string{"prompt: 500 tokens and 13 new ones, the model has 512 positions"}},
	} {
		ctx := &Context{Env: e, Dir: t.TempDir(), Calibrations: []*subject.Calibration{calibration()}}
		s, _ := Lookup(c.suite)
		errs := s.Prepare(ctx, c.o)
		if len(errs) != len(c.want) {
			t.Errorf("%s %+v: %v, want %q", c.suite, c.o, errs, c.want)
			continue
		}
		for i, err := range errs {
			if !strings.HasPrefix(err.Error(), c.want[i]) {
				t.Errorf("%s: %v, want %s…", c.suite, err, c.want[i])
			}
		}
	}
}

// TestScored: approx without a text takes that of perplexity, and its recipe
// unless it has its own.
func TestScored(t *testing.T) {
	p := &perplexityOptions{Recipe: "bos-each-256", Corpus: scenarios.Corpus{Name: "demo"}}
	c := &Context{Env: newEnv(t, demo.Model), Scored: perplexitySuite.Scores(p)}
	a := approxSuite.New().(*approxOptions)
	if errs := approxSuite.Prepare(c, a); errs != nil || a.Recipe != "bos-each-256" || a.Corpus.Name != "demo" {
		t.Errorf("%+v, %v", a, errs)
	}
	a = approxSuite.New().(*approxOptions)
	a.Recipe = "gptq-128"
	if errs := approxSuite.Prepare(c, a); errs != nil || a.Recipe != "gptq-128" || a.Corpus.Name != "demo" {
		t.Errorf("%+v, %v", a, errs)
	}
}

// TestScoredWindows: divergence without a text takes recipe, text and windows
// of perplexity, and then shares its walk; what is its own stays.
func TestScoredWindows(t *testing.T) {
	p := &perplexityOptions{Recipe: "gptq-128", Corpus: scenarios.Corpus{Name: "demo"}, Windows: 3}
	c := &Context{Env: newEnv(t, demo.Model), Scored: perplexitySuite.Scores(p)}
	for _, tt := range []struct {
		o, want divergenceOptions
		fits    bool
	}{
		{divergenceOptions{}, divergenceOptions{"gptq-128", p.Corpus, 3}, true},
		{divergenceOptions{Windows: 2}, divergenceOptions{"gptq-128", p.Corpus, 2}, false},
		{divergenceOptions{Recipe: "bos-each-128"}, divergenceOptions{"bos-each-128", p.Corpus, 3}, false},
		{divergenceOptions{Recipe: "gptq-128", Corpus: p.Corpus}, divergenceOptions{"gptq-128", p.Corpus, 0}, false},
	} {
		d := tt.o
		if errs := divergenceSuite.Prepare(c, &d); errs != nil || !reflect.DeepEqual(d, tt.want) {
			t.Errorf("%+v became %+v, %v", tt.o, d, errs)
		}
		if fits := divergenceSuite.Joint.Fits(c, &d, p); fits != tt.fits {
			t.Errorf("%+v with %+v: %v", d, p, fits)
		}
		alone, joint := divergenceSuite.Cost(c, &d), divergenceSuite.Joint.Cost(c, &d)
		if n := mustWindows(c, d.text()).Tokens(); alone.Tokens != n || joint.Tokens != 0 || joint.BaseTokens != alone.BaseTokens || joint.BaseTokens <= n {
			t.Errorf("%+v: costs %+v and %+v", d, alone, joint)
		}
	}
}

// TestRecipe: the identity changes with what is measured, Exec with how.
func TestRecipe(t *testing.T) {
	e := newEnv(t, demo.Model)
	context := func(cals ...*subject.Calibration) *Context { return &Context{Env: e, Calibrations: cals} }
	demoText := scenarios.Corpus{Name: "demo"}
	other := calibration()
	other.Seed = 1
	approx := func(windows int, hessian bool) any {
		return &approxOptions{Recipe: "gptq-128", Corpus: demoText, Windows: windows, Hessian: hessian}
	}
	perp := func(recipe string, windows int) any {
		return &perplexityOptions{Recipe: recipe, Corpus: demoText, Windows: windows}
	}
	for _, c := range []struct {
		suite Suite
		a, b  any
		ca    *Context
		cb    *Context
		same  bool
	}{
		{perplexitySuite, perp("gptq-128", 0), perp("gptq-128", 0), context(), context(calibration()), true},
		{perplexitySuite, perp("gptq-128", 0), perp("gptq-128", 3), context(), context(), false},
		{perplexitySuite, perp("gptq-128", 0), perp("gptq-64", 0), context(), context(), false},
		{perplexitySuite, perp("gptq-128", 0), perp("bos-each-128", 0), context(), context(), false},
		{approxSuite, approx(2, true), approx(2, true), context(calibration()), context(calibration()), true},
		{approxSuite, approx(2, true), approx(2, true), context(calibration()), context(other), false},
		{approxSuite, approx(2, false), approx(2, false), context(calibration()), context(other), true},
		{approxSuite, approx(2, true), approx(2, true), context(), context(calibration()), false},
		{approxSuite, approx(2, true), approx(3, true), context(), context(), false},
		{divergenceSuite, &divergenceOptions{"gptq-128", demoText, 0}, &divergenceOptions{"gptq-128", demoText, 0}, context(), context(calibration()), true},
		{divergenceSuite, &divergenceOptions{"gptq-128", demoText, 0}, &divergenceOptions{"gptq-128", demoText, 2}, context(), context(), false},
		{memorySuite, &memoryOptions{1, 2, 3}, &memoryOptions{1, 2, 4}, context(), context(), false},
		{memorySuite, &memoryOptions{1, 2, 3}, &memoryOptions{1, 3, 3}, context(), context(), false},
	} {
		a, b := c.suite.Recipe(c.ca, c.a), c.suite.Recipe(c.cb, c.b)
		if same := reflect.DeepEqual(a.Identity, b.Identity); same != c.same {
			t.Errorf("%s: %+v and %+v: same identity %v, want %v", c.suite.Name, c.a, c.b, same, c.same)
		}
		if a.Words == "" || !reflect.DeepEqual(a.Exec, b.Exec) || a.Exec["kernels"] != e.Device.Name() {
			t.Errorf("%s: %q executed as %v and %v", c.suite.Name, a.Words, a.Exec, b.Exec)
		}
	}
	// perplexity keeps its own identity although approx adds to the same windows.
	_ = approxSuite.Recipe(context(), approx(2, true))
	w, err := e.Windows("gptq-128", subject.CorpusRef{Name: "demo"}, 2)
	if err != nil || w.Identity["hessian"] != nil {
		t.Errorf("the windows' identity grew: %v, %v", w.Identity, err)
	}
}

// TestCost counts by hand.
func TestCost(t *testing.T) {
	c := &Context{Env: newEnv(t, demo.Model)}
	l := latencySuite.New()
	lat := latencySuite.Cost(c, l)
	// 8 blocks of 4 runs and an untimed one, and in each of 3 launches a cold
	// call and a warm-up of 10: 73 prompts of 128 and 31 steps behind each.
	if lat.Tokens != 73*128 || lat.Steps != 73*31 || latencySuite.Blocks(l) != 8 {
		t.Errorf("latency %+v", lat)
	}
	mem := memorySuite.Cost(c, &memoryOptions{100, 10, 3})
	if mem.Tokens != 300 || mem.Steps != 30 || !(mem.Seconds > 0) {
		t.Errorf("memory %+v", mem)
	}
	demoText := scenarios.Corpus{Name: "demo"}
	if p := perplexitySuite.Cost(c, &perplexityOptions{"gptq-128", demoText, 3}); p.Tokens != 384 {
		t.Errorf("perplexity %+v", p)
	}
	if a := approxSuite.Cost(c, &approxOptions{Recipe: "gptq-128", Corpus: demoText, Windows: 2}); a.Tokens != 3*256 {
		t.Errorf("approx %+v", a)
	}
}

// counter is a clock that says that every call takes a second.
func counter(calls *int) bench.Clock {
	return func(f func() error) (time.Duration, error) {
		*calls++
		return time.Second, f()
	}
}
