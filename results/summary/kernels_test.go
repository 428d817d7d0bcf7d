package summary

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// kernelTimes writes one case of kernelspeed: a product of 1000 bytes and 4000
// operations in six blocks of these milliseconds, under limits of 2000 kB/s and
// 40 MFLOP/s in even blocks and half of that in odd ones.
func (s *script) kernelTimes(c, item string, ms ...float64) int {
	s.value(c, "kernelspeed", "kernel_bytes", item, 0, 0, 1000, 0)
	s.value(c, "kernelspeed", "kernel_flops", item, 0, 0, 4000, 0)
	n := 2
	for b, t := range ms {
		// Three samples whose median is t, of 10 calls each.
		for i, f := range []float64{3, 1, 0.5} {
			s.value(c, "kernelspeed", "kernel_time", item, i, b, t*f*1e-3, 10)
		}
		half := 1 - 0.5*float64(b%2)
		for i, f := range []float64{0.7, 1} { // the fastest counts
			s.value(c, "kernelspeed", "read_peak", "cold", i, b, 2e6*half*f, 0)
			s.value(c, "kernelspeed", "read_peak", "8x16,hot", i, b, 8e6*half*f, 0)
			s.value(c, "kernelspeed", "fma_peak", "", i, b, 4e7*half*f, 0)
		}
		n += 9
	}
	return n
}

func kernelScript() *script {
	s := &script{run: "r1"}
	s.host("h")
	const item = "8x16,b1,cold"
	n := s.kernelTimes("dense", item, 2, 4, 2, 4, 2, 4)
	s.done("dense", "kernelspeed", n)
	n = s.kernelTimes("int4", item, 1, 2, 1, 2, 1, 2)
	for _, b := range []int{0, 1, 2, 3, 4, 5} {
		s.value("int4", "kernelspeed", "kernel_time", "8x16,b16,hot", 0, b, 0.01, 0)
	}
	s.value("int4", "kernelspeed", "kernel_bytes", "8x16,b16,hot", 0, 0, 2000, 0)
	s.value("int4", "kernelspeed", "kernel_flops", "8x16,b16,hot", 0, 0, 300000, 0)
	s.done("int4", "kernelspeed", n+8)
	return s
}

// TestKernels works the numbers of two cases out by hand.
func TestKernels(t *testing.T) {
	g := kernelScript().one(t, "dense")
	if len(g.Kernels) != 2 || g.Kernels[0].Item != "8x16,b1,cold" || g.Kernels[1].Batch != 16 || g.Kernels[1].Cache != "hot" || g.Kernels[0].Shape != "8x16" {
		t.Fatalf("products %+v", g.Kernels)
	}
	near := func(what string, e Estimate, value, lo, hi float64) {
		t.Helper()
		for _, p := range [][2]float64{{e.Value, value}, {e.Lo, lo}, {e.Hi, hi}} {
			if !(math.Abs(p[0]-p[1]) <= 1e-12*math.Abs(p[1])) {
				t.Errorf("%s: %v [%v, %v], want %v [%v, %v]", what, e.Value, e.Lo, e.Hi, value, lo, hi)
				return
			}
		}
	}
	d, q := g.Rows[0].Kernels[0], g.Rows[1].Kernels[0]
	// Six block medians: the interval is their range, the median (2+4)/2.
	near("dense time", d.Time, 3e-3, 2e-3, 4e-3)
	near("dense rate", d.ReadRate, 1000/3e-3, 250e3, 500e3)
	if d.Calls != 180 || d.Bytes != 1000 || d.Flops != 4000 {
		t.Errorf("dense: %v calls, %v B, %v FLOP", d.Calls, d.Bytes, d.Flops)
	}
	// The limits halve as the times double: in every block 500 kB/s of 2 MB/s or
	// 250 of 1, and 2 MFLOP/s of 40 or 1 of 20.
	near("dense share of reading", d.ReadShare, 0.25, 0.25, 0.25)
	near("dense share of arithmetic", d.FMAShare, 0.05, 0.05, 0.05)
	near("int4 share of reading", q.ReadShare, 0.5, 0.5, 0.5)
	if d.Bound != Neither || q.Bound != Memory {
		t.Errorf("bound by %s, %s; want neither at a quarter, memory at half", d.Bound, q.Bound)
	}
	near("speed-up", q.Speedup, 2, 2, 2)
	if d.Speedup.Value != 1 || d.Speedup.HasInterval() {
		t.Errorf("baseline over itself: %+v", d.Speedup)
	}
	// 300 kFLOP in 10 ms are 30 MFLOP/s, of 40 or of 20: median of 0.75 and 1.5.
	h := g.Rows[1].Kernels[1]
	near("int4 hot share of arithmetic", h.FMAShare, 1.125, 0.75, 1.5)
	if h.Bound != Compute || !strings.Contains(h.Speedup.Missing, "dense was not timed") {
		t.Errorf("hot: bound by %s, speed-up %q", h.Bound, h.Speedup.Missing)
	}
	if m := g.Rows[0].Kernels[1].Time.Missing; m == "" {
		t.Error("dense has a hot time")
	}
	// Twelve blocks of two cases: medians of six times 2e6 and six times 1e6.
	near("limit of memory", g.Peaks[0].Estimate, 1.5e6, 1e6, 2e6)
	near("limit of arithmetic", g.Peaks[1].Estimate, 3e7, 2e7, 4e7)
	want := "kernelspeed: 2 of 3 times are known less well than aimed at, half an interval of 0.5 % of the median; the ceilings came first. The widest is ±33 % (dense at 8x16,b1,cold)"
	if !slices.Contains(g.Warnings, want) {
		t.Errorf("warnings %q, want %q among them", g.Warnings, want)
	}
	if g.Comparisons != 0 {
		t.Errorf("%d comparisons in Holm's correction, want none", g.Comparisons)
	}
}

