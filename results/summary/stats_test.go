package summary

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// reference is testdata/stats.json, made by scipy and statsmodels with
// gen/stats.py of the reference data.
type reference struct {
	MannWhitney struct {
		Cases []struct {
			Label string
			X, Y  []float64
			Ties  bool
			U     float64  `json:"U_x"`
			Exact *float64 `json:"exact_p_two-sided"`
			Perm  *float64 `json:"exact_permutation_p_two-sided_midranks"`
			Asym  float64  `json:"asymptotic_p_tie_corrected_continuity_true"`
		}
	} `json:"mann_whitney"`
	Wilcoxon struct {
		Cases []struct {
			Label string
			D     []float64
			Plus  float64  `json:"W_plus_zeros_dropped"`
			Exact *float64 `json:"exact_p_two-sided"`
			Perm  *float64 `json:"exact_permutation_p_two-sided_zeros_dropped_midranks"`
			Asym  float64  `json:"asymptotic_p_continuity_true"`
		}
	}
	HodgesLehmann struct {
		One []interval `json:"one_sample"`
		Two []interval `json:"two_sample_shift_x_minus_y"`
	} `json:"hodges_lehmann"`
	MedianRanks struct {
		Rows []struct {
			N, L     int
			Coverage float64
		}
	} `json:"median_ci_ranks"`
	McNemar struct {
		SignTest []struct {
			Wins, N int
			P       float64
		} `json:"sign_test"`
	}
	Adjusted struct {
		Rows []struct {
			P, Holm []float64
			Reject  []bool `json:"holm_reject_0.05"`
		}
	} `json:"adjusted_p"`
	T struct {
		Rows []struct {
			X                []float64
			Mean, SE, Lo, Hi float64
		}
		Quantiles []struct {
			DF int
			T  float64
		} `json:"quantiles_0.975"`
	} `json:"t_interval"`
	Cluster struct {
		One struct {
			Tokens       [][]float64 `json:"token_nll"`
			S, N         []float64
			Mu           float64
			SE           float64    `json:"cluster_se"`
			CI           [2]float64 `json:"mu_ci95"`
			PPL          float64
			PPLCI        [2]float64 `json:"ppl_ci95"`
			IID          float64    `json:"iid_se_llamacpp_formula"`
			DesignEffect float64    `json:"design_effect"`
		}
		Paired struct {
			Base, Other  []float64
			N            []float64
			SBase        []float64  `json:"S_base"`
			SOther       []float64  `json:"S_other"`
			Delta        float64    `json:"delta_mu"`
			SE           float64    `json:"delta_se"`
			Ratio        float64    `json:"ratio"`
			CI           [2]float64 `json:"ratio_ci95"`
			Rho          float64
			Difference   float64 `json:"delta_ppl"`
			DifferenceSE float64 `json:"delta_ppl_se"`
		}
	}
	Percentiles struct {
		Feasible []struct {
			P float64
			N int `json:"smallest_n_with_1-p^n>=0.95"`
		}
	}
}

type interval struct {
	D, X, Y          []float64
	Estimate, Lo, Hi float64
	Confidence       float64 `json:"achieved_confidence"`
}

func load(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// near fails unless got is within tol of want, relatively.
func near(t *testing.T, name string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Abs(want)) && got != want {
		t.Errorf("%s: %v, want %v (relative %g)", name, got, want, tol)
	}
}

// Tolerances of reference/README.md 5.
const (
	pTol    = 1e-10
	tailTol = 1e-9 // t and binomial tails of another library
)

func TestMannWhitney(t *testing.T) {
	cases := load(t).MannWhitney.Cases
	for _, c := range cases {
		u, p := MannWhitney(c.X, c.Y)
		near(t, c.Label+": U", u, c.U, 0)
		ranks, ties := midranks(append(append([]float64{}, c.X...), c.Y...))
		near(t, c.Label+": normal p", mannWhitneyNormal(u, len(c.X), len(c.Y), ties), c.Asym, tailTol)
		want := c.Exact
		if c.Ties {
			want = c.Perm
		}
		if want == nil {
			near(t, c.Label+": p", p, c.Asym, tailTol)
			continue
		}
		seen := 0
		for _, r := range ranks[:len(c.X)] {
			seen += r
		}
		exact := twoSided(choiceSums(ranks, len(c.X)), seen, float64(len(c.X)*(len(ranks)+1)))
		near(t, c.Label+": exact p", exact, *want, pTol)
		if max(len(c.X), len(c.Y)) <= 20 {
			near(t, c.Label+": p", p, *want, pTol)
		}
	}
	if len(cases) == 0 {
		t.Error("no cases")
	}
}

