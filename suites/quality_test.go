package suites

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
)

// envAllWindows, when not empty, scores all windows of the reference in place
// of the first few.
const envAllWindows = "SKETCHBENCH_ALL_WINDOWS"

// A window is one line of the reference.
type window struct {
	Recipe  string
	Window  int
	Targets int
	NLL     float64
}

// readWindows returns the reference's windows by recipe.
func readWindows(t *testing.T, path string) map[string][]window {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	byRecipe := map[string][]window{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var w window
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		if w.Window != len(byRecipe[w.Recipe]) {
			t.Fatalf("%s: window %d of %s behind %d others", path, w.Window, w.Recipe, len(byRecipe[w.Recipe]))
		}
		byRecipe[w.Recipe] = append(byRecipe[w.Recipe], w)
	}
	return byRecipe
}

// scored is the token stream that the reference scored.
type scored struct {
	Recipe       string
	StreamSHA256 string `json:"stream_sha256"`
	StreamTokens int64  `json:"stream_tokens"`
	Windows      int64
	Scored       int64
}

// few is the number of windows that are scored of many.
func few(n int) int {
	if testing.Short() {
		return 1
	}
	return n
}

// checkPerplexity runs the suite on the uncompressed model and compares each
// window's sum with transformers', 1e-5 relative (reference/README.md section
// 2: float32 is at most 1.2e-6 from float64); the token stream and the counts
// must be those of the whole text.
func checkPerplexity(t *testing.T, e *subject.Env, text scenarios.Corpus, want []window, whole scored, windows int) {
	t.Helper()
	c := &Context{Env: e}
	o := &perplexityOptions{Recipe: whole.Recipe, Corpus: text, Windows: windows}
	if os.Getenv(envAllWindows) != "" {
		o.Windows = 0
	}
	s := openCase(t, e, "dense", nil)
	p := measure(t, "perplexity", c, s, o)
	n := 0
	var sum float64
	for _, r := range p.records {
		if r.Metric == "nll_sq" {
			if !(r.Value >= p.records[2*n-2].Value*p.records[2*n-2].Value/r.Weight) {
				t.Errorf("%s: window %d: sum of squares %v below the mean's", whole.Recipe, r.Sample, r.Value)
			}
			continue
		}
		ref := want[n]
		if r.Metric != "nll" || r.Sample != n || r.Weight != float64(ref.Targets) || !(math.Abs(r.Value-ref.NLL) <= 1e-5*ref.NLL) {
			t.Errorf("%s: window %d: %s %v of %v targets, want %v of %d", whole.Recipe, r.Sample, r.Metric, r.Value, r.Weight, ref.NLL, ref.Targets)
		}
		sum += r.Value
		n++
	}
	rec := perplexitySuite.Recipe(c, o)
	counts := rec.Counts
	if rec.Tokens != whole.StreamSHA256 || counts["tokens"] != whole.StreamTokens || counts["windows_available"] != whole.Windows || int(whole.Windows) != len(want) {
		t.Errorf("%s: stream %.12s of %v, want %.12s and %+v", whole.Recipe, rec.Tokens, counts, whole.StreamSHA256, whole)
	}
	if o.Windows == 0 && (n != len(want) || counts["scored"] != whole.Scored) || o.Windows != 0 && n != o.Windows {
		t.Errorf("%s: %d windows, %d targets, want %+v", whole.Recipe, n, counts["scored"], whole)
	}
	t.Logf("%s: %d of %d windows, perplexity %.4f", whole.Recipe, n, len(want), math.Exp(sum/float64(n*want[0].Targets)))
}

// TestPerplexityDemo scores the embedded text with the embedded model. The
// figures are lines of reference/demo/windows.jsonl and summary.json, made by
// reference/gen/demo.py.
func TestPerplexityDemo(t *testing.T) {
	e := newEnv(t, demo.Model)
	want := readWindows(t, filepath.Join("testdata", "demo-windows.jsonl"))
	for _, whole := range []scored{
		{"gptq-512", "154f537f18ec4f50e43627a936465915df77876c12564c024d1d59882316cacf", 19291, 37, 18907},
		{"bos-each-512", "c01b7e874ab87126ee4330a50e0dcfc92ccf247f4f4a96b725f96474098957f6", 19290, 37, 18907},
		{"llamacpp-512h", "d0fb100444bd7efa4c86dba8131cc3f050f573c199f84e494d9179daed10667f", 18438, 36, 9180},
	} {
		checkPerplexity(t, e, scenarios.Corpus{Name: "demo"}, want[whole.Recipe], whole, few(3))
	}
}

