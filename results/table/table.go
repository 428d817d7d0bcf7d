// Package table lays summaries out as tables and renders them as text,
// Markdown, CSV, LaTeX and JSON. It computes no statistics: it chooses columns,
// units, digits and footnotes.
package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
)

// A Part is the half of a folded table that a column belongs to.
type Part int

// Parts. A column of Both leads each half; one of Detail is for programs, in JSON
// and CSV only.
const (
	Both Part = iota
	Quality
	SizeSpeed
	Detail
)

// A Column heads one column.
type Column struct {
	Key  string // stable name for programs: "perplexity"
	Head string // for people: "perplexity [95 %]"
	Unit string // of the numbers in the cells, a base unit: "1", "bit", "B", "s", "nat"; empty for text
	Part Part

	// Alone is the head where the column before this one, to which it belongs, is not
	// beside it; empty for a column of its own.
	Alone string

	Interval bool   // cells may carry an interval
	Tested   bool   // cells may carry the mark of a test
	Beside   string // key of the second number of the cells; empty where there is none
}

// A Cell is one entry. Value, Lo and Hi are nil where there is no number or no
// interval; Text is then "—" or the bare number. Text may be in another unit
// than the numbers, which the head or the text itself names.
type Cell struct {
	Text          string
	Value, Lo, Hi *float64
	Beside        *float64 // a second number, in brackets: VmHWM beside the peak
	Significant   bool     // differs from the baseline after Holm's correction
	Notes         []int    // ids of numbered notes
}

// A Row is one case.
type Row struct {
	Case, Method string
	Params       map[string]any // of the method
	Seed         uint64         // 0 where chance has no part
	Cells        []Cell         // one per column
}

// A Note stands below the table. ID is its number in the cells; 0 for a note on the whole table.
type Note struct {
	ID   int
	Text string
}

// A Table is what all renderers share.
type Table struct {
	Title string
	// Scenario and Model are those of every row; Group says what else tells this
	// table apart from others, in words.
	Scenario, Model, Group string

	// Restates says that the table shows for people what another one holds for
	// programs, as columns of Detail: CSV and JSON leave it out.
	Restates bool

	Columns []Column
	Rows    []Row
	Notes   []Note // those on the whole table first
}

// Dash stands for a number that cannot be given.
const Dash = "—"

// Build lays out one table per group of the report: rows that may be compared, sorted by
// order, whose keys are those of columns or of records; without one in order of first appearance.
// For each shape and state of the cache whose products were timed there is a table besides, and
// one for the bill of the bytes and for the cases that seeds alone tell apart, and there are some
// for updates of weights.
func Build(rep *summary.Report, order []keys.Order) []Table {
	var tables []Table
	for _, g := range rep.Groups {
		if hasMain(g) {
			tables = append(tables, build(g, rep.Filter, order))
		}
		tables = append(tables, kernelTables(g, rep.Filter, order)...)
		tables = append(tables, updateTables(g, rep.Filter, order)...)
		if t, ok := billTable(g); ok {
			tables = append(tables, t)
		}
		if t, ok := seedTable(g); ok {
			tables = append(tables, t)
		}
	}
	return tables
}

// build lays out one group.
func build(g summary.Group, filter string, order []keys.Order) Table {
	b := newBuilder(g, filter, groupName(g))
	cols := b.columns()
	b.sort(cols, order)
	b.fill(cols)
	b.t.Notes = append(b.wholeNotes(), b.t.Notes...)
	return b.t
}

// fill makes a row of every case of the group.
func (b *builder) fill(cols []column) {
	for _, c := range cols {
		b.t.Columns = append(b.t.Columns, c.Column)
	}
	for _, r := range b.g.Rows {
		row := Row{Case: r.Case, Method: r.Method, Params: r.Params, Seed: r.Seed}
		for _, c := range cols {
			row.Cells = append(row.Cells, c.cell(r))
		}
		b.t.Rows = append(b.t.Rows, row)
	}
}

// groupName says what tells the table of g apart from others of its scenario and model.
func groupName(g summary.Group) string {
	var parts []string
	for _, kv := range g.Keys {
		if kv.Value == "" {
			parts = append(parts, "no "+kv.Key)
		} else {
			parts = append(parts, kv.Key+" "+kv.Value)
		}
	}
	if g.Index > 0 {
		parts = append(parts, fmt.Sprintf("recipes, part %d", g.Index+1))
	}
	return strings.Join(parts, ", ")
}

// newBuilder starts a table of a group; words tell it apart from others.
func newBuilder(g summary.Group, filter, words string) builder {
	b := builder{g: g, filter: filter, t: Table{Scenario: g.Scenario, Model: g.Model, Group: words}}
	b.t.Title = g.Scenario + ", model " + g.Model
	if words != "" {
		b.t.Title += " (" + words + ")"
	}
	return b
}

