package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// CSV writes tables as one table of comma-separated values in UTF-8: a line of
// keys, then one line per row. A column may give several fields, KEY, KEY_lo and KEY_hi of its
// interval, KEY_significant and the second number; the name of KEY ends in its unit.
// Numbers are in base units with all their digits; what is missing is empty. In front stand
// scenario, model, group, case, label, method, seed and params.NAME; at the end the notes of
// the row and those of its table.
func CSV(w io.Writer, tables []Table) error {
	tables = slices.DeleteFunc(slices.Clone(tables), func(t Table) bool { return t.Restates })
	params, fields := csvHead(tables)
	out := csv.NewWriter(w)
	head := append([]string{"scenario", "model", "group", "case", "label", "method", "seed"}, params...)
	head = append(append(head, fields...), "notes", "table_notes")
	if err := out.Write(head); err != nil {
		return err
	}
	for _, t := range tables {
		for _, r := range t.Rows {
			if err := out.Write(t.csvLine(r, params, fields)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// csvHead returns the parameters of all rows, sorted, as "params.NAME", and the
// fields of all columns in order of first appearance.
func csvHead(tables []Table) (params, fields []string) {
	for _, t := range tables {
		for _, c := range t.Columns {
			for _, f := range c.csvFields() {
				if !slices.Contains(fields, f) {
					fields = append(fields, f)
				}
			}
		}
		for _, r := range t.Rows {
			for name := range r.Params {
				if p := "params." + name; !slices.Contains(params, p) {
					params = append(params, p)
				}
			}
		}
	}
	slices.Sort(params)
	return params, fields
}

// csvFields returns the names of the fields of a column; none for the label,
// which stands in front.
func (c Column) csvFields() []string {
	switch {
	case c.Key == "label":
		return nil
	case c.Unit == "":
		return []string{c.Key}
	}
	name := c.field()
	f := []string{name}
	if c.Interval {
		f = append(f, name+"_lo", name+"_hi")
	}
	if c.Tested {
		f = append(f, name+"_significant")
	}
	if c.Beside != "" {
		f = append(f, c.Beside)
	}
	return f
}

// field is the key of a column with its unit, unless the key names it already or
// there is none.
func (c Column) field() string {
	named := map[string]string{"1": "", "B": "bytes", "bit": "bits"}
	if word, ok := named[c.Unit]; ok && strings.Contains(c.Key, word) {
		return c.Key
	}
	return c.Key + "_" + strings.ReplaceAll(c.Unit, "/", "_per_")
}

// csvLine returns the fields of a row.
func (t Table) csvLine(r Row, params, fields []string) []string {
	values := map[string]string{}
	label := ""
	for i, c := range r.Cells {
		column := t.Columns[i]
		if column.Key == "label" {
			label = c.Text
		}
		for j, f := range column.csvFields() {
			values[f] = c.csvValues(column)[j]
		}
	}
	line := []string{t.Scenario, t.Model, t.Group, r.Case, label, r.Method, ""}
	if r.Seed != 0 {
		line[len(line)-1] = strconv.FormatUint(r.Seed, 10)
	}
	for _, p := range params {
		s := ""
		if v, ok := r.Params[strings.TrimPrefix(p, "params.")]; ok {
			s = fmt.Sprint(v)
		}
		line = append(line, s)
	}
	for _, f := range fields {
		line = append(line, values[f])
	}
	return append(line, t.rowNotes(r), t.tableNotes())
}

// csvValues returns what stands in the fields of column c.
func (c Cell) csvValues(column Column) []string {
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	if column.Unit == "" {
		return []string{c.Text}
	}
	v := []string{number(c.Value)}
	if column.Interval {
		v = append(v, number(c.Lo), number(c.Hi))
	}
	if column.Tested {
		mark := ""
		if c.Value != nil {
			mark = strconv.FormatBool(c.Significant)
		}
		v = append(v, mark)
	}
	if column.Beside != "" {
		v = append(v, number(c.Beside))
	}
	return v
}

// rowNotes returns the numbered notes of a row with the columns they are about:
// "[2] perplexity, perplexity_ratio: text", several with a bar between.
func (t Table) rowNotes(r Row) string {
	var parts []string
	for _, n := range t.Notes {
		var keys []string
		for i, c := range r.Cells {
			if n.ID > 0 && slices.Contains(c.Notes, n.ID) {
				keys = append(keys, t.Columns[i].Key)
			}
		}
		if len(keys) > 0 {
			parts = append(parts, fmt.Sprintf("[%d] %s: %s", n.ID, strings.Join(keys, ", "), oneLine(n.Text)))
		}
	}
	return strings.Join(parts, " | ")
}

// tableNotes returns the notes on the whole table with a bar between.
func (t Table) tableNotes() string {
	var parts []string
	for _, n := range t.Notes {
		if n.ID == 0 {
			parts = append(parts, oneLine(n.Text))
		}
	}
	return strings.Join(parts, " | ")
}
