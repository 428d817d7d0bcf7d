package keys

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// lines is one run of one case with one value and a failure of another case.
var lines = []results.Record{
	{Kind: results.KindRun, Run: "r1", Device: "cpu/avx2", Host: "h1", Threads: 2, Commit: "abc", Environment: json.RawMessage(`{"cpu":"EPYC 7B13","cores":2,"load":{"1m":0.5}}`)},
	{Kind: results.KindRecipe, Run: "r1", Suite: "perplexity", Recipe: "rr", Corpus: "demo", Options: map[string]any{"window": 512.0}},
	{Kind: results.KindRecipe, Run: "r1", Suite: "perplexity", Exec: "ee", Options: map[string]any{"kernels": "cpu/avx2"}},
	{Kind: results.KindCase, Run: "r1", Case: "c1", Scenario: "s", Model: "m", Method: "int4", Label: "int4 bits=4", NominalBits: 4,
		Params: map[string]any{"bits": 4.0, "symmetric": false, "calibration": "demo 16x512"}, Seconds: map[string]float64{"compress": 0.5}},
	{Kind: results.KindValue, Run: "r1", Case: "c1", Scenario: "s", Model: "m", Method: "int4", Suite: "perplexity", Metric: "nll", Recipe: "rr", Exec: "ee",
		Params: map[string]any{"bits": 4.0, "symmetric": false, "calibration": "demo 16x512"}, Value: 1e6, Device: "cpu/avx2", Item: "b1,ctx384", Flags: []string{"throttled", "load"}},
	{Kind: results.KindFailure, Run: "r1", Case: "c2", Scenario: "s", Model: "m", Method: "svd", Stage: "compress", Class: results.ClassInput},
}

