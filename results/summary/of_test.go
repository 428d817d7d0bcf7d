package summary

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/results"
)

// script holds records that a test writes down.
type script struct {
	run  string
	recs []results.Record
}

func (s *script) line(c string, r results.Record) {
	r.Run, r.Case, r.Scenario, r.Model, r.Method = s.run, c, "s", "m", strings.TrimRight(c, "0123456789")
	s.recs = append(s.recs, r)
}

func (s *script) value(c, suite, metric, item string, sample, block int, v, weight float64) {
	s.line(c, results.Record{Kind: results.KindValue, Suite: suite, Recipe: "r", Metric: metric, Item: item, Sample: sample, Block: block,
		Value: v, Weight: weight, Device: "cpu"})
}

func (s *script) done(c, suite string, n int) {
	s.line(c, results.Record{Kind: results.KindDone, Suite: suite, Recipe: "r", Values: n})
}

// windows scores windows of 10 targets with these mean nll.
func (s *script) windows(c string, nll ...float64) {
	for i, v := range nll {
		s.value(c, "perplexity", "nll", "", i, 0, 10*v, 10)
	}
	s.done(c, "perplexity", len(nll))
}

// ttft times one prefill per block.
func (s *script) ttft(c string, seconds ...float64) {
	for i, v := range seconds {
		s.value(c, "latency", "ttft", "b1,ctx8", 0, i, v, 0)
	}
	s.done(c, "latency", len(seconds))
}

func (s *script) host(h string) {
	s.recs = append(s.recs, results.Record{Kind: results.KindRun, Run: s.run, Host: h})
}

// one returns the only group of the script.
func (s *script) one(t *testing.T, baseline string) Group {
	t.Helper()
	rep, err := Of(s.recs, Options{Baseline: baseline})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Groups) != 1 {
		t.Fatalf("%d groups, want 1", len(rep.Groups))
	}
	return rep.Groups[0]
}

// stories is what TestStories reads of reference/stories/summary.json.
type stories struct {
	Paired map[string]struct {
		Windows int
		Other   float64    `json:"ppl_other"`
		SEOther float64    `json:"cluster_se_other"`
		Delta   float64    `json:"delta_mean_nll"`
		SE      float64    `json:"delta_cluster_se"`
		Ratio   float64    `json:"ratio"`
		CI      [2]float64 `json:"ratio_ci95"`
		Diff    float64    `json:"delta_ppl"`
		DiffSE  float64    `json:"delta_ppl_se"`
		Rho     float64    `json:"correlation"`
	}
	Models map[string]struct {
		Recipes map[string]struct {
			PPL float64
			CI  [2]float64 `json:"ppl_ci95"`
		}
	}
}