// TestPerplexityStories scores the start of WikiText-2's test text with three
// small trained models.
func TestPerplexityStories(t *testing.T) {
	path := wikiStart(t)
	for _, m := range []struct{ name, length string }{{"stories260K", "256"}, {"aidreams260K", "128"}, {"llama2xs-280K", "256"}} {
		t.Run(m.name, func(t *testing.T) {
			e := newEnv(t, sharedtest.Dir(t, "data", m.name, "hf"))
			dir := sharedtest.Dir(t, "reference", "stories")
			want := readWindows(t, filepath.Join(dir, m.name, "windows.jsonl"))
			totals := readTotals(t, filepath.Join(dir, "summary.json"), m.name)
			for _, recipe := range []string{"gptq-" + m.length, "bos-each-" + m.length, "llamacpp-" + m.length + "h"} {
				checkPerplexity(t, e, scenarios.Corpus{File: path}, want[recipe], totals[recipe], few(8))
			}
		})
	}
}

// wikiStart is a file of the reference's text: the first 60,000 bytes of
// WikiText-2's test text, cut back to the last newline.
func wikiStart(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(sharedtest.Dir(t, "data", "wikitext-2-raw", "wiki.test.raw"))
	if err != nil {
		t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text[:60000], '\n')+1]
	if len(text) != 59453 {
		t.Fatalf("text of %d bytes, want 59453", len(text))
	}
	path := filepath.Join(t.TempDir(), "start.raw")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPerplexityInt4 compresses stories260K to 4 and 3 bits, a group for each
