package table_test

import (
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

// TestSeedTable: seeds of one setting make a row of a table of its own, with
// the mean of what they came to.
func TestSeedTable(t *testing.T) {
	var m maker
	m.scenario = "s"
	m.start("r1", "h")
	for _, s := range []subject{
		{id: "000000000001", method: "dense", label: "dense", nominal: 16, base: true, nll: 3},
		{id: "000000000002", method: "hash", label: "hash bits=1 seed=1", nominal: 1, nll: 4, weightError: 0.5},
		{id: "000000000003", method: "hash", label: "hash bits=1 seed=2", nominal: 1, nll: 5, weightError: 0.7},
	} {
		m.caseLine(s)
		m.perplexity(s, "aaaaaaaaaaaa", 12)
		m.approx(s, "bbbbbbbbbbbb")
	}
	rep, err := summary.Of(m.recs, summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables := table.Build(rep, nil)
	if len(tables) != 2 || !strings.HasSuffix(tables[1].Title, "(over seeds)") || len(tables[1].Rows) != 1 {
		t.Fatalf("%d tables: %+v", len(tables), tables)
	}
	var texts []string
	for i, c := range tables[1].Rows[0].Cells {
		texts = append(texts, tables[1].Columns[i].Key+"="+c.Text)
	}
	got := strings.Join(texts, "; ")
	// The windows' wave is the same for both seeds, so ln perplexities lie 1
	// apart: deviation 1/√2. Errors are √(1.25/2) of the given: 0.3953, 0.5534.
	for _, want := range []string{"label=hash bits=1;", "seeds=2;", "ln_perplexity_sd=0.7071;", "weight_error=0.47"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s: want %s", got, want)
		}
	}
}
