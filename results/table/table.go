// Package table lays summaries out as tables and renders them as text,
// Markdown and JSON. It computes no statistics: it chooses columns, digits and
// footnotes.
package table

import (
	"fmt"
	"slices"

	"github.com/sketchbench/sketchbench/results/summary"
)

// A Part is the half of a folded table that a column belongs to.
type Part int

// Parts. A column of Both leads each half.
const (
	Both Part = iota
	Quality
	SizeSpeed
)

// A Column heads one column.
type Column struct {
	Key  string // stable name for programs: "perplexity"
	Head string // for people: "perplexity [95 %]"
	Unit string // of the numbers in the cells: "1", "bit", "B", "ms"; empty for text
	Part Part
}

// A Cell is one entry. Value, Lo and Hi are nil where there is no number or no
// interval; Text is then "—" or the bare number.
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
	Cells        []Cell // one per column
}

// A Note stands below the table. ID is its number in the cells; 0 for a note on the whole table.
type Note struct {
	ID   int
	Text string
}

// A Table is what all renderers share.
type Table struct {
	Title   string
	Columns []Column
	Rows    []Row
	Notes   []Note // those on the whole table first
}

// Dash stands for a number that cannot be given.
const Dash = "—"

// Build lays out one table per group of the report: rows that may be compared.
func Build(rep *summary.Report) []Table {
	tables := make([]Table, len(rep.Groups))
	for i, g := range rep.Groups {
		tables[i] = build(g)
	}
	return tables
}

// build lays out one group.
func build(g summary.Group) Table {
	b := builder{g: g, t: Table{Title: g.Scenario + ", model " + g.Model}}
	if g.Index > 0 {
		b.t.Title += fmt.Sprintf(" (recipes, part %d)", g.Index+1)
	}
	cols := b.columns()
	for _, c := range cols {
		b.t.Columns = append(b.t.Columns, c.Column)
	}
	for _, r := range g.Rows {
		row := Row{Case: r.Case, Method: r.Method}
		for _, c := range cols {
			row.Cells = append(row.Cells, c.cell(r))
		}
		b.t.Rows = append(b.t.Rows, row)
	}
	b.t.Notes = append(b.wholeNotes(), b.t.Notes...)
	return b.t
}

// column is a Column with what fills it.
type column struct {
	Column
	cell func(r summary.Row) Cell
}

// builder collects a table and its numbered notes.
type builder struct {
	g summary.Group
	t Table
}

// columns returns the columns for which the group has a suite, in the order of cli.md 5.
func (b *builder) columns() []column {
	has := b.g.Suites
	cols := []column{{Column{"method", "method", "", Both}, b.method}}
	add := func(ok bool, key, head, unit string, part Part, cell func(r summary.Row) Cell) {
		if ok {
			cols = append(cols, column{Column{key, head, unit, part}, cell})
		}
	}
	number := func(pick func(r summary.Row) summary.Estimate, scale float64) func(summary.Row) Cell {
		return func(r summary.Row) Cell { return b.number(pick(r), scale) }
	}
	add(true, "bits_nominal", "bits (nominal)", "bit", Quality, number(func(r summary.Row) summary.Estimate { return r.NominalBits }, 1))
	add(has["memory"], "bits_linears", "bits (stored, linears)", "bit", SizeSpeed, number(func(r summary.Row) summary.Estimate { return r.Ledger.LinearBits }, 1))
	add(has["memory"], "bits_model", "bits (stored, model)", "bit", SizeSpeed, number(func(r summary.Row) summary.Estimate { return r.Ledger.ModelBits }, 1))
	add(has["memory"], "model_bytes", "model bytes", "B", SizeSpeed, func(r summary.Row) Cell { return b.bytes(r.Ledger.ModelBytes, 4) })
	add(has["approx"], "weight_error", "rel. error ‖W−Ŵ‖", "1", Quality, number(func(r summary.Row) summary.Estimate { return r.WeightError }, 1))
	add(has["approx"], "output_error", "rel. output error", "1", Quality, number(func(r summary.Row) summary.Estimate { return r.OutputError }, 1))
	add(has["perplexity"], "perplexity", "perplexity [95 %]", "1", Quality, b.perplexity)
	add(has["perplexity"], "perplexity_ratio", "ratio to "+b.baseline()+" [95 %], paired", "1", Quality,
		b.perplexityRatio)
	for k, item := range b.g.TTFT {
		at := fmt.Sprintf("_%d", summary.ItemTokens(item))
		add(true, "ttft"+at, fmt.Sprintf("TTFT (ms) at %d", summary.ItemTokens(item)), "ms", SizeSpeed,
			number(func(r summary.Row) summary.Estimate { return r.TTFT[k].Median }, 1e3))
		ratio := "ratio [95 %]"
		if len(b.g.TTFT) > 1 {
			ratio = fmt.Sprintf("ratio at %d [95 %%]", summary.ItemTokens(item))
		}
		add(true, "ttft_ratio"+at, ratio, "1", SizeSpeed, number(func(r summary.Row) summary.Estimate { return r.TTFT[k].Ratio }, 1))
	}
	for k, item := range b.g.ITL {
		head := "ms/token"
		if len(b.g.ITL) > 1 {
			head += fmt.Sprintf(" at %d", summary.ItemTokens(item))
		}
		add(true, fmt.Sprintf("itl_%d", summary.ItemTokens(item)), head, "ms", SizeSpeed,
			number(func(r summary.Row) summary.Estimate { return r.ITL[k].Median }, 1e3))
	}
	if has["latency"] && len(b.g.TTFT)+len(b.g.ITL) == 0 {
		add(true, "ttft", "TTFT (ms)", "ms", SizeSpeed, func(r summary.Row) Cell { return b.dash(r.Why("latency")) })
	}
	add(has["memory"], "peak_bytes", "peak bytes", "B", SizeSpeed, b.peak)
	return cols
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

// number returns the cell of e, scaled to the unit of its column.
func (b *builder) number(e summary.Estimate, scale float64) Cell {
	if e.Missing != "" {
		return b.dash(e.Missing)
	}
	v := e.Value * scale
	c := Cell{Value: &v, Significant: e.Significant}
	switch {
	case e.HasInterval():
		lo, hi := e.Lo*scale, e.Hi*scale
		c.Lo, c.Hi = &lo, &hi
		c.Text = Interval(v, lo, hi)
	case len(e.Warnings) > 0: // chance is in it, but not how much
		c.Text = Significant(v, 3)
	default:
		c.Text = Significant(v, 4)
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

// peak returns the peak of anonymous bytes with VmHWM beside it.
func (b *builder) peak(r summary.Row) Cell {
	c := b.bytes(r.PeakAnon, 3)
	if r.PeakAnon.Missing == "" && r.VmHWM.Missing == "" {
		c.Text += " (" + Bytes(r.VmHWM.Value, 3) + ")"
		c.Beside = &r.VmHWM.Value
	}
	return c
}
