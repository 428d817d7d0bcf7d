package table_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sketchbench/sketchbench/results/table"
)

// boxes returns the boxes of a text, each as its lines between the borders.
func boxes(text string) [][]string {
	var all [][]string
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "┌"):
			all = append(all, nil)
		case strings.HasPrefix(line, "│"):
			all[len(all)-1] = append(all[len(all)-1], line)
		}
	}
	return all
}

// TestFoldAtAnyWidth: no line is wider than the terminal, every column stands in one box and in
// order, every box is led by the labels, and a ratio of times stands beside its times where there is room.
func TestFoldAtAnyWidth(t *testing.T) {
	tables := build(t, demo(), "")
	// The demo's columns and, to have all widths of numbers, some with exponents and dashes.
	v, lo, hi := 1.04e-7, 0.79e-7, 1.29e-7
	kl := table.Cell{Text: table.Interval(v, lo, hi), Value: &v, Lo: &lo, Hi: &hi, Notes: []int{1, 2}}
	tables[0].Columns = slices.Insert(tables[0].Columns, 6, table.Column{Key: "kl", Head: "KL (nat) [95 %]", Unit: "nat", Part: table.Quality, Interval: true},
		table.Column{Key: "top1", Head: "top-1 agreement", Unit: "1", Part: table.Quality})
	for i, r := range tables[0].Rows {
		tables[0].Rows[i].Cells = slices.Insert(r.Cells, 6, kl, table.Cell{Text: table.Dash, Notes: []int{1}})
	}
	for width := 48; width < 240; width += 3 {
		var b bytes.Buffer
		if err := table.Text(&b, tables, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > width {
				t.Errorf("width %d: %d runes: %s", width, n, line)
			}
		}
		var firsts []string // of the second row: one cell per column
		for _, box := range boxes(b.String()) {
			head := strings.Split(strings.Trim(box[0], "│\n"), "│")
			if strings.TrimSpace(head[0]) != "method" {
				t.Errorf("width %d: a box begins with %q", width, head[0])
			}
			row := slices.IndexFunc(box, func(l string) bool { return strings.HasPrefix(l, "│ int4 b4") })
			for _, c := range strings.Split(strings.Trim(box[row], "│\n"), "│")[1:] {
				firsts = append(firsts, strings.TrimSpace(c))
			}
			for i, h := range head {
				if strings.HasPrefix(strings.TrimSpace(h), "ratio at") && !strings.HasPrefix(strings.TrimSpace(head[i-1]), "TTFT") {
					t.Errorf("width %d: a ratio of times beside %q", width, head[i-1])
				}
			}
		}
		if want := len(tables[0].Columns) - 1; len(firsts) != want {
			t.Errorf("width %d: %d cells, want %d", width, len(firsts), want)
		}
		for i, c := range tables[0].Rows[1].Cells[1:] {
			j := slices.IndexFunc(firsts, func(s string) bool { return strings.HasPrefix(s, c.Text) })
			if j < 0 {
				t.Errorf("width %d: %s is missing", width, tables[0].Columns[i+1].Key)
			}
		}
	}
}
