package summary

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

func TestNestedMedian(t *testing.T) {
	for _, c := range []struct {
		name     string
		launches [][]float64
		lo, hi   float64
	}{
		{"equal values", [][]float64{{2, 2}, {2}, {2, 2, 2}}, 2, 2},
		// Of three draws among 1, 2, 3 two or more are 1 with probability 7/27.
		{"one value each", [][]float64{{1}, {2}, {3}}, 1, 3},
		// The plain bootstrap: the median of seven draws is 1 if four are,
		// P(Bin(7, 1/7) >= 4) = 0.010; it is at most 2 with P(Bin(7, 2/7) >= 4) = 0.10.
		{"one launch", [][]float64{{1, 2, 3, 4, 5, 6, 7}}, 2, 6},
		// Launches that differ decide, however many values each has.
		{"far apart", [][]float64{{1, 1, 1, 1, 1}, {2, 2, 2, 2, 2}, {3, 3, 3, 3, 3}}, 1, 3},
	} {
		if lo, hi := NestedMedian(c.launches, Resamples, 1); lo != c.lo || hi != c.hi {
			t.Errorf("%s: [%v, %v], want [%v, %v]", c.name, lo, hi, c.lo, c.hi)
		}
	}
}

// TestNestedCoverage draws launches that differ by more than the blocks in
// them. The median of all is 0: order statistics, which take blocks for
// independent, miss it far more often than 1 time in 20, the wider interval
// does so about as often as a bootstrap of eight launches must.
func TestNestedCoverage(t *testing.T) {
	const trials, launches, blocks = 300, 8, 4
	rng := rand.New(rand.NewPCG(5, 0))
	order, nested := 0, 0
	for trial := range trials {
		var groups [][]float64
		var all []float64
		for range launches {
			center := rng.NormFloat64()
			xs := make([]float64, blocks)
			for i := range xs {
				xs[i] = center + 0.3*rng.NormFloat64()
			}
			groups, all = append(groups, xs), append(all, xs...)
		}
		if m := Median(all); m.Lo <= 0 && 0 <= m.Hi {
			order++
		}
		if lo, hi := NestedMedian(groups, 300, uint64(trial)); lo <= 0 && 0 <= hi {
			nested++
		}
	}
	if o, n := float64(order)/trials, float64(nested)/trials; o > 0.8 || n < 0.88 {
		t.Errorf("order statistics cover %.2f, nested bootstrap %.2f; want at most 0.8 and at least 0.88", o, n)
	}
}

// TestAANoise: two processes that are alike but for a noise of known spread s
// in ln ratio. The standard error of the Hodges-Lehmann estimate of normal values
// is s/√n · √(π/3), and that of a bootstrap is smaller by √((n-1)/n).
func TestAANoise(t *testing.T) {
	if w := AANoise([]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 100, 1); w != 0 {
		t.Errorf("a constant difference has noise %v", w)
	}
	const n, s, trials = 16, 0.02, 40
	rng := rand.New(rand.NewPCG(6, 0))
	mean := 0.0
	for trial := range trials {
		d := make([]float64, n)
		for i := range d {
			d[i] = s * rng.NormFloat64()
		}
		mean += AANoise(d, 400, uint64(trial)) / trials
	}
	// The spread of s as estimated from 16 values is 18 %, of 40 such 3 %.
	want := 1.96 * s / math.Sqrt(n) * math.Sqrt(math.Pi/3) * math.Sqrt((n-1.0)/n)
	if math.Abs(mean/want-1) > 0.12 {
		t.Errorf("noise %.5f, want %.5f", mean, want)
	}
}

