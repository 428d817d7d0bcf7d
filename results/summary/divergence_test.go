package summary

import (
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// closeTo says whether a is b to 1e-4 of it: what the figures by hand are given to.
func closeTo(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Abs(b) }

// compared adds windows of a case: targets, then sums of each metric.
func (s *script) compared(c string, targets []float64, sums map[string][]float64) {
	n := 0
	for _, metric := range []string{"kl", "top1", "top5", "dp", "dp_sq", "base_nll", "self_kl", "self_top1"} {
		for i, v := range sums[metric] {
			s.value(c, "divergence", metric, "", i, 0, v, targets[i])
			n++
		}
	}
	for _, metric := range []string{"base_entropy", "ties"} {
		for _, v := range sums[metric] {
			s.value(c, "divergence", metric, "", 0, 0, v, 40)
			n++
		}
	}
	s.value(c, "divergence", "kl_percentile", "p99.9", 0, 0, 7, 40)
	s.value(c, "divergence", "dp_percentile", "min", 0, 0, -0.5, 40)
	s.done(c, "divergence", n+2)
}

// TestDivergence works means and cluster intervals of three windows out by
// hand, of 10, 10 and 20 targets; t of 2 degrees of freedom is 4.302653.
//
//	KL    1, 2, 6:    9/40 = 0.225; residuals -1.25, -0.25, 1.5; SE² = 3/2·3.875/40², SE = 0.0602728
//	top-1 9, 8, 19:   0.9; residuals 0, -1, 1; SE² = 3/2·2/40², SE = 0.0433013
//	Δp    -1, 1, 0.8: 0.02; residuals -1.2, 0.8, 0.4; SE² = 3/2·2.24/40², SE = 0.0458258
//	Δp²   0.1 each 10: mean 0.01 and no spread: RMS 0.1
func TestDivergence(t *testing.T) {
	s := script{run: "r"}
	s.compared("int4", []float64{10, 10, 20}, map[string][]float64{
		"kl": {1, 2, 6}, "top1": {9, 8, 19}, "top5": {10, 10, 20}, "dp": {-1, 1, 0.8}, "dp_sq": {0.1, 0.1, 0.2},
		"base_nll": {20, 20, 40}, "self_kl": {1e-11}, "self_top1": {10}, "base_entropy": {60}, "ties": {3},
	})
	d := s.one(t, "").Rows[0].Divergence
	const t2 = 4.302653
	for _, c := range []struct {
		what        string
		e           Estimate
		v, lo, hi   float64
		wantsMethod string
	}{
		// The lower end would be below 0, the upper one of top-1 above 1.
		{"KL", d.KL, 0.225, 0, 0.225 + t2*0.0602728, "t over windows"},
		{"top-1", d.Top1, 0.9, 0.9 - t2*0.0433013, 1, "t over windows"},
		{"Δp", d.MeanDP, 0.02, 0.02 - t2*0.0458258, 0.02 + t2*0.0458258, "t over windows"},
		{"RMS Δp", d.RMSDP, 0.1, 0.1, 0.1, "t over windows"},
		// All alike: no spread between windows. Wilson at p = 1 is 1/(1+z²/n), z² = 3.841459.
		{"top-5", d.Top5, 1, 40 / 43.841459, 1, "Wilson over targets"},
	} {
		if !closeTo(c.e.Value, c.v) || !closeTo(c.e.Lo, c.lo) || !closeTo(c.e.Hi, c.hi) || c.e.Method != c.wantsMethod || c.e.N != 3 {
			t.Errorf("%s: %v [%v, %v] by %s, want %v [%v, %v]", c.what, c.e.Value, c.e.Lo, c.e.Hi, c.e.Method, c.v, c.lo, c.hi)
		}
	}
	if !closeTo(d.FloorKL.Value, 1e-12) || d.FloorTop1.Value != 1 || d.FloorKL.HasInterval() || d.Self {
		t.Errorf("floor %+v and %+v, self %v", d.FloorKL, d.FloorTop1, d.Self)
	}
	if !closeTo(d.BasePerplexity.Value, math.Exp(2)) || d.BaseEntropy.Value != 1.5 || !closeTo(d.Ties.Value, 3) || d.Targets != 40 {
		t.Errorf("base %+v, entropy %+v, ties %+v, targets %v", d.BasePerplexity, d.BaseEntropy, d.Ties, d.Targets)
	}
	if d.KLAt["p99.9"] != 7 || d.DPAt["min"] != -0.5 || len(d.KLAt) != 1 {
		t.Errorf("percentiles %v and %v", d.KLAt, d.DPAt)
	}
}

// TestDivergenceOfOneWindow has no spread between windows at all: KL goes
// without an interval, agreement with Wilson's. 9 of 10 is the textbook's
// [0.596, 0.982].
func TestDivergenceOfOneWindow(t *testing.T) {
	s := script{run: "r"}
	s.compared("int4", []float64{10}, map[string][]float64{"kl": {1}, "top1": {9}, "top5": {9.2}, "self_kl": {1e-11}, "self_top1": {10}})
	d := s.one(t, "").Rows[0].Divergence
	if d.KL.HasInterval() || d.KL.Value != 0.1 || len(d.KL.Warnings) != 1 || !strings.Contains(d.KL.Warnings[0], "1 window") {
		t.Errorf("KL %+v", d.KL)
	}
	if math.Abs(d.Top1.Lo-0.596) > 5e-4 || math.Abs(d.Top1.Hi-0.982) > 5e-4 || d.Top1.Confidence != Confidence {
		t.Errorf("top-1 %+v", d.Top1)
	}
	if len(d.Top1.Warnings) != 1 || !strings.Contains(d.Top1.Warnings[0], "as if the 10 targets were independent") {
		t.Errorf("warnings %q", d.Top1.Warnings)
	}
	if d.Self {
		t.Error("a window with a control is taken for the control")
	}
}

// TestDivergenceOfBase: where every window is the control, the row is the
// floor, and carries no interval.
func TestDivergenceOfBase(t *testing.T) {
	s := script{run: "r"}
	kl := []float64{1e-11, 3e-11}
	s.compared("dense", []float64{10, 10}, map[string][]float64{"kl": kl, "top1": {10, 9}, "top5": {10, 10}, "self_kl": kl, "self_top1": {10, 9}})
	s.line("svd", results.Record{Kind: results.KindFailure, Suite: "divergence", Recipe: "r", Class: results.ClassDiverged, Message: "boom"})
	g := s.one(t, "")
	d := g.Rows[0].Divergence
	if !d.Self || d.KL.HasInterval() || !closeTo(d.KL.Value, 2e-12) || !closeTo(d.FloorKL.Value, 2e-12) || d.Top1.Value != 0.95 || d.Top1.HasInterval() || len(d.Top1.Warnings) > 0 {
		t.Errorf("%+v", d)
	}
	if d := g.Rows[1].Divergence; d.KL.Missing == "" || !strings.Contains(d.Top1.Missing, "boom") || !strings.Contains(d.FloorKL.Missing, "boom") {
		t.Errorf("a failed case: %+v", d)
	}
}

// TestWilson: the ends solve |p-π| = z·√(π(1-π)/n).
func TestWilson(t *testing.T) {
	const z = 1.959963985
	for _, c := range []struct{ p, n float64 }{{0.5, 10}, {0.1, 25}, {0.93, 511}} {
		lo, hi := Wilson(c.p, c.n)
		for _, pi := range []float64{lo, hi} {
			if d := z * math.Sqrt(pi*(1-pi)/c.n); math.Abs(math.Abs(c.p-pi)-d) > 1e-9 {
				t.Errorf("p %v of %v: end %v is %v away, want %v", c.p, c.n, pi, math.Abs(c.p-pi), d)
			}
		}
	}
	if lo, hi := Wilson(0, 5); lo != 0 || !(hi > 0.4 && hi < 0.5) {
		t.Errorf("none of 5: [%v, %v]", lo, hi)
	}
}