func TestWilcoxon(t *testing.T) {
	cases := load(t).Wilcoxon.Cases
	for _, c := range cases {
		plus, p := Wilcoxon(c.D)
		near(t, c.Label+": W+", plus, c.Plus, 0)
		want := c.Exact
		if want == nil {
			want = c.Perm
		}
		near(t, c.Label+": p", p, *want, pTol)
		var size []float64
		for _, v := range c.D {
			if v != 0 {
				size = append(size, math.Abs(v))
			}
		}
		_, ties := midranks(size)
		near(t, c.Label+": normal p", wilcoxonNormal(plus, len(size), ties), c.Asym, tailTol)
	}
	if _, p := Wilcoxon([]float64{0, 0}); len(cases) == 0 || p != 1 {
		t.Errorf("%d cases; zeros alone: p = %v, want 1", len(cases), p)
	}
	// Above the limit the normal approximation takes over, and just there it must be
	// good: its error is of the order 1/n of a p of 0.1.
	d := make([]float64, exactSignedRank+1)
	for i := range d {
		d[i] = float64(i + 1)
		if i%9 < 4 {
			d[i] = -d[i]
		}
	}
	plus, p := Wilcoxon(d)
	sum := len(d) * (len(d) + 1)
	exact := twoSided(subsetSums(untied(len(d))), int(2*plus), float64(sum)/2)
	if !(math.Abs(p-exact) < 0.1/exactSignedRank) || exact < 0.01 {
		t.Errorf("p = %v of %d differences, exactly %v", p, len(d), exact)
	}
}

func TestHodgesLehmann(t *testing.T) {
	ref := load(t).HodgesLehmann
	check := func(c interval, n int, e, lo, hi, conf float64) {
		t.Helper()
		if !(math.Abs(e-c.Estimate) <= 1e-12 && math.Abs(lo-c.Lo) <= 1e-12 && math.Abs(hi-c.Hi) <= 1e-12) {
			t.Errorf("n = %d: %v [%v, %v], want %v [%v, %v]", n, e, lo, hi, c.Estimate, c.Lo, c.Hi)
		}
		near(t, "confidence", conf, c.Confidence, pTol)
	}
	for _, c := range ref.One {
		e, lo, hi, conf := HodgesLehmann(c.D)
		check(c, len(c.D), e, lo, hi, conf)
	}
	for _, c := range ref.Two {
		e, lo, hi, conf := HodgesLehmannShift(c.X, c.Y)
		check(c, len(c.X), e, lo, hi, conf)
	}
	if len(ref.One) == 0 || len(ref.Two) == 0 {
		t.Error("no cases")
	}
}

func TestMedianRank(t *testing.T) {
	rows := load(t).MedianRanks.Rows
	for _, r := range rows {
		l, conf := MedianRank(r.N)
		if l != r.L {
			t.Errorf("n = %d: rank %d, want %d", r.N, l, r.L)
		}
		near(t, "coverage", conf, r.Coverage, tailTol)
	}
	for n := range 6 {
		if l, conf := MedianRank(n); l != 0 || conf != 0 {
			t.Errorf("n = %d: rank %d at %v, want none", n, l, conf)
		}
	}
	if len(rows) == 0 {
		t.Error("no rows")
	}
}

func TestMedian(t *testing.T) {
	e := Median([]float64{6, 5, 4, 3, 2, 1}) // the range, at 1 - 2/2⁶
	if e.Value != 3.5 || e.Lo != 1 || e.Hi != 6 || math.Abs(e.Confidence-0.96875) > 1e-12 || e.Warnings != nil {
		t.Errorf("six values: %+v", e)
	}
	e = Median([]float64{3, 1, 2})
	if e.Value != 2 || e.HasInterval() || len(e.Warnings) != 1 || e.Warnings[0] != "3 values: an interval of the median needs at least 6" {
		t.Errorf("three values: %+v", e)
	}
	if e := Median(nil); e.Missing == "" {
		t.Errorf("no values: %+v", e)
	}
}

func TestPercentile(t *testing.T) {
	for _, r := range load(t).Percentiles.Feasible {
		if n := MinimalN(r.P); n != r.N {
			t.Errorf("p = %v: n = %d, want %d", r.P, n, r.N)
		}
	}
	xs := make([]float64, 29)
	for i := range xs {
		xs[i] = float64(i)
	}
	// Rank (n-1)·p = 28·0.9 = 25.2.
	if e := Percentile(xs, 0.9); math.Abs(e.Value-25.2) > 1e-12 {
		t.Errorf("p90 of 0..28 is %v, want 25.2", e.Value)
	}
	if e := Percentile(xs[1:], 0.9); e.Missing != "28 values: p90 needs at least 29" {
		t.Errorf("28 values: %+v", e)
	}
}

func TestHolm(t *testing.T) {
	rows := load(t).Adjusted.Rows
	for _, r := range rows {
		for i, p := range Holm(r.P) {
			near(t, "Holm", p, r.Holm[i], pTol)
			if (p <= Alpha) != r.Reject[i] {
				t.Errorf("%v: p %v adjusted to %v, want rejection %v", r.P, r.P[i], p, r.Reject[i])
			}
		}
	}
	if len(rows) == 0 {
		t.Error("no rows")
	}
}