// TestControl: a ratio inside the noise of the control is told so, one beyond
// is not, and launches widen an interval.
func TestControl(t *testing.T) {
	s := script{run: "r"}
	value := func(c, metric string, block int, v float64) {
		s.line(c, results.Record{Kind: results.KindValue, Suite: "latency", Recipe: "r", Metric: metric, Item: "b1,ctx8", Block: block, Launch: block / 3, Value: v})
	}
	wobble := []float64{1, 1.03, 0.98, 1.01, 0.97, 1.02, 0.99, 1.04, 0.96}
	for b, w := range wobble {
		value("dense", "ttft", b, 1)
		value("dense", "ttft_aa", b, w)
		value("near", "ttft", b, 1.001)
		value("far", "ttft", b, 2+0.2*float64(b/3))
	}
	s.done("dense", "latency", 2*len(wobble))
	s.done("near", "latency", len(wobble))
	s.done("far", "latency", len(wobble))
	g := s.one(t, "dense")
	n := g.TTFTNoise[0]
	if n.N != 9 || n.Label != "dense" || n.HalfWidth < 0.005 || n.HalfWidth > 0.03 || math.Abs(n.Effect-1) > 0.01 || n.Margin() != max(0.01, 2*n.HalfWidth) {
		t.Errorf("noise %+v", n)
	}
	near, far := g.Rows[1].TTFT[0], g.Rows[2].TTFT[0]
	if r := near.Ratio; !r.WithinNoise || r.Significant || !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, "inside the A/A noise of") }) {
		t.Errorf("near: %+v", r)
	}
	if r := far.Ratio; r.WithinNoise || !r.Significant {
		t.Errorf("far: %+v", r)
	}
	if m := far.Median; far.Launches != 3 || m.Lo != 2 || m.Hi != 2.4 {
		t.Errorf("far: %+v in %d launches, want [2, 2.4]", m, far.Launches)
	}
}

// TestControlApart: the control is 3 % slower in every block. Its noise is 0,
// yet a ratio of 1.02 cannot be told from what two processes make of nothing.
func TestControlApart(t *testing.T) {
	s := script{run: "r"}
	for b := range 9 {
		for _, v := range []struct {
			c, metric string
			value     float64
		}{{"dense", "ttft", 1}, {"dense", "ttft_aa", 1.03}, {"near", "ttft", 1.02}, {"fast", "ttft", 0.98}, {"far", "ttft", 1.04}} {
			s.line(v.c, results.Record{Kind: results.KindValue, Suite: "latency", Recipe: "r", Metric: v.metric, Item: "b1,ctx8", Block: b, Launch: b / 3, Value: v.value})
		}
	}
	for c, n := range map[string]int{"dense": 18, "near": 9, "fast": 9, "far": 9} {
		s.done(c, "latency", n)
	}
	g := s.one(t, "dense")
	if n := g.TTFTNoise[0]; n.HalfWidth != 0 || math.Abs(n.Effect-1.03) > 1e-12 {
		t.Errorf("noise %+v", n)
	}
	for _, row := range g.Rows[1:] {
		r := row.TTFT[0].Ratio
		near := row.Label != "far"
		told := slices.Contains(r.Warnings, "no further from 1 than the A/A control, 1.030: no difference can be claimed")
		if r.WithinNoise != near || told != near || r.Significant == near {
			t.Errorf("%s: within %t, significant %t, warnings %q", row.Label, r.WithinNoise, r.Significant, r.Warnings)
		}
	}
}

// TestInvalid: a case of whose 16 blocks two were throttled is twice as slow,
// which is not claimed.
func TestInvalid(t *testing.T) {
	for slow, invalid := range map[int]bool{1: false, 2: true} {
		s := script{run: "r"}
		for b := range 16 {
			for c, v := range map[string]float64{"dense": 1, "slow": 2} {
				r := results.Record{Kind: results.KindValue, Suite: "latency", Recipe: "r", Metric: "ttft", Item: "b1,ctx8", Block: b, Value: v}
				if c == "slow" && b < slow {
					r.Flags = []string{"throttled"}
				}
				s.line(c, r)
			}
		}
		s.done("dense", "latency", 16)
		s.done("slow", "latency", 16)
		g := s.one(t, "dense")
		i := slices.IndexFunc(g.Rows, func(r Row) bool { return r.Label == "slow" })
		r := g.Rows[i].TTFT[0].Ratio
		told := slices.Contains(r.Warnings, "INVALID times: the ratio has no interval and is not tested")
		if math.Abs(r.Value-2) > 1e-12 || r.HasInterval() == invalid || r.Significant == invalid || told != invalid {
			t.Errorf("%d of 16 throttled: %+v", slow, r)
		}
	}
}
