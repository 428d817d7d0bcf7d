package suites

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/scenarios"
)

// bits2 is sketchtune at 2 bits and one group, the quickest.
func bits2(o any) { o.(*sketchtune.Options).Bits = 2 }

// byItem are values by item and metric; of several samples the first.
func byItem(recs []results.Record) map[string]map[string]results.Record {
	out := map[string]map[string]results.Record{}
	for _, r := range recs {
		if out[r.Item] == nil {
			out[r.Item] = map[string]results.Record{}
		}
		if _, ok := out[r.Item][r.Metric]; !ok {
			out[r.Item][r.Metric] = r
		}
	}
	return out
}

// checkPanel holds one matrix to what must be true of any.
func checkPanel(t *testing.T, item string, m map[string]results.Record) {
	t.Helper()
	sq := m["update_sq"].Value
	projected, best := m["update_projection_err_sq"], m["update_kmeans_err_sq"]
	if !(0 < best.Value && best.Value <= projected.Value && projected.Value <= sq) {
		t.Errorf("%s: k-means %v, projection %v of %v", item, best.Value, projected.Value, sq)
	}
	eight, equal, bytes := m["update_rank8_err_sq"], m["update_trainable_err_sq"], m["update_bytes_err_sq"]
	for _, low := range []results.Record{equal, bytes} {
		if (low.Weight < eight.Weight) != (low.Value > eight.Value) && low.Weight != eight.Weight {
			t.Errorf("%s: rank %v has error %v, rank 8 %v", item, low.Weight, low.Value, eight.Value)
		}
	}
	if eight.Weight != 8 || !(bytes.Weight > equal.Weight) {
		t.Errorf("%s: ranks %v, %v, %v", item, eight.Weight, equal.Weight, bytes.Weight)
	}
}

// TestUpdateDemo: the embedded update of layer 3 is what the description of the
// assets says, to its digits: norm of Δ 6 to 8 % of the weights', rank for 75 % of
// the energy 48-54 in the MLP and 14-18 in attention, error at rank 8 0.81-0.84
// and 0.65-0.68, exponent 1.3-2.4 (numpy).
func TestUpdateDemo(t *testing.T) {
	e := newEnv(t, demo.Model)
	s := openCase(t, e, "sketchtune", bits2, "model.layers.3.*")
	c := &Context{Env: e, Cases: []*subject.Case{s.Case}}
	o := &approxOptions{Hessian: true, Delta: &deltaOptions{Tuned: demo.Tuned}}
	items := byItem(measure(t, "approx", c, s, o).records)
	if len(items) != 7 {
		t.Fatalf("%d matrices", len(items))
	}
	between := func(item, what string, v, lo, hi float64) {
		if !(lo <= v && v <= hi) {
			t.Errorf("%s: %s %v, want %v to %v", item, what, v, lo, hi)
		}
	}
	for item, m := range items {
		checkPanel(t, item, m)
		sq := m["update_sq"].Value
		eight := math.Sqrt(m["update_rank8_err_sq"].Value / sq)
		between(item, "norm", math.Sqrt(sq/m["update_base_sq"].Value), 0.055, 0.085)
		between(item, "exponent", m["update_exponent"].Value, 1.25, 2.45)
		if strings.Contains(item, ".mlp.") {
			between(item, "rank for 75 %", m["update_rank75"].Value, 48, 54)
			between(item, "error at rank 8", eight, 0.805, 0.845)
		} else {
			between(item, "rank for 75 %", m["update_rank75"].Value, 14, 18)
			between(item, "error at rank 8", eight, 0.645, 0.685)
		}
		// 4 entries a row; the kept share is near entries over weights.
		random := m["update_random_err_sq"]
		share := random.Weight / m["update_sq"].Weight
		between(item, "share of random buckets", (1-random.Value/sq)/share, 0.6, 1.4)
	}
	down := items["model.layers.3.mlp.down_proj.weight"]
	// 256 tables of 4 in 256+768: rank 1; 256·(192+8) bytes of 2·1024 each: 25.
	if down["update_trainable_err_sq"].Weight != 1 || down["update_bytes_err_sq"].Weight != 25 || down["update_projection_err_sq"].Weight != 1024 {
		t.Errorf("down_proj: %+v", down)
	}
	// The base may be named, and changes nothing.
	again := &approxOptions{Delta: &deltaOptions{Base: demo.Model, Tuned: demo.Tuned}}
	if errs := approxSuite.Prepare(c, again); errs != nil || !reflect.DeepEqual(approxSuite.Recipe(c, o), approxSuite.Recipe(c, again)) {
		t.Errorf("with its base: %v", errs)
	}
}

