package table_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

const rDiv = "f00000000001"

// divergence adds windows of 511 targets whose divergences are kl·(1 + cos w/4)
// each; the uncompressed model has 1e-12 in 4 windows, which are the control.
func (m *maker) divergence(s subject, kl, agree float64) {
	windows, control := 12, 1
	if s.base {
		windows, control = 4, 4
	}
	n := 0
	value := func(metric, item string, v, weight float64, w int) {
		m.value(s, "divergence", rDiv, metric, item, v, weight, w, 0)
		n++
	}
	for w := range windows {
		f := 1 + math.Cos(float64(w))/4
		value("kl", "", 511*kl*f, 511, w)
		value("top1", "", math.Round(511*(1-(1-agree)*f)), 511, w)
		value("top5", "", 511*(1-(1-agree)*f/2), 511, w)
		value("dp", "", -511*kl*f/10, 511, w)
		value("dp_sq", "", 511*kl*f/20, 511, w)
		value("base_nll", "", 511*4, 511, w)
		if w < control {
			value("self_kl", "", 511*1e-12*f, 511, w)
			value("self_top1", "", 511, 511, w)
		}
	}
	targets := 511 * float64(windows)
	value("base_entropy", "", 3*targets, targets, 0)
	value("ties", "", 2, targets, 0)
	for i, name := range []string{"p50", "p90", "p99", "max"} {
		value("kl_percentile", name, kl*math.Pow(4, float64(i)), targets, 0)
	}
	value("dp_percentile", "p1", -math.Sqrt(kl), targets, 0)
	m.done(s, "divergence", rDiv, n)
}

// divergences is a run of the suite in which one case is at the floor and one
// failed.
func divergences() []results.Record {
	m := &maker{scenario: "divergences"}
	m.start("r1", "h1")
	m.recipe("divergence", rDiv, "gptq-512; KL(uncompressed ‖ case)", "demo", nil)
	for _, s := range []subject{dense, int4, tuned, broken} {
		m.caseLine(s)
		switch s.id {
		case dense.id:
			m.divergence(s, 1e-12, 1)
		case int4.id:
			m.divergence(s, 0.02, 0.9)
		case tuned.id:
			m.divergence(s, 5e-12, 1)
		case broken.id:
			m.failure(s, "divergence", rDiv, "suite", "window 3: not finite")
		}
	}
	return m.recs
}

func TestDivergenceGolden(t *testing.T) {
	var text bytes.Buffer
	if err := table.Text(&text, build(t, divergences(), ""), 0); err != nil {
		t.Fatal(err)
	}
	golden(t, "divergence.txt", text.Bytes())
}

// TestDivergenceFiltered: notes tell what the filter has left, and no more.
func TestDivergenceFiltered(t *testing.T) {
	for _, expr := range []string{"metric=kl", "metric~self_*", "metric=top5", "metric!=base_entropy"} {
		filter, err := keys.ParseFilter([]string{expr})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := table.Text(&b, buildWith(t, divergences(), summary.Options{Filter: filter}, nil), 0); err != nil {
			t.Fatal(err)
		}
		if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "top-5") != (expr == "metric!=base_entropy") {
			t.Errorf("%s:\n%s", expr, s)
		}
	}
}

// TestDetails: what people are told in a note, programs get as columns.
func TestDetails(t *testing.T) {
	tab := build(t, divergences(), "")[0]
	cell := func(row int, key string) table.Cell {
		for i, c := range tab.Columns {
			if c.Key == key {
				return tab.Rows[row].Cells[i]
			}
		}
		t.Fatalf("no column %s", key)
		return table.Cell{}
	}
	// cos w/4 sums to 0.0336 over 12 windows, 0 to 11.
	f := 0.0
	for w := range 12 {
		f += (1 + math.Cos(float64(w))/4) / 12
	}
	for key, want := range map[string]float64{
		"kl": 0.02 * f, "top5": 1 - 0.05*f, "dp_mean": -0.002 * f, "dp_rms": math.Sqrt(0.001 * f),
		"kl_floor": 1.25e-12, "top1_floor": 1, "base_perplexity": math.Exp(4), "base_entropy": 3, "ties": 2,
		"kl_p99": 0.32, "kl_max": 1.28, "dp_p1": -math.Sqrt(0.02),
	} {
		if c := cell(1, key); c.Value == nil || !(math.Abs(*c.Value-want) <= 1e-9*math.Abs(want)) {
			t.Errorf("%s: %s, want %v", key, c.Text, want)
		}
		if c := cell(3, key); c.Value != nil || c.Text != table.Dash || key != "kl" && len(c.Notes) > 0 {
			t.Errorf("%s of the failed case: %+v", key, c)
		}
	}
	var text, markdown, js, csv, latex bytes.Buffer
	for _, err := range []error{
		table.Text(&text, []table.Table{tab}, 0), table.Markdown(&markdown, []table.Table{tab}), table.LaTeX(&latex, []table.Table{tab}),
		table.JSON(&js, []table.Table{tab}), table.CSV(&csv, []table.Table{tab}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{text.String(), markdown.String(), latex.String()} {
		if strings.Contains(s, "KL p90") || strings.Contains(s, "top-1 floor") {
			t.Errorf("details are shown:\n%s", s)
		}
	}
	if !strings.Contains(js.String(), `"kl_p90"`) || !strings.Contains(csv.String(), "kl_p90_nat") || !strings.Contains(csv.String(), "top1_floor") {
		t.Error("details are missing in JSON or CSV")
	}
}
