package table_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

// panel adds one Δ with squared norm 4: of 100 weights and 20 table entries.
func (m *maker) panel(s subject, item string, sample int, projection, low float64) int {
	m.value(s, "approx", "u1", "update_sq", item, 4, 100, sample, 0)
	m.value(s, "approx", "u1", "update_projection_err_sq", item, 4*projection, 20, sample, 0)
	m.value(s, "approx", "u1", "update_kmeans_err_sq", item, 0.04, 20, sample, 0)
	m.value(s, "approx", "u1", "update_random_err_sq", item, 4*projection, 20, sample, 0)
	m.value(s, "approx", "u1", "update_rank8_err_sq", item, 1, 8, sample, 0)
	m.value(s, "approx", "u1", "update_trainable_err_sq", item, 4*low, 1, sample, 0)
	m.value(s, "approx", "u1", "update_bytes_err_sq", item, 0.25, 3, sample, 0)
	m.value(s, "approx", "u1", "update_rank75", item, 2, 100, sample, 0)
	m.value(s, "approx", "u1", "update_exponent", item, 0.2, 12, sample, 0)
	m.value(s, "approx", "u1", "update_exponent_se", item, 0.01, 12, sample, 0)
	return 10
}

// markdown renders records.
func markdown(t *testing.T, recs []results.Record) (tables []table.Table, text string) {
	t.Helper()
	rep, err := summary.Of(recs, summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables = table.Build(rep, nil)
	var out bytes.Buffer
	if err := table.Markdown(&out, tables); err != nil {
		t.Fatal(err)
	}
	return tables, out.String()
}

// TestUpdateTables holds the rows of updates of tensors: of a case with six, of
// one without tables and of one that failed. The ratio over tensors is √(p/0.25)
// of rank 8: p = 0.81 everywhere gives 1.8, six of six lost, p = 2/2⁶ = 0.031.
func TestUpdateTables(t *testing.T) {
	m := maker{scenario: "updates"}
	m.start("20260101T000000Z-000001", "host")
	sketch, dense, broken := subject{id: "s", method: "sketchtune", label: "sketchtune bits=4"}, subject{id: "d", method: "dense", label: "dense"}, subject{id: "b", method: "leanquant", label: "leanquant"}
	for _, s := range []subject{sketch, dense, broken} {
		m.caseLine(s)
	}
	n := 0
	for _, name := range []string{"q", "k", "v", "o", "up", "down"} {
		item := "model.layers.0." + name + ".weight"
		m.value(sketch, "approx", "u1", "update_base_sq", item, 400, 100, 0, 0)
		n += 1 + m.panel(sketch, item, 0, 0.81, 0.9025)
	}
	m.done(sketch, "approx", "u1", n)
	m.done(dense, "approx", "u1", 0)
	m.failure(broken, "approx", "u1", "suite", "no")
	tables, text := markdown(t, m.recs)
	for _, want := range []string{
		"**updates, model demo (sketch against low rank over all matrices)**\n",
		`| sketchtune bits=4 | rank 8 | 1.8 [1.8, 1.8] | 0.031 | 0 of 6 | 0.031 | 1.8 |`,
		"| sketchtune bits=4 | equal trainable numbers | 0.9474 [0.9474, 0.9474] | 0.031 | 6 of 6 | 0.031 | 0.9474 |\n",
		"| dense | —¹ | —¹ | —¹ | —¹ | —¹ | —¹ |\n", "| leanquant | —² |",
		"**updates, model demo (updates by matrix)**\n",
		"| sketchtune bits=4 | layers.0.q | 0.1 | 0.9 | 0.1 | 0.9 | 0.5 | 0.95 (1) | 0.25 (3) | 2 | 0.200 [0.178, 0.222] | 5 | 0.301 | sketch | sketch |\n",
		"¹ dense: stores no codes with a table", "² leanquant failed in suite (input): no",
		"predicted winner against measured, 6 rows: sketch, measured sketch: 6",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if len(tables) != 2 || strings.Contains(text, "‖W−Ŵ‖") || strings.Contains(text, "baseline") {
		t.Errorf("%d tables:\n%s", len(tables), text)
	}
	rep, err := summary.Of(m.recs, summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := table.SortKeys(rep)
	for _, key := range []string{"update_ratio", "sketch_wins", "tensor", "projection_error"} {
		if !slices.Contains(names, key) {
			t.Errorf("no key %s to sort by among %v", key, names)
		}
	}
	order := keys.ParseOrder([]string{"-tensor"})
	if sorted := table.Build(rep, order); sorted[1].Rows[0].Cells[1].Text != "layers.0.v" || sorted[1].Rows[5].Cells[1].Text != "layers.0.down" {
		t.Errorf("sorted downwards, the first row is %+v", sorted[1].Rows[0].Cells[:2])
	}
	var tex bytes.Buffer
	if err := table.LaTeX(&tex, tables); err != nil || strings.Contains(tex.String(), "[U+") {
		t.Errorf("%v, or a rune without a name in\n%s", err, tex.String())
	}
}

// TestTheoremTables holds the rows of drawn matrices, in a group with another
// suite, whose table comes first. Kept shares of sketch and low rank are 0.25
// against 0.2 and 0.25 against 0.3: ln 1.25 and −ln 1.2 cross at
// 0.1 + 0.2·0.2231/(0.2231+0.1823) = 0.2101 in each of two draws. Of finite sums
// Σ i^(−η) over 10 terms is 5 at η = 0.503 (5.021 at 0.5).
func TestTheoremTables(t *testing.T) {
	m := maker{scenario: "theorem"}
	m.start("20260101T000000Z-000001", "host")
	s := subject{id: "s", method: "sketchtune", label: "sketchtune"}
	m.caseLine(s)
	n := 0
	for draw := range 2 {
		n += m.panel(s, "10x10,eta0.1", draw, 0.75, 0.8) + m.panel(s, "10x10,eta0.3", draw, 0.75, 0.7)
	}
	m.done(s, "approx", "u1", n)
	m.memory(s, rMem)
	tables, text := markdown(t, m.recs)
	for _, want := range []string{
		"**theorem, model demo (Theorem 3.1)**\n",
		"| sketchtune | 10 | 5 | 0.301 | 0.503 | 0.304 | 0.2101 [0.2101, 0.2101] | 0.2101 [0.2101, 0.2101] | neither |\n",
		"**theorem, model demo (drawn matrices by exponent)**\n",
		"| sketchtune | 10 | 0.3 | 0.2 | 0.866 | 0.1 | 0.866 | 0.5 | 0.837 (1) | 0.25 (3) | 2 | 5 | 0.301 | sketch | low rank (2 of 2) |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if len(tables) != 3 && len(tables) != 4 || tables[0].Group != "" {
		t.Errorf("%d tables, the first of %q", len(tables), tables[0].Group)
	}
}