// TestUpdateWithout: a case without tables has no lines; nor have matrices that
// a case leaves alone, and it says so.
func TestUpdateWithout(t *testing.T) {
	e := newEnv(t, demo.Model)
	dense := openCase(t, e, "dense", nil)
	some := openCase(t, e, "sketchtune", bits2, "model.layers.3.self_attn.k_proj.weight")
	c := &Context{Env: e, Cases: []*subject.Case{dense.Case, some.Case}}
	o := &approxOptions{Delta: &deltaOptions{Tuned: demo.Tuned, Draws: 2}}
	if errs := approxSuite.Prepare(c, o); errs != nil {
		t.Fatal(errs)
	}
	for s, want := range map[*subject.Subject]struct {
		lines int
		doubt string
	}{dense: {0, ""}, some: {12, "6 of 7 matrices"}} {
		p := &tape{}
		out := p.out(t, "approx")
		var doubt string
		out.Doubt = func(text string) { doubt = text }
		err := approxSuite.Run(context.Background(), c, s, o, out)
		if err != nil || len(p.records) != want.lines || !strings.HasPrefix(doubt, want.doubt) || want.doubt == "" && doubt != "" {
			t.Errorf("%s: %d lines, doubt %q, %v", s.Case.Label, len(p.records), doubt, err)
		}
	}
}