// TestKernelsCannot: what keeps shares and speed-ups from being formed.
func TestKernelsCannot(t *testing.T) {
	s := kernelScript()
	for i, r := range s.recs {
		if r.Metric == "read_peak" && r.Block == 3 {
			s.recs[i].Metric = "fma_peak"
			s.recs[i].Item = ""
		}
		if r.Case == "int4" {
			s.recs[i].Exec = "other"
		}
	}
	g := s.one(t, "dense")
	q := g.Rows[1].Kernels[0]
	if !strings.Contains(q.ReadShare.Missing, "not recorded in every block") || q.Bound != "" {
		t.Errorf("share without a limit in one block: %+v, bound by %q", q.ReadShare, q.Bound)
	}
	if !strings.Contains(q.Speedup.Missing, "other kernels") {
		t.Errorf("speed-up over other kernels: %+v", q.Speedup)
	}
	// A case that failed has a reason at every product.
	s = kernelScript()
	s.line("svd", results.Record{Kind: results.KindFailure, Suite: "kernelspeed", Recipe: "r", Class: results.ClassInput, Message: "no"})
	g = s.one(t, "dense")
	for _, k := range g.Rows[2].Kernels {
		if !strings.Contains(k.Time.Missing, "svd failed in kernelspeed (input): no") {
			t.Errorf("%s: %q", k.Item, k.Time.Missing)
		}
	}
}

// TestKernelsThrottled: flagged samples stay out of times and limits and are
// counted, foreign work is counted only; a rate whose work no line tells is
// missing and not 0.
func TestKernelsThrottled(t *testing.T) {
	s := kernelScript()
	for i, r := range s.recs {
		switch {
		case r.Case == "dense" && r.Block == 5 && r.Kind == results.KindValue:
			s.recs[i].Flags = []string{"throttled"}
		case r.Case == "dense" && r.Block == 4 && r.Metric == "kernel_time":
			s.recs[i].Flags = []string{"foreign-process"}
		case r.Case == "int4" && r.Metric == "kernel_bytes":
			s.recs[i].Metric, s.recs[i].Block = "kernel_time", 9
			s.recs[i].Item = "other"
		}
	}
	g := s.one(t, "dense")
	d, q := g.Rows[0].Kernels[0], g.Rows[1].Kernels[0]
	// Five of the blocks 2, 4, 2, 4, 2 are left.
	if d.Time.Value != 2e-3 || d.Time.N != 5 || d.Time.HasInterval() || d.ReadShare.Value != 0.25 || d.Calls != 150 {
		t.Errorf("dense: %+v, share %v, %v calls", d.Time, d.ReadShare.Value, d.Calls)
	}
	if g.Peaks[0].N != 11 {
		t.Errorf("limit of memory from %d blocks, want 11", g.Peaks[0].N)
	}
	if q.ReadRate.Missing == "" || q.ReadShare.Missing == "" || q.Bound != "" || q.FlopRate.Missing != "" {
		t.Errorf("without bytes: rate %+v, share %+v, bound by %q", q.ReadRate, q.ReadShare, q.Bound)
	}
	for _, want := range []string{"kernelspeed: 3 of 44 samples flagged throttled, left out",
		"kernelspeed: other processes took 10 % of the processors' time or more during 3 of 44 samples"} {
		if !slices.Contains(g.Warnings, want) {
			t.Errorf("warnings %q, want %q among them", g.Warnings, want)
		}
	}
	for i, r := range s.recs {
		if r.Case == "dense" && r.Kind == results.KindValue {
			s.recs[i].Flags = []string{"throttled"}
		}
	}
	if m := s.one(t, "dense").Rows[0].Kernels[0].Time.Missing; m != "dense: all of 18 samples flagged throttled" {
		t.Errorf("all throttled: %q", m)
	}
}
