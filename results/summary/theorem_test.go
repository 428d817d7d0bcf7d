package summary

import (
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// TestCheck9Theorem: the thresholds and crossovers of methods.md 2.8. At
// alpha = 2^m the threshold is 1 − m/(m+1) = 1/(m+1).
func TestCheck9Theorem(t *testing.T) {
	printed := []float64{0.500, 0.333, 0.250, 0.200, 0.167, 0.143, 0.125, 0.111}
	for i, want := range printed {
		alpha, m := math.Exp2(float64(i+1)), float64(i+1)
		if got := Threshold(alpha); !(math.Abs(got-1/(m+1)) < 1e-12) || !(math.Abs(got-want) < 0.0005) {
			t.Errorf("threshold at %v: %v, want %v", alpha, got, want)
		}
	}
	for _, tt := range []struct {
		n    int
		want []float64 // at alpha = 4, 8, 16, 32
	}{{512, []float64{0.347, 0.261, 0.211, 0.179}}, {4096, []float64{0.337, 0.253, 0.202, 0.169}}} {
		for i, want := range tt.want {
			if got := FiniteCrossover(tt.n, math.Exp2(float64(i+2))); !(math.Abs(got-want) <= 0.001) {
				t.Errorf("n = %d, alpha = %v: crossover %v, want %v", tt.n, math.Exp2(float64(i+2)), got, want)
			}
		}
	}
	// The sums tend to their integrals.
	if a, b := FiniteCrossover(4096, 4)-1./3, FiniteCrossover(512, 4)-1./3; !(0 < a && a < b) {
		t.Errorf("distance from the threshold %v at 4096, %v at 512", a, b)
	}
	for _, bad := range []float64{FiniteCrossover(16, 32), FiniteCrossover(16, 0.4), Threshold(0.5), Threshold(math.NaN())} {
		if !math.IsNaN(bad) {
			t.Errorf("got %v where there is no crossover", bad)
		}
	}
}

// TestCrossing: ln ratio of 0.2 − η·ln 4 is straight, so that its root is found
// exactly.
func TestCrossing(t *testing.T) {
	at := func(etas ...float64) (all []keptAt) {
		for _, eta := range etas {
			all = append(all, keptAt{eta, 0.1 * math.Exp(0.2), 0.1 * math.Pow(4, eta)})
		}
		return all
	}
	want := 0.2 / math.Log(4) // 0.144
	if got, ok := crossing(at(0.3, 0.1, 0)); !ok || !(math.Abs(got-want) < 1e-12) {
		t.Errorf("crossing at %v, want %v", got, want)
	}
	for _, none := range [][]keptAt{nil, at(0), at(0.2, 0.3), {{0, 1, 2}, {1, 2, 1}}, {{0, 2, 1}, {1, 1, 2}, {2, 2, 1}}, {{0, 2, 0}, {1, 1, 2}}} {
		if got, ok := crossing(none); ok {
			t.Errorf("%v cross at %v", none, got)
		}
	}
	e := crossoverOf(map[int][]keptAt{0: at(0, 1), 1: at(0.1, 0.2)})
	if e.N != 2 || !(math.Abs(e.Value-want) < 1e-12) || !e.HasInterval() {
		t.Errorf("over two draws: %+v", e)
	}
	if e = crossoverOf(map[int][]keptAt{0: at(0, 1), 1: at(0.2, 0.3)}); e.Missing != "the exponents enclose no crossover, or several, in 1 of 2 draws" {
		t.Errorf("one draw without: %+v", e)
	}
}

// TestSignTest compares with scipy's binomial test.
func TestSignTest(t *testing.T) {
	rows := load(t).McNemar.SignTest
	if len(rows) == 0 {
		t.Fatal("no rows")
	}
	for _, r := range rows {
		near(t, "sign test", SignTest(r.Wins, r.N), r.P, 1e-12)
	}
	near(t, "of nothing", SignTest(0, 0), 1, 0)
}

// line is a value of an update.
func line(metric, item string, value, weight float64, sample int) results.Record {
	return results.Record{Metric: updatePrefix + metric, Item: item, Value: value, Weight: weight, Sample: sample}
}

// TestUpdates works two matrices of 100 weights and 20 table entries by hand.
func TestUpdates(t *testing.T) {
	var values []results.Record
	for i, item := range []string{"a", "b"} {
		k := float64(i + 1)
		values = append(values, line("sq", item, 4*k, 100, 0), line("base_sq", item, 400*k, 100, 0),
			line("projection_err_sq", item, 1*k, 20, 0), line("kmeans_err_sq", item, 0.04*k, 20, 0),
			line("random_err_sq", item, 1*k, 20, 0), line("random_err_sq", item, 2.25*k, 20, 1), // errors 0.5 and 0.75
			line("rank8_err_sq", item, 0.25*k*k, 8, 0), line("trainable_err_sq", item, 4*k, 1, 0), line("bytes_err_sq", item, 0, 10, 0),
			line("rank75", item, 3, 100, 0), line("exponent", item, 0.2*k, 12, 0), line("exponent_se", item, 0.01, 12, 0))
	}
	row := Row{Label: "x"}
	row.updates(append(values, line("sq", "c", 0, 100, 0)))
	if len(row.Updates) != 3 || row.Crossovers != nil || len(row.Versus) != 3 {
		t.Fatalf("%d updates, %d crossovers, %d comparisons", len(row.Updates), len(row.Crossovers), len(row.Versus))
	}
	a, b, c := row.Updates[0], row.Updates[1], row.Updates[2]
	near(t, "norm", a.Norm.Value, 0.1, 1e-15)
	near(t, "projection", a.Projection.Value, 0.5, 1e-15)
	near(t, "k-means", a.KMeans.Value, 0.1, 1e-15)
	// Mean 0.625, standard error 0.125, t at 1 degree of freedom 12.706.
	near(t, "random", a.Random.Value, 0.625, 1e-15)
	near(t, "random, end", a.Random.Hi, 0.625+12.7062047361747*0.125, 1e-9)
	near(t, "alpha", a.Alpha, 5, 0)
	near(t, "threshold", a.Threshold, 1-math.Log(5)/math.Log(10), 1e-15) // 0.301
	near(t, "exponent, end", a.Exponent.Hi, 0.2+2.22813885198627*0.01, 1e-9)
	if a.Predicted != SketchWins || a.Measured != SketchWins || a.Trainable.Rank != 1 || a.Trainable.Error.Value != 1 {
		t.Errorf("a: %+v", a)
	}
	if b.Predicted != LowRankWins || b.Measured != SketchWins || b.Rank75.Value != 3 { // 0.4 ± 0.022
		t.Errorf("b: %+v", b)
	}
	if c.Projection.Missing != "the matrix did not change" || c.Predicted != "" || c.Measured != "" {
		t.Errorf("c: %+v", c)
	}
	// Against rank 8: ratios 2 and √2 of errors, ln 0.693 and 0.347, whose Walsh
	// averages have the median 0.520.
	eight := row.Versus[0]
	near(t, "ratio", eight.Ratio.Value, math.Exp(0.75*math.Ln2), 1e-12)
	near(t, "whole", eight.Whole, math.Sqrt(3/1.25), 1e-12)
	if eight.Wins != 0 || eight.Pairs != 2 || eight.SignP != 0.5 || len(eight.Ratio.Warnings) != 1 || eight.Ratio.HasInterval() {
		t.Errorf("against rank 8: %+v", eight)
	}
	if w := row.Versus[1]; w.Wins != 2 || w.Ratio.Value != 0.5 {
		t.Errorf("against equal trainables: %+v", w)
	}
	if w := row.Versus[2]; w.Wins != 0 || w.Pairs != 2 || w.Ratio.Missing == "" {
		t.Errorf("against full rank: %+v", w)
	}
}

// TestDrawnUpdates: matrices of one spectrum are averaged over draws, and have a
// crossover instead of comparisons over matrices.
func TestDrawnUpdates(t *testing.T) {
	var values []results.Record
	for draw := range 3 {
		for _, eta := range []struct {
			item string
			low  float64
		}{{"8x8,eta0.1", 0.8}, {"8x8,eta0.3", 0.7}} {
			values = append(values, line("sq", eta.item, 2, 64, draw), line("projection_err_sq", eta.item, 1.5, 16, draw),
				line("random_err_sq", eta.item, 1.5, 16, draw), line("trainable_err_sq", eta.item, 2*eta.low, 1, draw))
		}
	}
	row := Row{}
	row.updates(values)
	if len(row.Updates) != 2 || row.Versus != nil || len(row.Crossovers) != 1 {
		t.Fatalf("%+v", row)
	}
	u, c := row.Updates[0], row.Crossovers[0]
	if u.Size != 8 || u.Eta != 0.1 || u.Draws != 3 || u.Wins != 3 || u.Measured != SketchWins || row.Updates[1].Measured != LowRankWins || u.Projection.N != 3 {
		t.Errorf("%+v", u)
	}
	// Kept 0.25 against 0.2 and 0.3: ln 1.25 and −ln 1.2.
	want := 0.1 + 0.2*math.Log(1.25)/(math.Log(1.25)+math.Log(1.2))
	if c.Size != 8 || c.Alpha != 4 || !(math.Abs(c.Random.Value-want) < 1e-12) || !(math.Abs(c.Projection.Value-want) < 1e-12) {
		t.Errorf("%+v, want a crossover at %v", c, want)
	}
}
