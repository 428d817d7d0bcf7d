package table

import (
	"encoding/json"
	"io"
	"slices"
)

// The JSON form of a table. A missing number is null; an interval, a second
// number, a mark or a note that is not there has no key.
type (
	jsonCell struct {
		Text        string   `json:"text"`
		Value       *float64 `json:"value"`
		Lo          *float64 `json:"lo,omitempty"`
		Hi          *float64 `json:"hi,omitempty"`
		Beside      *float64 `json:"beside,omitempty"`
		Significant bool     `json:"significant,omitempty"`
		Notes       []int    `json:"notes,omitempty"`
	}
	jsonColumn struct {
		Key    string `json:"key"`
		Head   string `json:"head"`
		Unit   string `json:"unit,omitempty"`
		Beside string `json:"beside,omitempty"`
	}
	jsonRow struct {
		Case   string         `json:"case"`
		Method string         `json:"method"`
		Params map[string]any `json:"params,omitempty"`
		Seed   uint64         `json:"seed,omitempty"`
		Cells  []jsonCell     `json:"cells"`
	}
	jsonNote struct {
		ID   int    `json:"id,omitempty"`
		Text string `json:"text"`
	}
	jsonTable struct {
		Title    string       `json:"title"`
		Scenario string       `json:"scenario"`
		Model    string       `json:"model"`
		Group    string       `json:"group,omitempty"`
		Columns  []jsonColumn `json:"columns"`
		Rows     []jsonRow    `json:"rows"`
		Notes    []jsonNote   `json:"notes"`
	}
)

// JSON writes tables as one JSON object, {"tables": […]}. Cells hold numbers in
// the base unit of their column beside the text, and the ids of their notes.
func JSON(w io.Writer, tables []Table) error {
	tables = slices.DeleteFunc(slices.Clone(tables), func(t Table) bool { return t.Restates })
	out := struct {
		Tables []jsonTable `json:"tables"`
	}{make([]jsonTable, len(tables))}
	for i, t := range tables {
		out.Tables[i] = t.json()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(out)
}

// json returns the JSON form of t.
func (t Table) json() jsonTable {
	o := jsonTable{Title: t.Title, Scenario: t.Scenario, Model: t.Model, Group: t.Group, Columns: []jsonColumn{}, Rows: []jsonRow{}, Notes: []jsonNote{}}
	for _, c := range t.Columns {
		o.Columns = append(o.Columns, jsonColumn{c.Key, c.Head, c.Unit, c.Beside})
	}
	for _, r := range t.Rows {
		cells := make([]jsonCell, len(r.Cells))
		for i, c := range r.Cells {
			cells[i] = jsonCell(c)
		}
		o.Rows = append(o.Rows, jsonRow{r.Case, r.Method, r.Params, r.Seed, cells})
	}
	for _, n := range t.Notes {
		o.Notes = append(o.Notes, jsonNote(n))
	}
	return o
}
