package summary

import (
	"math"
	"testing"
)

// TestSpreads: cases that differ in a seed alone are one row. By hand, of 10,
// 20 and 40: mean logarithm ln 20, deviation ln 2, and t of 2 degrees of
// freedom 4.302653, so the interval is 20·exp(±4.302653·ln 2/√3).
func TestSpreads(t *testing.T) {
	row := func(label string, ppl, err float64, params map[string]any) Row {
		r := Row{Method: "m", Label: label, Params: params, Perplexity: Perplexity{Estimate: exact(ppl)}, WeightError: exact(err), OutputError: missing("no"), Divergence: Divergence{KL: missing("no")}}
		return r
	}
	cal := func(s string) map[string]any { return map[string]any{"bits": 4.0, "calibration": s} }
	g := Group{Rows: []Row{
		row("dense", 5, 0, nil),
		row("m bits=4 seed=1 calibration=c,16x512,seed0", 10, 0.1, cal("c 16x512 seed 0")),
		row("m bits=4 seed=2 calibration=c,16x512,seed0", 20, 0.2, cal("c 16x512 seed 0")),
		row("m bits=4 seed=1 calibration=c,16x512,seed7", 40, 0.6, cal("c 16x512 seed 7")),
		row("m bits=4 seed=1 calibration=c,8x512,seed7", 40, 0.6, cal("c 8x512 seed 7")),
	}}
	got := g.Spreads()
	if len(got) != 1 || got[0].Label != "m bits=4 calibration=c,16x512" || got[0].Cases != 3 || got[0].Params["calibration"] != "c 16x512" {
		t.Fatalf("got %+v", got)
	}
	s := got[0]
	half := 4.302652729911275 * math.Ln2 / math.Sqrt(3)
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("perplexity", s.Perplexity.Value, 20)
	near("low", s.Perplexity.Lo, 20*math.Exp(-half))
	near("high", s.Perplexity.Hi, 20*math.Exp(half))
	near("deviation", s.Deviation.Value, math.Ln2)
	near("weight error", s.WeightError.Value, 0.3)
	if s.OutputError.Missing == "" || s.KL.Missing == "" {
		t.Errorf("numbers that no case has: %+v, %+v", s.OutputError, s.KL)
	}
	if one := overCases(g.Rows[:1], func(r Row) Estimate { return r.WeightError }); one.HasInterval() || len(one.Warnings) != 1 {
		t.Errorf("one seed: %+v", one)
	}
}