// column is a Column with what fills it.
type column struct {
	Column
	cell func(r summary.Row) Cell
}

// builder collects a table and its numbered notes.
type builder struct {
	g      summary.Group
	filter string
	t      Table
}

// A figure picks one estimate of a row.
type figure func(r summary.Row) summary.Estimate

// columns returns the columns for which the group has a suite, in the order of cli.md 5.
func (b *builder) columns() []column {
	has := b.g.Suites
	errors := has["approx"] && !hasUpdates(b.g)
	cols := []column{{Column{Key: "label", Head: "method", Part: Both}, b.method}}
	add := func(ok bool, c Column, cell func(r summary.Row) Cell) {
		if ok {
			cols = append(cols, column{c, cell})
		}
	}
	number := func(pick figure) func(summary.Row) Cell {
		return func(r summary.Row) Cell { return b.number(pick(r), 1) }
	}
	add(true, Column{Key: "bits_nominal", Head: "bits (nominal)", Unit: "bit", Part: Quality}, number(func(r summary.Row) summary.Estimate { return r.NominalBits }))
	add(has["memory"], Column{Key: "bits_linears", Head: "bits (stored, linears)", Unit: "bit", Part: SizeSpeed},
		func(r summary.Row) Cell { return b.stored(b.number(r.Ledger.LinearBits, 1), r) })
	add(has["memory"], Column{Key: "bits_model", Head: "bits (stored, model)", Unit: "bit", Part: SizeSpeed},
		func(r summary.Row) Cell { return b.stored(b.number(r.Ledger.ModelBits, 1), r) })
	add(has["memory"], Column{Key: "model_bytes", Head: "model bytes", Unit: "B", Part: SizeSpeed}, func(r summary.Row) Cell { return b.stored(b.bytes(r.Ledger.ModelBytes, 4), r) })
	add(errors, Column{Key: "weight_error", Head: "rel. error ‖W−Ŵ‖", Unit: "1", Part: Quality},
		number(func(r summary.Row) summary.Estimate { return r.WeightError }))
	add(errors, Column{Key: "output_error", Head: "rel. output error", Unit: "1", Part: Quality},
		number(func(r summary.Row) summary.Estimate { return r.OutputError }))
	if errors {
		cols = append(cols, b.profileColumns()...)
	}
	add(has["perplexity"], Column{Key: "perplexity", Head: "perplexity [95 %]", Unit: "1", Part: Quality, Interval: true}, b.perplexity)
	add(has["perplexity"], Column{Key: "perplexity_ratio", Head: "ratio to " + b.baseline() + " [95 %], paired", Unit: "1", Part: Quality,
		Interval: true, Tested: true}, b.perplexityRatio)
	cols = append(cols, b.divergences()...)
	cols = append(cols, b.timings()...)
	if has["memory"] {
		cols = append(cols, b.billColumns(Detail)...)
	}
	add(has["memory"], Column{Key: "peak_bytes", Head: "peak bytes", Unit: "B", Part: SizeSpeed, Beside: "vmhwm_bytes"}, b.peak)
	return cols
}

// timings returns the columns of the latency suite: TTFT and its ratio for each
// prompt, then the time per token for each.
func (b *builder) timings() []column {
	var cols []column
	if b.g.Suites["latency"] && len(b.g.TTFT)+len(b.g.ITL) == 0 {
		return []column{{Column{Key: "ttft", Head: "TTFT", Unit: "s", Part: SizeSpeed, Interval: true},
			func(r summary.Row) Cell { return b.dash(r.Why("latency")) }}}
	}
	for k, item := range b.g.TTFT {
		n := summary.ItemTokens(item)
		cols = append(cols, b.time(Column{Key: fmt.Sprintf("ttft_%d", n), Head: fmt.Sprintf("TTFT (%%s) at %d", n)},
			func(r summary.Row) summary.Estimate { return r.TTFT[k].Median }))
		ratio := Column{Key: fmt.Sprintf("ttft_ratio_%d", n), Head: "ratio [95 %]", Unit: "1", Part: SizeSpeed, Interval: true, Tested: true}
		if len(b.g.TTFT) > 1 {
			ratio.Head = fmt.Sprintf("ratio at %d [95 %%]", n)
		}
		ratio.Alone = "TTFT " + ratio.Head
		cols = append(cols, column{ratio,
			func(r summary.Row) Cell { return b.number(r.TTFT[k].Ratio, 1) }})
	}
	for k, item := range b.g.ITL {
		n := summary.ItemTokens(item)
		head := "%s/token"
		if len(b.g.ITL) > 1 {
			head += fmt.Sprintf(" at %d", n)
		}
		cols = append(cols, b.time(Column{Key: fmt.Sprintf("itl_%d", n), Head: head},
			func(r summary.Row) summary.Estimate { return r.ITL[k].Median }))
	}
	return cols
}