// TestUpdateStops: a line that cannot be written ends the suite, whichever it is,
// and so does a context that ends; of checkpoints and of drawn matrices.
func TestUpdateStops(t *testing.T) {
	e := newEnv(t, demo.Model)
	some := openCase(t, e, "sketchtune", bits2, "model.layers.3.self_attn.k_proj.weight")
	drawn, of := drawnCase(t, "sketchtune", bits2)
	full := errors.New("disk full")
	for _, tt := range []struct {
		c     *Context
		s     *subject.Subject
		delta *deltaOptions
		lines int
	}{
		{&Context{Env: e, Cases: []*subject.Case{some.Case}}, some, &deltaOptions{Tuned: demo.Tuned, Draws: 2}, 12},
		{drawn, of, &deltaOptions{Eta: []float64{0.1}, Size: []int{16}, Draws: 2}, 19},
	} {
		o := &approxOptions{Delta: tt.delta}
		if errs := approxSuite.Prepare(tt.c, o); errs != nil {
			t.Fatal(errs)
		}
		for fail := 1; fail <= tt.lines+1; fail++ {
			p := &tape{}
			out := p.out(t, "approx")
			out.Emit = failing(p, fail, full)
			err := approxSuite.Run(context.Background(), tt.c, tt.s, o, out)
			if ok := fail > tt.lines; ok != (err == nil) || !ok && (!errors.Is(err, full) || len(p.records) != fail-1) {
				t.Errorf("%+v: line %d failed: %v after %d lines", tt.delta, fail, err, len(p.records))
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := approxSuite.Run(ctx, tt.c, tt.s, o, (&tape{}).out(t, "approx")); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: canceled: %v", tt.delta, err)
		}
	}
}

// TestUpdateAll measures all layers of the fine-tuned model. The embedded layer
// gives the same values as that of the folder; other errors of low rank are
// compared with gonum's singular values of the difference of the two files.
func TestUpdateAll(t *testing.T) {
	if testing.Short() {
		t.Skip("compresses all of the demo model")
	}
	dir := sharedtest.Dir(t, "assets", "demo-6m-tuned")
	e := newEnv(t, demo.Model)
	s := openCase(t, e, "sketchtune", bits2)
	c := &Context{Env: e, Dir: filepath.Dir(dir), Cases: []*subject.Case{s.Case}}
	all := byItem(measure(t, "approx", c, s, &approxOptions{Delta: &deltaOptions{Tuned: filepath.Base(dir), Draws: 2}}).records)
	layer := byItem(measure(t, "approx", c, s, &approxOptions{Delta: &deltaOptions{Tuned: demo.Tuned, Draws: 2}}).records)
	if len(all) != 42 || len(layer) != 7 {
		t.Fatalf("%d matrices, %d of one layer", len(all), len(layer))
	}
	for item, m := range all {
		checkPanel(t, item, m)
		if of, ok := layer[item]; ok && !reflect.DeepEqual(m, of) {
			t.Errorf("%s: %+v of the folder, %+v embedded", item, m, of)
		}
	}
	tuned, err := e.Tuned(filepath.Base(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	for layer := range 6 {
		for _, spec := range e.Model.Config.Linears(layer)[1:2] { // k_proj, 128×256
			delta, _, err := difference(tuned.Weights(), e.Model.Weights(), spec)
			if err != nil {
				t.Fatal(err)
			}
			d := mat.NewDense(spec.Out, spec.In, nil)
			for i, v := range delta {
				d.Set(i/spec.In, i%spec.In, float64(v))
			}
			var svd mat.SVD
			if !svd.Factorize(d, mat.SVDNone) {
				t.Fatal("gonum: SVD failed")
			}
			var left float64
			for _, v := range svd.Values(nil)[8:] {
				left += v * v
			}
			// Both are float64 sums of squares; ours come from a Gram matrix.
			if got := all[spec.Name]["update_rank8_err_sq"].Value; !(math.Abs(got/left-1) < 1e-9) {
				t.Errorf("%s: squared error at rank 8 %v, want %v", spec.Name, got, left)
			}
		}
	}
}

// drawnCase is a case without a model.
func drawnCase(t *testing.T, method string, edit func(o any)) (*Context, *subject.Subject) {
	t.Helper()
	e := newEnv(t, subject.NoModel)
	m, _ := subject.LookupMethod(method)
	o := m.New()
	if edit != nil {
		edit(o)
	}
	cs := &subject.Case{ID: "c", Label: method, Method: m, Options: o}
	return &Context{Env: e, Cases: []*subject.Case{cs}}, &subject.Subject{Env: e, Case: cs}
}

// TestCheck9Simulated: simulated crossovers of both sketches hold that of the
// finite sums in their intervals, and errors of low rank are those of the
// prescribed spectrum. The draws are fixed; that an interval of 95 % misses is
// not excluded in general.
func TestCheck9Simulated(t *testing.T) {
	for _, gpr := range []int{2, 1} { // of 128 columns at 4 bits: α = 4 and 8
		c, s := drawnCase(t, "sketchtune", func(o any) { o.(*sketchtune.Options).GPR = gpr })
		etas := []float64{0.2, 0.3, 0.4, 0.5, 0.6}
		p := measure(t, "approx", c, s, &approxOptions{Delta: &deltaOptions{Eta: etas, Size: []int{128}, Draws: 12}})
		for item, m := range byItem(p.records) {
			checkDrawn(t, item, m)
		}
		got := crossoverOf(t, p.records)
		if want := 8 / float64(gpr); got.Alpha != want || got.Size != 128 || math.Abs(got.Threshold-1/(1+math.Log2(want))) > 1e-12 {
			t.Errorf("%+v", got)
		}
		for _, e := range []summary.Estimate{got.Random, got.Projection} {
			if !got.Holds(e) || e.N != 12 || !(e.Hi-e.Lo < 0.1) {
				t.Errorf("gpr %d: crossover %v [%v, %v] over %d draws, finite sums %v; %s", gpr, e.Value, e.Lo, e.Hi, e.N, got.Finite, e.Missing)
			}
		}
	}
}

// checkDrawn compares the error of rank 8 with the tail of the sum, which the
// float32 factors meet within some n·2⁻²⁴ relative.
func checkDrawn(t *testing.T, item string, m map[string]results.Record) {
	t.Helper()
	var eta, left, all float64
	if _, err := fmt.Sscanf(item, "128x128,eta%g", &eta); err != nil {
		t.Fatalf("%s: %v", item, err)
	}
	for i := 128; i >= 1; i-- {
		v := math.Pow(float64(i), -eta)
		all += v
		if i > 8 {
			left += v
		}
	}
	if got := m["update_rank8_err_sq"].Value / m["update_sq"].Value; !(math.Abs(got-left/all) < 1e-5) {
		t.Errorf("%s: rank 8 leaves %v, want %v", item, got, left/all)
	}
	if !(math.Abs(m["update_exponent"].Value-eta) < 1e-3) {
		t.Errorf("%s: exponent %v", item, m["update_exponent"].Value)
	}
}

// crossoverOf reads what a report makes of the records of a case.
func crossoverOf(t *testing.T, recs []results.Record) summary.Crossover {
	t.Helper()
	head := results.Record{Schema: results.Schema, Kind: results.KindDone, Run: "r", Case: "c", Scenario: "s", Model: "none", Method: "sketchtune", Suite: "approx", Recipe: "x", Key: "k", Values: len(recs)}
	all := []results.Record{}
	for _, r := range recs {
		v := head
		v.Kind, v.Metric, v.Item, v.Value, v.Weight, v.Sample = results.KindValue, r.Metric, r.Item, r.Value, r.Weight, r.Sample
		all = append(all, v)
	}
	rep, err := summary.Of(append(all, head), summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	crossovers := rep.Groups[0].Rows[0].Crossovers
	if len(crossovers) != 1 {
		t.Fatalf("%d crossovers", len(crossovers))
	}
	return crossovers[0]
}

// TestDeltaFaults: faults name the field, what is there and what to do.
func TestDeltaFaults(t *testing.T) {
	model := newEnv(t, demo.Model)
	dir := t.TempDir()
	for _, tt := range []struct {
		none   bool
		method string
		a      approxOptions
		want   []string
	}{
		{false, "sketchtune", approxOptions{Delta: &deltaOptions{}}, []string{"delta: want {tuned: CHECKPOINT}"}},
		{false, "sketchtune", approxOptions{Delta: &deltaOptions{Tuned: demo.Tuned, Eta: []float64{0.1}}}, []string{"delta: a pair of checkpoints and a prescribed spectrum"}},
		{false, "sketchtune", approxOptions{Recipe: "gptq-64", Windows: 2, Corpus: scenarios.Corpus{Name: "demo"}, Delta: &deltaOptions{Tuned: demo.Tuned, Draws: 1}},
			[]string{"recipe: has no part", "corpus: has no part", "windows: has no part", "delta.draws: 1, want 2 or more"}},
		{false, "sketchtune", approxOptions{Delta: &deltaOptions{Base: demo.Model}}, []string{"delta.tuned: missing, want demo-tuned"}},
		{false, "sketchtune", approxOptions{Delta: &deltaOptions{Base: "nosuch", Tuned: "nosuch"}}, []string{"delta.base: " + filepath.Join(dir, "nosuch"), "delta.tuned: "}},
		{false, "svd", approxOptions{Delta: &deltaOptions{Tuned: demo.Tuned}}, []string{"delta.tuned: no method of this scenario stores codes and a table"}},
		{true, "sketchtune", approxOptions{Delta: &deltaOptions{Tuned: demo.Tuned}}, []string{"delta.tuned: there is no model"}},
		{true, "svd", approxOptions{Delta: &deltaOptions{Eta: []float64{0.1}}}, []string{"delta.eta: no method of this scenario stores"}},
		{true, "sketchtune", approxOptions{Delta: &deltaOptions{Eta: []float64{0.2, 0.1, -1}, Size: []int{4, 8192}}},
			[]string{"delta.eta[2]: -1, want 0 to 4", "delta.eta: [0.2 0.1 -1], want them in rising order", "delta.size[0]: 4, want 8 to 4096", "delta.size[1]: 8192, want"}},
	} {
		c, _ := drawnCase(t, tt.method, nil)
		c.Dir = dir
		if !tt.none {
			c.Env = model
		}
		errs := approxSuite.Prepare(c, &tt.a)
		if len(errs) != len(tt.want) {
			t.Errorf("%+v: %v, want %q", tt.a.Delta, errs, tt.want)
			continue
		}
		for i, err := range errs {
			if !strings.HasPrefix(err.Error(), tt.want[i]) {
				t.Errorf("%v, want %s…", err, tt.want[i])
			}
		}
	}
}