// storiesRecords returns the windows of reference/stories/stories260K/paired.jsonl as records.
func storiesRecords(t *testing.T) script {
	t.Helper()
	f, err := os.Open(sharedtest.Dir(t, "reference", "stories", "stories260K", "paired.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, n := script{run: "r"}, map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var w struct {
			Bits, Window int
			Targets      float64
			Base         float64 `json:"nll_base"`
			Other        float64 `json:"nll_other"`
		}
		if err := json.Unmarshal(sc.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		other := fmt.Sprintf("rtn%d", w.Bits)
		s.value(other, "perplexity", "nll", "", w.Window, 0, w.Other, w.Targets)
		n[other]++
		if w.Bits == 4 {
			s.value("dense", "perplexity", "nll", "", w.Window, 0, w.Base, w.Targets)
			n["dense"]++
		}
	}
	for _, c := range []string{"dense", "rtn4", "rtn3"} {
		s.done(c, "perplexity", n[c])
	}
	return s
}

// TestStories runs the whole way from records to a paired ratio on the figures of the
// reference data: stories260K against itself with weights rounded to 4 and 3 bits. The
// file's nll are rounded to 1e-8 nat of about 1000.
// TestDoubtsTogether: what the suite said of three cases stands once.
func TestDoubtsTogether(t *testing.T) {
	var g Group
	for _, label := range []string{"a", "b", "c"} {
		g.doubt("latency", "noisy", label)
		g.Rows = append(g.Rows, Row{Label: label})
	}
	g.doubt("latency", "other", "a")
	g.warnOfDoubts()
	if want := []string{"3 of 3 cases, latency: noisy", "a, latency: other"}; !slices.Equal(g.Warnings, want) {
		t.Errorf("%q, want %q", g.Warnings, want)
	}
}

func TestStories(t *testing.T) {
	var ref stories
	b, err := os.ReadFile(sharedtest.Dir(t, "reference", "stories", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	s := storiesRecords(t)
	for _, row := range s.one(t, "dense").Rows {
		if row.Case == "dense" {
			want := ref.Models["stories260K"].Recipes["gptq-256"]
			near(t, "perplexity", row.Perplexity.Value, want.PPL, 1e-8)
			near(t, "lo", row.Perplexity.Lo, want.CI[0], 1e-8)
			near(t, "hi", row.Perplexity.Hi, want.CI[1], 1e-8)
			continue
		}
		want, ok := ref.Paired[row.Case+"-row-asym"]
		if !ok {
			t.Fatalf("no reference for %s", row.Case)
		}
		for _, c := range []struct {
			name      string
			got, want float64
		}{
			{"perplexity", row.Perplexity.Value, want.Other}, {"SE", row.Perplexity.SE, want.SEOther}, {"delta", row.Ratio.Delta, want.Delta},
			{"delta SE", row.Ratio.SE, want.SE}, {"ratio", row.Ratio.Value, want.Ratio}, {"lo", row.Ratio.Lo, want.CI[0]}, {"hi", row.Ratio.Hi, want.CI[1]},
			{"difference", row.Ratio.Difference, want.Diff}, {"difference SE", row.Ratio.DifferenceSE, want.DiffSE}, {"rho", row.Ratio.Rho, want.Rho},
		} {
			near(t, row.Case+" "+c.name, c.got, c.want, 1e-8)
		}
		if row.Ratio.N != want.Windows || !row.Ratio.Significant {
			t.Errorf("%s: %+v", row.Case, row.Ratio.Estimate)
		}
	}
}

func TestUnfinishedIsIgnored(t *testing.T) {
	s := script{run: "r1"}
	s.windows("dense", 1, 2)
	s.value("int", "perplexity", "nll", "", 0, 0, 10, 10)
	g := s.one(t, "dense")
	if e := g.Rows[1].Perplexity; e.Missing != "int: perplexity was not measured to its end" {
		t.Errorf("without a done line: %+v", e.Estimate)
	}
	if e := g.Rows[1].Ratio; e.Missing == "" {
		t.Errorf("ratio: %+v", e.Estimate)
	}
}

func TestLastRunCounts(t *testing.T) {
	s := script{run: "r1"}
	s.windows("dense", 1, 1)
	s.run = "r2"
	s.windows("dense", 2, 2)
	s.value("dense", "perplexity", "nll", "", 2, 0, 10, 10) // one more than its done line says
	g := s.one(t, "dense")
	want := []string{"dense, perplexity: 3 values, but its done line says 2", "dense, perplexity: measured by several runs; the last, r2, is shown"}
	if !slices.Equal(g.Warnings, want) {
		t.Errorf("warnings %q, want %q", g.Warnings, want)
	}
	if mu := g.Rows[0].Perplexity.Mu; math.Abs(mu-5.0/3) > 1e-12 { // (20 + 20 + 10)/30
		t.Errorf("mean nll %v, want 5/3", mu)
	}
}

func TestBaseline(t *testing.T) {
	s := script{run: "r"}
	s.line("dense", results.Record{Kind: results.KindCase, Label: "the dense one", NominalBits: 16})
	s.line("int4", results.Record{Kind: results.KindCase, Label: "int4 g64", Baseline: true})
	s.windows("dense", 1, 2)
	s.windows("int4", 1, 2)
	for _, tt := range []struct {
		name, want string
		warning    string
	}{
		{"", "int4 g64", ""},
		{"the dense one", "the dense one", ""},
		{"dense", "the dense one", ""},
		{"gone", "", `the baseline "gone" is not among the cases: no ratios`},
	} {
		g := s.one(t, tt.name)
		got := ""
		if len(g.Warnings) > 0 {
			got = g.Warnings[0]
		}
		if g.Baseline != tt.want || got != tt.warning {
			t.Errorf("baseline %q: %q, warning %q; want %q, %q", tt.name, g.Baseline, got, tt.want, tt.warning)
		}
		for _, row := range g.Rows {
			if row.Baseline != (row.Label == tt.want) || (row.Ratio.Missing == "") != (tt.want != "") {
				t.Errorf("baseline %q: row %s: %v, %+v", tt.name, row.Label, row.Baseline, row.Ratio.Estimate)
			}
		}
	}
	if g := s.one(t, ""); g.Rows[0].NominalBits.Value != 16 || g.Rows[1].NominalBits.Missing == "" {
		t.Errorf("nominal bits %+v, %+v", g.Rows[0].NominalBits, g.Rows[1].NominalBits)
	}
	if _, err := Of(nil, Options{}); err == nil {
		t.Error("no records: no error")
	}
}

func TestFailures(t *testing.T) {
	s := script{run: "r"}
	s.windows("dense", 1, 2)
	s.ttft("dense", 1, 1, 1, 1, 1, 1)
	s.line("svd", results.Record{Kind: results.KindFailure, Class: results.ClassInput, Stage: "load", Message: "NaN in w[3]"})
	s.windows("int", 1, 2)
	s.line("int", results.Record{Kind: results.KindFailure, Suite: "latency", Recipe: "r", Class: results.ClassCrash, Message: "killed"})
	s.line("int", results.Record{Kind: results.KindFailure, Suite: "perplexity", Recipe: "r", Class: results.ClassCrash, Message: "before the run that succeeded"})
	g := s.one(t, "dense")
	if m := g.Rows[1].Perplexity.Missing; m != "svd failed in load (input): NaN in w[3]" {
		t.Errorf("svd: %q", m)
	}
	if m := g.Rows[2].TTFT[0].Ratio.Missing; m != "int failed in latency (crash): killed" {
		t.Errorf("int: %q", m)
	}
	if g.Rows[2].Perplexity.Missing != "" || len(g.Rows[2].Failures) != 1 {
		t.Errorf("int: %+v, failures %v", g.Rows[2].Perplexity.Estimate, g.Rows[2].Failures)
	}
}

func TestDoubtsTravel(t *testing.T) {
	s := script{run: "r"}
	for b := range 12 {
		r := results.Record{Kind: results.KindValue, Suite: "latency", Recipe: "r", Metric: "ttft", Item: "b1,ctx8", Block: b, Value: 1}
		if b < 2 {
			r.Value, r.Flags = 9, []string{"foreign-process", "throttled"}
		}
		s.line("int", r)
	}
	s.line("int", results.Record{Kind: results.KindDone, Suite: "latency", Recipe: "r", Values: 12, Message: "half-width 3 %, want 1 %"})
	g := s.one(t, "int")
	ttft := g.Rows[0].TTFT[0]
	want := []string{"2 of 12 samples flagged throttled, left out", "INVALID: more than 10 % of the samples were throttled; measure again"}
	if got := ttft.Median; !slices.Equal(got.Warnings, want) || got.N != 10 || got.Hi != 1 || ttft.Foreign != 2 || ttft.Samples != 12 {
		t.Errorf("flags: %+v, want %q and 10 blocks of 1 s", ttft, want)
	}
	if want := []string{"int, latency: half-width 3 %, want 1 %"}; !slices.Equal(g.Warnings, want) {
		t.Errorf("message of the done line: %q, want %q", g.Warnings, want)
	}
}

func TestMixtureIsTold(t *testing.T) {
	s := script{run: "r"}
	for i, c := range []string{"dense", "int"} {
		s.line(c, results.Record{Kind: results.KindValue, Suite: "perplexity", Recipe: "r", Metric: "nll", Value: 1,
			Device: []string{"cpu/avx2", "cpu/avx512"}[i], Exec: []string{"e1", "e2"}[i]})
		s.done(c, "perplexity", 1)
	}
	g := s.one(t, "dense")
	want := []Varying{{Keys: []string{"device", "exec of perplexity"}, Shares: []Share{
		{[]string{"cpu/avx2", "e1"}, []string{"dense"}}, {[]string{"cpu/avx512", "e2"}, []string{"int"}}}}}
	if !reflect.DeepEqual(g.Varying, want) || len(g.Devices) != 2 {
		t.Errorf("%+v, want %+v; devices %v", g.Varying, want, g.Devices)
	}
}

func TestHolmOverTheGroup(t *testing.T) {
	s := script{run: "r"}
	s.ttft("dense", 1, 1, 1, 1, 1, 1)
	s.ttft("a", 2, 2, 2, 2, 2, 2)
	s.ttft("b", 2, 2, 2, 2, 2, 2)
	g := s.one(t, "dense")
	// Two comparisons at p = 1/32 each: adjusted 1/16, above 0.05.
	if r := g.Rows[1].TTFT[0].Ratio; g.Comparisons != 2 || r.Adjusted != 0.0625 || r.Significant {
		t.Errorf("%d comparisons, %+v", g.Comparisons, r)
	}
}

func TestApprox(t *testing.T) {
	s := script{run: "r"}
	for i, v := range []struct{ err, ref float64 }{{1, 4}, {3, 12}} {
		name := fmt.Sprint("w", i)
		s.value("int", "approx", "weight_err_sq", name, 0, 0, v.err, 5)
		s.value("int", "approx", "weight_ref_sq", name, 0, 0, v.ref, 5)
		s.value("int", "approx", "h_err_sq", name, 0, 0, v.err, 5)
		s.value("int", "approx", "h_ref_sq", name, 0, 0, v.ref, 5)
	}
	s.done("int", "approx", 8)
	row := s.one(t, "int").Rows[0]
	// √(4/16) and 4/16; the first matrix √(1/4).
	if row.WeightError.Value != 0.5 || row.HError.Value != 0.25 || row.Matrices[0].WeightError != 0.5 || !math.IsNaN(row.Matrices[1].OutputError) {
		t.Errorf("%+v, %+v, %+v", row.WeightError, row.HError, row.Matrices)
	}
	if m := row.OutputError.Missing; m != "int: no output_err_sq and output_ref_sq above 0" {
		t.Errorf("output error: %q", m)
	}
}

func TestLedger(t *testing.T) {
	s := script{run: "r"}
	for _, c := range []struct {
		class                  string
		bytes, nominal, weight float64
	}{{"linear", 500, 4000, 1000}, {"embedding", 2000, 16000, 1000}} {
		s.value("int", "memory", "stored_bytes", c.class, 0, 0, c.bytes, c.weight)
		s.value("int", "memory", "nominal_bits", c.class, 0, 0, c.nominal, c.weight)
	}
	s.value("int", "memory", "part_bytes", "linear/codes", 0, 0, 400, 1000)
	s.value("int", "memory", "part_bytes", "linear/scales", 0, 0, 100, 1000)
	for i, v := range []float64{7, 9, 8} {
		s.value("int", "memory", "peak_anon", "", i, 0, v, 0)
	}
	s.done("int", "memory", 9)
	row := s.one(t, "int").Rows[0]
	l := row.Ledger
	if l.LinearBits.Value != 4 || l.ModelBits.Value != 10 || l.ModelBytes.Value != 2500 || l.NominalLinear.Value != 4 || l.NominalModel.Value != 10 || len(l.Classes) != 2 {
		t.Errorf("%+v", l)
	}
	if p := l.Classes[0].Parts; l.Classes[0].Class != "linear" || len(p) != 2 || p["codes"] != 400 || p["scales"] != 100 || len(l.Classes[1].Parts) != 0 {
		t.Errorf("parts: %+v", l.Classes)
	}
	if row.PeakAnon.Value != 9 || row.PeakAnon.N != 3 || row.VmHWM.Missing == "" {
		t.Errorf("peaks %+v, %+v", row.PeakAnon, row.VmHWM)
	}
}

func TestWindowsMustBeComplete(t *testing.T) {
	s := script{run: "r"}
	s.value("int", "perplexity", "nll", "", 0, 0, 1, 1)
	s.value("int", "perplexity", "nll", "", 2, 0, 1, 1)
	s.done("int", "perplexity", 2)
	if m := s.one(t, "int").Rows[0].Perplexity.Missing; m != "int: window 1 of 2 has no nll" {
		t.Errorf("%q", m)
	}
}

func TestItemTokens(t *testing.T) {
	for item, want := range map[string]int{"b1,ctx384": 384, "b1,d4096": 4096, "b1": 1, "x": 0, "": 0} {
		if n := ItemTokens(item); n != want {
			t.Errorf("%q: %d, want %d", item, n, want)
		}
	}
}
