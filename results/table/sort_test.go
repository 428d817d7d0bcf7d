package table_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

func TestSort(t *testing.T) {
	for _, tt := range []struct {
		order string
		want  []string // ids of the cases
	}{
		{"", []string{"c0", "c1", "c2", "c3", "c4"}},
		{"label", []string{"c0", "c1", "c2", "c3", "c4"}},
		{"-label", []string{"c4", "c3", "c2", "c1", "c0"}},
		{"perplexity", []string{"c0", "c2", "c1", "c4", "c3"}}, // 54.2, 54.3, 55.4, 8080 and none
		{"-perplexity", []string{"c4", "c1", "c2", "c0", "c3"}},
		{"ttft_384", []string{"c1", "c2", "c0", "c4", "c3"}},
		{"bits_nominal,-weight_error", []string{"c4", "c3", "c1", "c2", "c0"}},
		{"-baseline,model_bytes", []string{"c0", "c4", "c2", "c1", "c3"}}, // the baseline is a key of its case line
		{"device,method", []string{"c0", "c1", "c2", "c4", "c3"}},         // what failed has none
	} {
		var order []keys.Order
		if tt.order != "" {
			order = keys.ParseOrder([]string{tt.order})
		}
		tab := buildWith(t, demo(), summary.Options{}, order)[0]
		var got []string
		for _, r := range tab.Rows {
			got = append(got, r.Case)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.order, got, tt.want)
		}
		id := 0 // notes are numbered from top to bottom
		for _, r := range tab.Rows {
			for _, c := range r.Cells {
				for _, n := range c.Notes {
					if n > id+1 {
						t.Errorf("%s: note %d comes after %d", tt.order, n, id)
					}
					id = max(id, n)
				}
			}
		}
	}
}

// TestSelectionGolden: what a filter leaves out is told, and so is what no column shows.
func TestSelectionGolden(t *testing.T) {
	m := &maker{scenario: "mixed"}
	m.start("r1", "h1")
	for _, s := range []subject{dense, int4} {
		m.caseLine(s)
		m.perplexity(s, rPpl, 12)
	}
	m.start("r2", "h2")
	for _, s := range []subject{tuned, sketch} {
		m.caseLine(s)
		m.perplexity(s, rPpl, 12)
	}
	filter, err := keys.ParseFilter([]string{"method!=dense,nominal_bits>=4", "method~*sketch"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := table.Text(&b, buildWith(t, m.recs, summary.Options{Filter: filter}, keys.ParseOrder([]string{"-perplexity"})), 100); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n")
	if err := table.Text(&b, buildWith(t, m.recs, summary.Options{Group: []string{"host", "run"}}, nil), 100); err != nil {
		t.Fatal(err)
	}
	golden(t, "selection.txt", b.Bytes())
}
