package summary

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
)

// twoRuns is dense and a in run r1 of host h1, b and a again in r2 of h2. Windows are of 10 targets.
func twoRuns() []results.Record {
	s := script{run: "r1"}
	s.host("h1")
	s.line("dense", results.Record{Kind: results.KindCase, Label: "dense", Baseline: true})
	s.line("a1", results.Record{Kind: results.KindCase, Label: "a bits=4", Params: map[string]any{"bits": 4.0}})
	s.windows("dense", 1, 2, 3)
	s.windows("a1", 2, 3, 4)
	s.ttft("dense", 1, 1, 1, 1, 1, 1)
	s.line("broken1", results.Record{Kind: results.KindFailure, Class: results.ClassInput, Stage: "load", Message: "NaN"})
	s.run = "r2"
	s.host("h2")
	s.line("b1", results.Record{Kind: results.KindCase, Label: "b bits=2", Params: map[string]any{"bits": 2.0}})
	s.windows("b1", 1, 2, 6)
	s.windows("a1", 3, 4, 5)
	return s.recs
}

// choose summarises twoRuns through a filter.
func choose(t *testing.T, group []string, exprs ...string) (*Report, error) {
	t.Helper()
	f, err := keys.ParseFilter(exprs)
	if err != nil {
		t.Fatal(err)
	}
	return Of(twoRuns(), Options{Filter: f, Group: group})
}

// shown lists the rows of a group with their mean nll and ln of their ratio to dense.
func shown(g Group) (labels []string, mu, ratio []float64) {
	for _, r := range g.Rows {
		labels, mu, ratio = append(labels, r.Label), append(mu, math.Round(1e9*r.Perplexity.Mu)/1e9), append(ratio, math.Round(1e9*r.Ratio.Delta)/1e9)
	}
	return labels, mu, ratio
}

func TestFilterRows(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		exprs     []string
		labels    []string
		mu, ratio []float64
		hidden    bool
		suites    []string
	}{
		// a counts as r2 measured it, the last.
		{nil, []string{"dense", "a bits=4", "broken", "b bits=2"}, []float64{2, 4, nan, 3}, []float64{0, 2, nan, 1}, false, []string{"latency", "perplexity"}},
		{[]string{"method=a"}, []string{"a bits=4"}, []float64{4}, []float64{2}, true, []string{"perplexity"}},
		// The baseline is in r1 alone, and ratios are to it all the same.
		{[]string{"run=r2"}, []string{"a bits=4", "b bits=2"}, []float64{4, 3}, []float64{2, 1}, true, []string{"perplexity"}},
		{[]string{"run=r1,method~a*"}, []string{"a bits=4"}, []float64{3}, []float64{1}, true, []string{"perplexity"}},
		{[]string{"params.bits<4"}, []string{"b bits=2"}, []float64{3}, []float64{1}, true, []string{"perplexity"}},
		{[]string{"host=h1"}, []string{"dense", "a bits=4", "broken"}, []float64{2, 3, nan}, []float64{0, 1, nan}, false, []string{"latency", "perplexity"}},
		// Windows 1 and 2 of both: (40+50)/20 against (20+30)/20. What failed as a whole lacks no window.
		{[]string{"sample>0,suite=perplexity"}, []string{"dense", "a bits=4", "broken", "b bits=2"}, []float64{2.5, 4.5, nan, 4}, []float64{0, 2, nan, 1.5}, false, []string{"perplexity"}},
		{[]string{"sample>0,method=b"}, []string{"b bits=2"}, []float64{4}, []float64{1.5}, true, []string{"perplexity"}},
		{[]string{"method=b", "baseline=true"}, []string{"dense", "b bits=2"}, []float64{2, 3}, []float64{0, 1}, false, []string{"latency", "perplexity"}},
		{[]string{"stage=load"}, []string{"broken"}, []float64{nan}, []float64{nan}, true, nil},
	} {
		rep, err := choose(t, nil, tt.exprs...)
		if err != nil || len(rep.Groups) != 1 {
			t.Errorf("%q: %v, %+v", tt.exprs, err, rep)
			continue
		}
		g := rep.Groups[0]
		labels, mu, ratio := shown(g)
		var suites []string
		for _, s := range []string{"latency", "perplexity"} {
			if g.Suites[s] {
				suites = append(suites, s)
			}
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if !slices.Equal(labels, tt.labels) || !slices.EqualFunc(mu, tt.mu, same) || !slices.EqualFunc(ratio, tt.ratio, same) || g.BaselineHidden != tt.hidden ||
			!slices.Equal(suites, tt.suites) || g.Cases != 4 {
			t.Errorf("%q: %q, mean nll %v, ln ratio %v, baseline hidden %v, suites %q; want %q, %v, %v, %v, %q", tt.exprs, labels, mu, ratio, g.BaselineHidden, suites,
				tt.labels, tt.mu, tt.ratio, tt.hidden, tt.suites)
		}
	}
	if _, err := choose(t, nil, "method=none"); err == nil || err.Error() != "no line of the records passes the filter method=none" {
		t.Errorf("nothing chosen: %v", err)
	}
}