// row, and scores it. The reference did the same in transformers with scales
// in float32. Ours are rounded to 16 bits, which shifts a weight against its
// grid by up to 15·2⁻¹² of a step and so rounds up to 0.4 % of the codes the
// other way. That is a change of √(0.004/(1/12)) = 0.2 of the error in the
// weights: the loss in nll must agree within a fifth.
func TestPerplexityInt4(t *testing.T) {
	const windows = 8
	path := wikiStart(t)
	e := newEnv(t, sharedtest.Dir(t, "data", "stories260K", "hf"))
	f, err := os.Open(sharedtest.Dir(t, "reference", "stories", "stories260K", "paired.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[int][2]float64{} // by bits: base and compressed, sums over the windows
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct {
			Bits, Window int
			Base         float64 `json:"nll_base"`
			Other        float64 `json:"nll_other"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if sum := want[r.Bits]; r.Window < windows {
			want[r.Bits] = [2]float64{sum[0] + r.Base, sum[1] + r.Other}
		}
	}
	for bits, w := range want {
		s := openCase(t, e, "int4", func(o any) { *o.(*int4.Options) = int4.Options{Bits: bits} })
		o := &perplexityOptions{Recipe: "gptq-256", Corpus: scenarios.Corpus{File: path}, Windows: windows}
		var got float64
		for _, r := range measure(t, "perplexity", &Context{Env: e}, s, o).records {
			if r.Metric == "nll" {
				got += r.Value
			}
		}
		t.Logf("%d bits: %.4f nats, want %.4f, base %.4f", bits, got, w[1], w[0])
		if loss := w[1] - w[0]; !(math.Abs(got-w[1]) <= loss/5) {
			t.Errorf("%d bits: %v nats, want %v ± %.2g", bits, got, w[1], loss/5)
		}
	}
	if len(want) != 2 {
		t.Errorf("reference has %d widths, want 2", len(want))
	}
}

// readTotals returns the streams of a model by recipe.
func readTotals(t *testing.T, path, model string) map[string]scored {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var summary struct {
		Models map[string]struct {
			Recipes map[string]struct {
				Tokens  int64  `json:"stream_tokens"`
				SHA256  string `json:"stream_sha256_int32le"`
				Windows int64
				Targets int64
			}
		}
	}
	if err := json.Unmarshal(b, &summary); err != nil {
		t.Fatal(err)
	}
	totals := map[string]scored{}
	for name, r := range summary.Models[model].Recipes {
		totals[name] = scored{name, r.SHA256, r.Tokens, r.Windows, r.Targets}
	}
	return totals
}

// TestApprox compares the records with float64 sums over both matrices, and
// the output error with that over what an observer of the uncompressed model
// sees; layers left alone have none.
func TestApprox(t *testing.T) {
	if testing.Short() {
		t.Skip("calibrates and measures the whole demo model")
	}
	const up = "model.layers.0.mlp.up_proj.weight"
	e := newEnv(t, demo.Model)
	c := &Context{Env: e, Calibrations: []*subject.Calibration{calibration()}}
	o := &approxOptions{Recipe: "gptq-48", Corpus: scenarios.Corpus{Name: "demo"}, Windows: 2, Hessian: true}
	s := openCase(t, e, "int4", nil, up)
	p := measure(t, "approx", c, s, o)
	byItem := map[string]map[string]results.Record{}
	var order, told []string
	for _, r := range p.records {
		if results.IsDiagnostic(r.Metric) {
			if told = append(told, r.Metric); r.Item != up || r.Weight != 768*256 {
				t.Errorf("%s of %s, weight %v", r.Metric, r.Item, r.Weight)
			}
			continue
		}
		if byItem[r.Item] == nil {
			byItem[r.Item] = map[string]results.Record{}
			order = append(order, r.Item)
		}
		byItem[r.Item][r.Metric] = r
	}
	if !slices.Equal(told, []string{"end_codes", "zero_codes"}) {
		t.Errorf("int4 tells %v", told)
	}
	cfg := e.Model.Config
	linears := 0
	for layer := range cfg.Layers {
		for _, spec := range cfg.Linears(layer) {
			m := byItem[spec.Name]
			lines := 6
			if spec.Name == up {
				lines = 8 // zeroed_sq and sign_flips of what is compressed
			}
			if linears >= len(order) || order[linears] != spec.Name || len(m) != lines {
				t.Fatalf("%s: %d records in %v", spec.Name, len(m), order)
			}
			linears++
			for _, prefix := range []string{"weight", "h", "output"} {
				weight := float64(spec.Out) * float64(spec.In)
				if prefix == "output" {
					weight = 2 * 48 * float64(spec.Out)
				}
				err, ref := m[prefix+"_err_sq"], m[prefix+"_ref_sq"]
				if (err.Value > 0) != (spec.Name == up) || !(ref.Value > 0) || err.Weight != weight || ref.Weight != weight {
					t.Errorf("%s: %s: %v of %v, weight %v", spec.Name, prefix, err.Value, ref.Value, err.Weight)
				}
			}
		}
	}
	if len(order) != linears+1 || order[linears] != "" {
		t.Errorf("%d items for %d linear layers and the deciles", len(order), linears)
	}
	var deciles [2]float64
	for _, r := range p.records {
		switch r.Metric {
		case "decile_err_sq":
			deciles[0] += r.Value
		case "decile_ref_sq":
			deciles[1] += r.Value
		}
	}
	for i, metric := range []string{"weight_err_sq", "weight_ref_sq"} {
		if v := byItem[up][metric].Value; !(math.Abs(deciles[i]-v) <= 1e-9*v) {
			t.Errorf("deciles sum to %v, %s is %v", deciles[i], metric, v)
		}
	}
	want := directErrors(t, s, c, up, o)
	for metric, v := range want {
		// float32 products of 256 terms, 16 roundings likely, against float64.
		if got := byItem[up][metric].Value; !(math.Abs(got-v) <= 1e-5*v) {
			t.Errorf("%s: %v, want %v", metric, got, v)
		}
	}

	o = &approxOptions{Recipe: "gptq-48", Corpus: scenarios.Corpus{Name: "demo"}, Windows: 1, Hessian: false}
	for _, r := range measure(t, "approx", c, s, o).records {
		if r.Metric == "h_err_sq" {
			t.Fatal("H was measured")
		}
	}
}

// directErrors works the sums out in float64.
func directErrors(t *testing.T, s *subject.Subject, c *Context, name string, o *approxOptions) map[string]float64 {
	t.Helper()
	e := s.Env
	base, err := e.Model.Weights().Weight(name)
	if err != nil {
		t.Fatal(err)
	}
	what, err := s.Weights().Weight(name)
	if err != nil {
		t.Fatal(err)
	}
	out, in := base.Dims()
	w, d := make([]float32, out*in), make([]float32, out*in)
	base.Dequantize(w, 0, out)
	what.Dequantize(d, 0, out)
	want := map[string]float64{}
	for i := range d {
		d[i] = w[i] - d[i]
		want["weight_err_sq"] += float64(d[i]) * float64(d[i])
		want["weight_ref_sq"] += float64(w[i]) * float64(w[i])
	}
	held := squares(t, e, mustWindows(c, o.text()).Windows[0].Tokens, name, d, w)
	more := squares(t, e, mustWindows(c, o.text()).Windows[1].Tokens, name, d, w)
	want["output_err_sq"], want["output_ref_sq"] = held[0]+more[0], held[1]+more[1]
	// tr(AHAᵀ) = 2/T·‖XAᵀ‖² on the calibration windows.
	windows, err := c.Calibration().Windows(e.Model)
	if err != nil {
		t.Fatal(err)
	}
	for _, win := range windows {
		q := squares(t, e, win, name, d, w)
		want["h_err_sq"] += q[0] * 2 / 128
		want["h_ref_sq"] += q[1] * 2 / 128
	}
	return want
}

// squares returns ‖XDᵀ‖² and ‖XWᵀ‖² on the uncompressed model's inputs.
func squares(t *testing.T, e *subject.Env, tokens []int, name string, d, w []float32) [2]float64 {
	t.Helper()
	run, err := engine.New(e.Device, e.Model.Config, e.Model.Weights(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var sum [2]float64
	run.SetObserver(func(names []string, x kernels.Buffer, n int) {
		if !slices.Contains(names, name) {
			return
		}
		rows := make([]float32, x.Len())
		e.Device.Read(rows, x)
		in := len(rows) / n
		for i, a := range [][]float32{d, w} {
			for r := 0; r < len(a); r += in {
				for k := 0; k < len(rows); k += in {
					var dot float64
					for j := range in {
						dot += float64(a[r+j]) * float64(rows[k+j])
					}
					sum[i] += dot * dot
				}
			}
		}
	})
	if err := run.Forward(context.Background(), tokens); err != nil {
		t.Fatal(err)
	}
	return sum
}