func TestValue(t *testing.T) {
	ix := NewIndex(lines)
	value, failure := lines[4], lines[5]
	for _, tt := range []struct {
		r         results.Record
		key, want string
		told      bool
	}{
		{value, "method", "int4", true},
		{value, "label", "int4 bits=4", true}, // of the case line
		{value, "nominal_bits", "4", true},
		{value, "params.bits", "4", true},
		{value, "params.symmetric", "false", true},
		{value, "params.rank", "", false},
		{value, "params", "", false},
		{value, "calibration", "demo 16x512", true},
		{value, "seconds.compress", "0.5", true},
		{value, "threads", "2", true}, // of the run line
		{value, "commit", "abc", true},
		{value, "environment.cpu", "EPYC 7B13", true},
		{value, "environment.load.1m", "0.5", true},
		{value, "options.window", "512", true}, // of the recipe
		{value, "options.kernels", "cpu/avx2", true},
		{value, "corpus", "demo", true},
		{value, "value", "1000000", true},
		{value, "sample", "0", true}, // a number of a value line even where it is 0
		{value, "flags", "throttled,load", true},
		{value, "seed", "", false},
		{value, "text", "", false},
		{failure, "device", "cpu/avx2", true},
		{failure, "stage", "compress", true},
		{failure, "suite", "", false},
		{failure, "sample", "", false},
		{failure, "corpus", "", false},
	} {
		if got, told := ix.Value(tt.r, tt.key); got != tt.want || told != tt.told {
			t.Errorf("%s of a %s line: %q, %v; want %q, %v", tt.key, tt.r.Kind, got, told, tt.want, tt.told)
		}
	}
	names := ix.Names()
	for _, want := range []string{"method", "calibration", "params.bits", "options.window", "environment.load.1m", "seconds.compress", "threads", "launch"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among the names", want)
		}
	}
	for _, no := range []string{"", "text", "kind", "schema", "params", "environment", "params.rank"} {
		if slices.Contains(names, no) {
			t.Errorf("%q is among the names", no)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
}

func TestFilter(t *testing.T) {
	row := map[string]string{"method": "int4", "params.bits": "4", "device": "cpu/avx2", "item": "b1,ctx384", "commit": "12e3", "sum": "0.1"}
	for _, tt := range []struct {
		exprs string // several with a bar between
		want  bool
	}{
		{"method=int4", true}, {"method=int", false}, {"method!=int4", false}, {"method!=svd", true},
		{"params.bits=4", true}, {"params.bits=4.0", true}, {"params.bits!=4e0", false}, {"params.bits=04", true},
		{"params.bits<4", false}, {"params.bits<=4", true}, {"params.bits>3.5", true}, {"params.bits>=5", false},
		{"method<4", false}, {"method>=4", false}, // no number
		{"params.rank<4", false}, {"params.rank=", true}, {"params.rank!=4", true}, {"params.rank~*", true}, // a key that is not there
		{"method~int*", true}, {"method~*4", true}, {"method~i*t?", true}, {"method~int", false}, {"method!~s*", true}, {"method~*", true}, {"method~?int4", false},
		{"device~cpu/*", true}, {"device~*/avx?", true}, {"device~*avx512*", false}, // * stands for slashes too
		{"method~*nt*t*", false}, {"method~*n*4*", true},
		{"method=int4,params.bits=4", true}, {"method=int4,params.bits=3", false},
		{"method=svd|params.bits=4", true}, {"method=svd|params.bits=3", false}, {"method=svd,params.bits=4|device=cpu/avx2", true},
		{`item="b1,ctx384"`, true}, {`item="b1,ctx384",method=int4`, true}, {`item~"*,ctx*"`, true}, {`item="b1,ctx385"`, false},
		{"commit=12e3", true}, {"method = int4 , params.bits > 3", true},
	} {
		f, err := ParseFilter(strings.Split(tt.exprs, "|"))
		if err != nil {
			t.Errorf("%s: %v", tt.exprs, err)
			continue
		}
		if got := f.Match(func(key string) (string, bool) { return row[key], false }); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.exprs, got, tt.want)
		}
	}
	f, err := ParseFilter(nil)
	if err != nil || !f.IsZero() || !f.Match(nil) {
		t.Errorf("no expression: %v, %v", f, err)
	}
	// A condition on a free key holds; others decide.
	f, _ = ParseFilter([]string{"method=svd,params.bits=4", "method=svd,params.bits=5"})
	if !f.Match(func(key string) (string, bool) { return row[key], key == "method" }) {
		t.Error("a free key decided")
	}
	if got := f.Keys(); !slices.Equal(got, []string{"method", "params.bits"}) || f.String() != "method=svd,params.bits=4 or method=svd,params.bits=5" {
		t.Errorf("keys %q of %s", got, f)
	}
}

func TestFilterFaults(t *testing.T) {
	_, err := ParseFilter([]string{"method", "bits<four,=3", "a=b", `item=b"1`, "", "a!b"})
	want := `method: "method", want KEY=VALUE, or != ~ !~ < <= > >= for =
bits<four,=3: "bits<four": "four" is no number
bits<four,=3: "=3", want KEY=VALUE, or != ~ !~ < <= > >= for =
item=b"1: "item=b\"1": a double quote that is not at both ends of the value
: "", want KEY=VALUE, or != ~ !~ < <= > >= for =
a!b: "a!b": no operator "!", want one of = != ~ !~ < <= > >=`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

func TestOrder(t *testing.T) {
	orders := ParseOrder([]string{"params.bits,-perplexity", "label"})
	if want := []Order{{"params.bits", false}, {"perplexity", true}, {"label", false}}; !slices.Equal(orders, want) {
		t.Errorf("%v, want %v", orders, want)
	}
	values := []string{"b", "10", "", "9", "1e1", "a", "-2"}
	for _, tt := range []struct {
		order Order
		want  []string
	}{
		{Order{}, []string{"-2", "9", "10", "1e1", "a", "b", ""}},
		{Order{Descending: true}, []string{"b", "a", "10", "1e1", "9", "-2", ""}},
	} {
		got := slices.Clone(values)
		slices.SortStableFunc(got, tt.order.Compare)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.order, got, tt.want)
		}
	}
}
