package table

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
)

// sort sorts the rows of the group by order; equal ones keep their places.
func (b *builder) sort(cols []column, order []keys.Order) {
	if len(order) == 0 {
		return
	}
	type sortable struct {
		row    summary.Row
		values []string // one per key of order
	}
	rows := make([]sortable, len(b.g.Rows))
	for i, r := range b.g.Rows {
		rows[i].row = r
		for _, o := range order {
			rows[i].values = append(rows[i].values, sortValue(r, cols, o.Key))
		}
	}
	b.t.Notes = nil // of the cells that were made to sort by
	slices.SortStableFunc(rows, func(x, y sortable) int {
		for i, o := range order {
			if c := o.Compare(x.values[i], y.values[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	for i := range rows {
		b.g.Rows[i] = rows[i].row
	}
}

// sortValue returns what a row has under key: the number or text of a column, else the value of a
// key of its records; empty where it has none.
func sortValue(r summary.Row, cols []column, key string) string {
	i := slices.IndexFunc(cols, func(c column) bool { return c.Key == key })
	if i < 0 {
		return strings.Join(r.Values(key), " and ")
	}
	c := cols[i].cell(r)
	switch {
	case c.Value != nil:
		return strconv.FormatFloat(*c.Value, 'g', -1, 64)
	case cols[i].Unit == "":
		return c.Text
	}
	return ""
}

// SortKeys returns the keys of the columns of a report, which Build can sort by beside
// those of records.
func SortKeys(rep *summary.Report) []string {
	var all []string
	for _, g := range rep.Groups {
		b := builder{g: g}
		var columns []Column
		for _, c := range b.columns() {
			columns = append(columns, c.Column)
		}
		if len(g.Kernels) > 0 {
			for _, c := range b.kernelColumns(0, 0) {
				columns = append(columns, c.Column)
			}
		}
		for _, t := range updateTables(g, "", nil) {
			columns = append(columns, t.Columns...)
		}
		for _, c := range columns {
			if !slices.Contains(all, c.Key) {
				all = append(all, c.Key)
			}
		}
	}
	return all
}
