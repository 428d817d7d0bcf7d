package summary

import (
	"fmt"
	"math"
	"testing"
)

// TestRatiosOfAnySize: whatever the numbers of blocks, there is an estimate
// within the interval and an interval within the data, or a reason why not. Both samples
// are arithmetic progressions, of steps 1 and √2, so that no two differences are equal.
func TestRatiosOfAnySize(t *testing.T) {
	sample := func(n int, step float64) []float64 {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = step * float64(i) / 100
		}
		return xs
	}
	check := func(name string, e Estimate, least, most float64, empty, want bool) {
		t.Helper()
		switch {
		case empty != (e.Missing != "") || e.HasInterval() != want:
			t.Errorf("%s: %+v, want missing %v, an interval %v", name, e, empty, want)
		case empty:
		case !(least <= e.Value && e.Value <= most):
			t.Errorf("%s: %+v, want between %v and %v", name, e, least, most)
		case want && !(least <= e.Lo && e.Lo <= e.Value && e.Value <= e.Hi && e.Hi <= most && e.Confidence >= Confidence && e.P > 0 && e.P <= 1):
			t.Errorf("%s: %+v, want an interval between %v and %v", name, e, least, most)
		case !want && (len(e.Warnings) != 1 || !math.IsNaN(e.P)):
			t.Errorf("%s: %+v, want a warning and no p", name, e)
		}
	}
	for m := range 31 {
		x := sample(m, 1)
		top := math.Exp(float64(m) / 100)
		check(fmt.Sprintf("%d blocks", m), BlockedRatio(x), 1, top, m == 0, m >= 6)
		for n := range 31 {
			y := sample(n, math.Sqrt2)
			// Differences lie between -√2·(n-1)/100 and (m-1)/100.
			check(fmt.Sprintf("%d and %d blocks", m, n), UnpairedRatio(x, y), math.Exp(-math.Sqrt2*float64(n)/100), top, m*n == 0, min(m, n) >= 4)
			if _, p := MannWhitney(x, y); !(p > 0 && p <= 1) {
				t.Errorf("%d and %d values: p = %v", m, n, p)
			}
		}
	}
	// 21·1/2 - 1.96·√(21·23/12) < 1: no rank is low enough.
	if e, lo, hi, conf := HodgesLehmannShift(sample(21, 1), []float64{0}); e != 0.1 || !math.IsNaN(lo) || !math.IsNaN(hi) || conf != 0 {
		t.Errorf("21 values against 1: %v [%v, %v], confidence %v; want 0.1 and no interval", e, lo, hi, conf)
	}
	if q, conf := normalEndRank(10, 6); q != 0 || conf != 0 {
		t.Errorf("end rank %d, confidence %v; want none", q, conf)
	}
}