// TestFilteredComparisons: only ratios that are shown count in Holm's correction.
func TestFilteredComparisons(t *testing.T) {
	rep, err := choose(t, nil, "method=a")
	if err != nil || rep.Groups[0].Comparisons != 1 {
		t.Errorf("%v, %+v, want 1 comparison", err, rep)
	}
}

func TestGroup(t *testing.T) {
	type table struct {
		keys   []KeyValue
		labels []string
	}
	for _, tt := range []struct {
		group, exprs []string
		want         []table
	}{
		{[]string{"host"}, nil, []table{{[]KeyValue{{"host", "h1"}}, []string{"dense", "a bits=4", "broken"}}, {[]KeyValue{{"host", "h2"}}, []string{"a bits=4", "b bits=2"}}}},
		{[]string{"params.bits"}, nil, []table{{[]KeyValue{{"params.bits", ""}}, []string{"dense", "broken"}}, {[]KeyValue{{"params.bits", "4"}}, []string{"a bits=4"}},
			{[]KeyValue{{"params.bits", "2"}}, []string{"b bits=2"}}}},
		{[]string{"method", "host"}, []string{"method=a"}, []table{{[]KeyValue{{"method", "a"}, {"host", "h1"}}, []string{"a bits=4"}}, {[]KeyValue{{"method", "a"}, {"host", "h2"}}, []string{"a bits=4"}}}},
	} {
		rep, err := choose(t, tt.group, tt.exprs...)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []table
		for _, g := range rep.Groups {
			labels, _, _ := shown(g)
			got = append(got, table{g.Keys, labels})
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %+v, want %+v", tt.group, got, tt.want)
		}
	}
}

// TestVarying: rows differ in host; the label of a names its bits, but not its start.
func TestVarying(t *testing.T) {
	recs := twoRuns()
	for i, r := range recs {
		if r.Method == "a" {
			recs[i].Params = map[string]any{"bits": 4.0, "start": "histogram"}
		}
	}
	s := script{run: "r2", recs: recs}
	s.line("a2", results.Record{Kind: results.KindCase, Label: "a bits=4", Params: map[string]any{"bits": 4.0, "start": "uniform"}})
	s.windows("a2", 1, 1, 1)
	g := s.one(t, "dense")
	want := []Varying{
		{[]string{"host"}, []Share{{[]string{"h1"}, []string{"dense"}}, {[]string{"h2"}, []string{"a bits=4", "b bits=2", "a bits=4"}}}},
		{[]string{"params.start of a", "case"}, []Share{{[]string{"histogram", "a1"}, []string{"a bits=4"}}, {[]string{"uniform", "a2"}, []string{"a bits=4"}}}},
	}
	if !reflect.DeepEqual(g.Varying, want) {
		t.Errorf("%+v\nwant %+v", g.Varying, want)
	}
	// In tables by host the host is told above.
	rep, err := choose(t, []string{"host"}, "host=h1")
	if err != nil || len(rep.Groups[0].Varying) != 0 {
		t.Errorf("%v, %+v", err, rep)
	}
}

// TestVaryingExecutions: the option that differs is named where the records tell it.
func TestVaryingExecutions(t *testing.T) {
	s := script{run: "r"}
	for i, c := range []string{"dense", "a"} {
		exec := []string{"e1", "e2"}[i]
		s.recs = append(s.recs, results.Record{Kind: results.KindRecipe, Run: "r", Suite: "perplexity", Exec: exec,
			Options: map[string]any{"dtype": "float32", "batch": float64(1 + i), "kernels": []string{"cpu/avx2", "cpu/avx512"}[i]}})
		s.line(c, results.Record{Kind: results.KindValue, Suite: "perplexity", Recipe: "r", Metric: "nll", Value: 1, Device: []string{"cpu/avx2", "cpu/avx512"}[i], Exec: exec})
		s.done(c, "perplexity", 1)
	}
	// Kernels say what the device says.
	want := []Varying{{[]string{"device", "batch of perplexity"}, []Share{{[]string{"cpu/avx2", "1"}, []string{"dense"}}, {[]string{"cpu/avx512", "2"}, []string{"a"}}}}}
	if g := s.one(t, "dense"); !reflect.DeepEqual(g.Varying, want) {
		t.Errorf("%+v, want %+v", g.Varying, want)
	}
}