func TestTInterval(t *testing.T) {
	ref := load(t).T
	for _, r := range ref.Rows {
		e := exact(r.Mean)
		e.tInterval(r.SE, len(r.X)-1)
		near(t, "lo", e.Lo, r.Lo, tailTol)
		near(t, "hi", e.Hi, r.Hi, tailTol)
	}
	for _, q := range ref.Quantiles {
		near(t, "quantile", studentT(q.DF).Quantile(0.975), q.T, tailTol)
	}
	if len(ref.Rows) == 0 || len(ref.Quantiles) == 0 {
		t.Error("no rows")
	}
}

func TestOfWindows(t *testing.T) {
	ref := load(t).Cluster.One
	windows := make([]Window, len(ref.S))
	for i, tokens := range ref.Tokens {
		windows[i] = Window{NLL: ref.S[i], N: ref.N[i]}
		for _, x := range tokens {
			windows[i].NLLSq += x * x
		}
	}
	p := OfWindows(windows)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"mu", p.Mu, ref.Mu}, {"SE", p.SE, ref.SE}, {"perplexity", p.Value, ref.PPL}, {"lo", p.Lo, ref.PPLCI[0]}, {"hi", p.Hi, ref.PPLCI[1]},
		{"iid SE", p.IIDSE, ref.IID}, {"design effect", p.DesignEffect, ref.DesignEffect}, {"ln lo", math.Log(p.Lo), ref.CI[0]},
	} {
		near(t, c.name, c.got, c.want, tailTol)
	}
	if p.N != 10 || p.Targets != 69 || p.Warnings != nil || p.Collapsed {
		t.Errorf("%+v", p)
	}
}

func TestPaired(t *testing.T) {
	ref := load(t).Cluster.Paired
	base, other := make([]Window, len(ref.N)), make([]Window, len(ref.N))
	for i, n := range ref.N {
		base[i], other[i] = Window{NLL: ref.SBase[i], N: n}, Window{NLL: ref.SOther[i], N: n}
	}
	r := Paired(base, other)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"delta", r.Delta, ref.Delta}, {"SE", r.SE, ref.SE}, {"ratio", r.Value, ref.Ratio}, {"lo", r.Lo, ref.CI[0]}, {"hi", r.Hi, ref.CI[1]},
		{"rho", r.Rho, ref.Rho}, {"difference", r.Difference, ref.Difference}, {"its SE", r.DifferenceSE, ref.DifferenceSE},
	} {
		near(t, c.name, c.got, c.want, tailTol)
	}
	// The test and the interval are the same statement: p = 0.05 where an end is at 1.
	if p := tTest(studentT(9).Quantile(0.975), 1, 9); math.Abs(p-0.05) > 1e-12 {
		t.Errorf("p at the 0.975 quantile is %v", p)
	}
	if tTest(0, 0, 3) != 1 || tTest(1, 0, 3) != 0 {
		t.Error("p without any spread: want 1 for equal, 0 for different")
	}
}

func TestFewWindows(t *testing.T) {
	for _, tt := range []struct {
		n        int
		interval bool
		warning  string
	}{
		{1, false, "1 window: an interval needs at least 2"},
		{2, true, "2 windows: the interval rests on 1 degree of freedom"},
		{3, true, "3 windows: the interval rests on 2 degrees of freedom"},
		{10, true, ""},
	} {
		windows := make([]Window, tt.n)
		for i := range windows {
			windows[i] = Window{NLL: 20 + float64(i%3), NLLSq: 50, N: 10}
		}
		p, r := OfWindows(windows), Paired(windows, windows)
		got := ""
		if len(p.Warnings) > 0 {
			got = p.Warnings[0]
		}
		if p.HasInterval() != tt.interval || got != tt.warning || r.HasInterval() != tt.interval || r.Value != 1 {
			t.Errorf("%d windows: %+v, %+v; want interval %v, warning %q", tt.n, p.Estimate, r.Estimate, tt.interval, tt.warning)
		}
	}
	if p := OfWindows(nil); p.Missing != "no scored targets" {
		t.Errorf("no windows: %+v", p.Estimate)
	}
	// exp(800) overflows: a dash, never an infinity in a table.
	if p := OfWindows([]Window{{NLL: 8000, N: 10}, {NLL: 8000, N: 10}}); p.Missing != "mean nll of 800 nat: its exponential is not a finite number" {
		t.Errorf("overflow: %+v", p.Estimate)
	}
	if r := Paired([]Window{{NLL: 1, N: 2}}, []Window{{NLL: 1, N: 3}}); r.Missing != "window 0 scores 3 targets, the baseline's 2" {
		t.Errorf("other targets: %+v", r.Estimate)
	}
}