// time returns the column of a time with an interval. %s in its head stands
// for the unit of the text, in which the column's median lies between 1 and 1000.
func (b *builder) time(c Column, pick figure) column {
	var values []float64
	for _, r := range b.g.Rows {
		if e := pick(r); e.Missing == "" {
			values = append(values, e.Value)
		}
	}
	unit, scale := timeUnit(values)
	c.Head, c.Unit, c.Part, c.Interval = fmt.Sprintf(c.Head, unit), "s", SizeSpeed, true
	return column{c, func(r summary.Row) Cell { return b.number(pick(r), scale) }}
}

// baseline returns the name of the baseline for a column head.
func (b *builder) baseline() string {
	if b.g.Baseline == "" {
		return "baseline"
	}
	return b.g.Baseline
}

// method returns the cell of the case's label. Where no column has a dash to explain, a
// case that failed is explained here.
func (b *builder) method(r summary.Row) Cell {
	c := Cell{Text: r.Label}
	if len(b.g.Suites) == 0 && len(r.Failures) > 0 {
		c.Notes = []int{b.note(r.Why(""))}
	}
	return c
}

// note returns the id of a numbered note, adding it if it is new.
func (b *builder) note(text string) int {
	if i := slices.IndexFunc(b.t.Notes, func(n Note) bool { return n.Text == text }); i >= 0 {
		return b.t.Notes[i].ID
	}
	id := len(b.t.Notes) + 1
	b.t.Notes = append(b.t.Notes, Note{id, text})
	return id
}

// dash returns the cell of a number that cannot be given, with the reason.
func (b *builder) dash(why string) Cell { return Cell{Text: Dash, Notes: []int{b.note(why)}} }

// number returns the cell of e. Its text is scaled to the unit that the head names.
func (b *builder) number(e summary.Estimate, scale float64) Cell {
	if e.Missing != "" {
		return b.dash(e.Missing)
	}
	c := Cell{Value: &e.Value, Significant: e.Significant}
	switch {
	case e.HasInterval():
		c.Lo, c.Hi = &e.Lo, &e.Hi
		c.Text = Interval(e.Value*scale, e.Lo*scale, e.Hi*scale)
	case len(e.Warnings) > 0: // chance is in it, but not how much
		c.Text = Significant(e.Value*scale, 3)
	default:
		c.Text = Significant(e.Value*scale, 4)
	}
	for _, w := range e.Warnings {
		c.Notes = append(c.Notes, b.note(w))
	}
	return c
}

// perplexity returns the cell of a perplexity; one above 1000 is explained.
func (b *builder) perplexity(r summary.Row) Cell {
	c := b.number(r.Perplexity.Estimate, 1)
	if r.Perplexity.Collapsed {
		text := "perplexity above 1000: the compressed model no longer predicts the text. A result, not a failure."
		if r.Method == "ultrasketch" {
			text = "perplexity above 1000, which is expected of a sketch with few bits per weight that has not been trained: most weights share their cells with larger ones, " +
				"the relative error is near 1 and nearly half of the signs are wrong; its quality has to come from fine-tuning. A result, not a failure."
		}
		c.Notes = append(c.Notes, b.note(text))
	}
	return c
}

// perplexityRatio returns the cell of the ratio to the baseline; one that is
// significantly better is not left without a word.
func (b *builder) perplexityRatio(r summary.Row) Cell {
	c := b.number(r.Ratio.Estimate, 1)
	if c.Significant && *c.Value < 1 {
		c.Notes = append(c.Notes, b.note("predicts this text better than "+b.baseline()+", beyond the noise of its windows. No gain of quality follows: a change of the weights also changes how "+
			"sharp the predictions are, and one that blunts them helps a model on text unlike its training text. Score it on text like that as well."))
	}
	return c
}

// bytes returns the cell of a number of bytes, with so many significant digits.
func (b *builder) bytes(e summary.Estimate, digits int) Cell {
	if e.Missing != "" {
		return b.dash(e.Missing)
	}
	return Cell{Text: Bytes(e.Value, digits), Value: &e.Value}
}

// stored adds to the cell of a stored size that it is declared, where it is.
func (b *builder) stored(c Cell, r summary.Row) Cell {
	for _, class := range r.Ledger.Classes {
		if class.Parts["declared"] > 0 {
			c.Notes = append(c.Notes, b.note("billed by the bytes that the folder of the weights declares, which nothing here has counted; "+
				"speed and memory are those of the dequantised weights"))
			break
		}
	}
	return c
}

// peak returns the peak of anonymous bytes with VmHWM beside it.
func (b *builder) peak(r summary.Row) Cell {
	c := b.bytes(r.PeakAnon, 3)
	if r.PeakAnon.Missing == "" && r.VmHWM.Missing == "" {
		c.Text += " (" + Bytes(r.VmHWM.Value, 3) + ")"
		c.Beside = &r.VmHWM.Value
	}
	return c
}
