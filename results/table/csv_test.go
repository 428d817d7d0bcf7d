package table_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results/table"
)

// readCSV returns the rows of tables as CSV, each by its column names.
func readCSV(t *testing.T, tables []table.Table) ([]byte, []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	if err := table.CSV(&b, tables); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll() // refuses lines of another length
	if err != nil {
		t.Fatal(err)
	}
	head := lines[0]
	for i, name := range head {
		if name == "" || slices.Contains(head[:i], name) {
			t.Errorf("column %d is named %q, which is empty or there twice", i, name)
		}
	}
	var rows []map[string]string
	for _, l := range lines[1:] {
		row := map[string]string{}
		for i, v := range l {
			row[head[i]] = v
		}
		rows = append(rows, row)
	}
	return b.Bytes(), rows
}

func TestCSVGolden(t *testing.T) {
	b, _ := readCSV(t, build(t, demo(), ""))
	golden(t, "demo.csv", b)
	// Two scenarios, and one of them under two recipes, in one table.
	b, rows := readCSV(t, build(t, slices.Concat(short(), twoRecipes()), ""))
	golden(t, "concatenated.csv", b)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join([]string{r["scenario"], r["model"], r["group"], r["method"]}, "/"))
	}
	want := []string{"short/demo//dense", "short/demo//int4", "two-recipes/demo//dense", "two-recipes/demo//int4",
		"two-recipes/demo/recipes, part 2/dense", "two-recipes/demo/recipes, part 2/int4"}
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

// TestCSVEqualsJSON: both hold the same numbers to the last bit, in the same units.
func TestCSVEqualsJSON(t *testing.T) {
	tables := build(t, demo(), "")
	_, rows := readCSV(t, tables)
	var b bytes.Buffer
	if err := table.JSON(&b, tables); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tables []struct {
			Columns []struct{ Key, Unit, Beside string }
			Rows    []struct {
				Case, Method string
				Cells        []struct {
					Value, Lo, Hi, Beside *float64
					Significant           bool
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	numbers := 0
	for i, r := range doc.Tables[0].Rows {
		for j, c := range r.Cells {
			column := doc.Tables[0].Columns[j]
			if column.Unit == "" {
				continue
			}
			name := map[string]string{"s": column.Key + "_s"}[column.Unit]
			if name == "" {
				name = column.Key
			}
			for field, want := range map[string]*float64{name: c.Value, name + "_lo": c.Lo, name + "_hi": c.Hi, column.Beside: c.Beside} {
				got := rows[i][field]
				if want == nil && got == "" {
					continue
				}
				v, err := strconv.ParseFloat(got, 64)
				if want == nil || err != nil || v != *want {
					t.Errorf("%s, %s: %q, JSON has %v", r.Case, field, got, want)
				}
				numbers++
			}
			if mark, ok := rows[i][name+"_significant"]; ok && c.Value != nil && mark != fmt.Sprint(c.Significant) {
				t.Errorf("%s, %s: significant %q, JSON has %v", r.Case, name, mark, c.Significant)
			}
		}
	}
	// 4 whole rows of 7 exact numbers and 2 second ones, perplexity and 4 times with ends, 3 ratios of
	// which the baseline's have no ends; the nominal bits of the failed row.
	if want := 4*(7+1) + 4*5*3 + 3*3*3 + 3 + 1; numbers != want {
		t.Errorf("%d numbers compared, want %d", numbers, want)
	}
}

// TestCSVNotes: what a dash means stands in the row, what holds for all in every row.
func TestCSVNotes(t *testing.T) {
	_, rows := readCSV(t, build(t, demo(), ""))
	broken := rows[3]
	if broken["perplexity"] != "" || !strings.Contains(broken["notes"], "perplexity, perplexity_ratio") ||
		!strings.Contains(broken["notes"], ": svd b2 failed in compress (input): model.layers.0.mlp.up_proj.weight[17] is NaN | not finite") {
		t.Errorf("the failed row: %q", broken)
	}
	if rows[0]["notes"] != "" || !strings.Contains(rows[0]["table_notes"], "device cpu/avx2; 2 threads") {
		t.Errorf("the baseline: notes %q, table_notes %q", rows[0]["notes"], rows[0]["table_notes"])
	}
}
