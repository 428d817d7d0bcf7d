package table

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
)

// hasUpdates reports whether approx measured updates in g, and not errors of
// weights.
func hasUpdates(g summary.Group) bool {
	for _, r := range g.Rows {
		if len(r.Updates) > 0 {
			return true
		}
	}
	return false
}

// hasMain reports whether g has anything to show beside products and updates,
// which stand in tables of their own.
func hasMain(g summary.Group) bool {
	own := 0
	if g.Suites["kernelspeed"] && len(g.Kernels) > 0 {
		own++
	}
	if hasUpdates(g) {
		own++
	}
	return own == 0 || len(g.Suites) > own
}

// updateTables lays out the updates of a group: sketches against low rank over
// the matrices of a model and matrix by matrix; the crossovers of drawn
// matrices and what was measured at each exponent. The notes on all of them
// stand below the last.
func updateTables(g summary.Group, filter string, order []keys.Order) []Table {
	if !hasUpdates(g) {
		return nil
	}
	var tables []Table
	add := func(words string, cols []updateColumn, entries func(r summary.Row) []entry) {
		if t := updateTable(g, words, cols, entries, order); len(t.Rows) > 0 {
			tables = append(tables, t)
		}
	}
	add("sketch against low rank over all matrices", versusColumns, func(r summary.Row) (all []entry) {
		for i := range r.Versus {
			all = append(all, entry{row: r, versus: &r.Versus[i]})
		}
		return all
	})
	add("updates by matrix", matrixColumns, func(r summary.Row) []entry { return updateEntries(r, false) })
	add("Theorem 3.1", theoremColumns, func(r summary.Row) (all []entry) {
		for i := range r.Crossovers {
			all = append(all, entry{row: r, crossover: &r.Crossovers[i]})
		}
		return all
	})
	add("drawn matrices by exponent", drawnColumns, func(r summary.Row) []entry { return updateEntries(r, true) })
	last := &tables[len(tables)-1]
	b := builder{g: g, filter: filter}
	last.Notes = append(b.updateNotes(), last.Notes...)
	if !hasMain(g) && len(g.Kernels) == 0 {
		last.Notes = append(b.wholeNotes(), last.Notes...)
	}
	return tables
}

// An entry is what a row of a table of updates shows.
type entry struct {
	row       summary.Row
	versus    *summary.Versus
	update    *summary.Update
	crossover *summary.Crossover
}

// updateEntries are the updates of a case, of drawn matrices or of tensors.
func updateEntries(r summary.Row, drawn bool) (all []entry) {
	for i := range r.Updates {
		if (r.Updates[i].Size > 0) == drawn {
			all = append(all, entry{row: r, update: &r.Updates[i]})
		}
	}
	return all
}

// updateColumn is a Column with what fills it.
type updateColumn struct {
	Column
	cell func(b *builder, e entry) Cell
}

// updateTable lays out one table. A case without any update has a row of dashes
// where others have some.
func updateTable(g summary.Group, words string, cols []updateColumn, entries func(r summary.Row) []entry, order []keys.Order) Table {
	if name := groupName(g); name != "" {
		words = name + ", " + words
	}
	b := newBuilder(g, "", words)
	for _, c := range cols {
		b.t.Columns = append(b.t.Columns, c.Column)
	}
	var from []summary.Row
	found := false
	for _, r := range g.Rows {
		all := entries(r)
		found = found || len(all) > 0
		if len(r.Updates) == 0 {
			all = []entry{{row: r}}
		}
		for _, e := range all {
			row := Row{Case: r.Case, Method: r.Method, Params: r.Params, Seed: r.Seed}
			for _, c := range cols {
				row.Cells = append(row.Cells, b.updateCell(c, e))
			}
			b.t.Rows = append(b.t.Rows, row)
			from = append(from, r)
		}
	}
	if !found {
		return Table{}
	}
	b.sortProducts(from, order)
	return b.t
}

// updateCell fills a cell; of a case without updates with a dash and the reason.
func (b *builder) updateCell(c updateColumn, e entry) Cell {
	if c.Key == "label" {
		return Cell{Text: e.row.Label}
	}
	if e.versus == nil && e.update == nil && e.crossover == nil {
		if len(e.row.Failures) > 0 {
			return b.dash(e.row.Why("approx"))
		}
		return b.dash(e.row.Label + ": stores no codes with a table, so there is no mapping to project an update on")
	}
	return c.cell(b, e)
}

// word is a cell of text; Dash for none.
func word(s string) Cell {
	if s == "" {
		return Cell{Text: Dash}
	}
	return Cell{Text: s}
}

// figureCell is a cell of a number without chance in it; a dash where there is
// none, such as a ratio to 0.
func figureCell(v float64, digits int) Cell {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Cell{Text: Dash}
	}
	return Cell{Text: Significant(v, digits), Value: &v}
}

var labelColumn = updateColumn{Column{Key: "label", Head: "method", Part: Both}, nil}

// quality is a column of numbers.
func quality(key, head string, interval bool, cell func(b *builder, e entry) Cell) updateColumn {
	return updateColumn{Column{Key: key, Head: head, Unit: "1", Part: Quality, Interval: interval}, cell}
}

// text is a column of words.
func text(key, head string, cell func(b *builder, e entry) Cell) updateColumn {
	return updateColumn{Column{Key: key, Head: head, Part: Quality}, cell}
}

var versusColumns = []updateColumn{
	labelColumn,
	{Column{Key: "against", Head: "against low rank of", Part: Both}, func(_ *builder, e entry) Cell { return word(e.versus.Against) }},
	{Column{Key: "update_ratio", Head: "error ratio, sketch/low rank [95 %]", Unit: "1", Part: Quality, Interval: true, Tested: true},
		func(b *builder, e entry) Cell { return b.number(e.versus.Ratio, 1) }},
	quality("wilcoxon_p", "Wilcoxon p", false, func(_ *builder, e entry) Cell { return figureCell(e.versus.Ratio.P, 2) }),
	{Column{Key: "sketch_wins", Head: "sketch wins", Unit: "1", Part: Quality, Beside: "matrices"}, func(_ *builder, e entry) Cell {
		wins, pairs := float64(e.versus.Wins), float64(e.versus.Pairs)
		return Cell{Text: fmt.Sprintf("%d of %d", e.versus.Wins, e.versus.Pairs), Value: &wins, Beside: &pairs}
	}},
	quality("sign_p", "sign test p", false, func(_ *builder, e entry) Cell { return figureCell(e.versus.SignP, 2) }),
	quality("whole_ratio", "ratio of whole norms", false, func(_ *builder, e entry) Cell { return figureCell(e.versus.Whole, 4) }),
}

// estimated is a column of an estimate without its interval in the text.
func estimated(key, head string, pick func(u *summary.Update) summary.Estimate) updateColumn {
	return quality(key, head, true, func(b *builder, e entry) Cell { return b.bare(pick(e.update), 1) })
}

// ranked is a column of the error of low rank with the rank in brackets.
func ranked(key, head string, pick func(u *summary.Update) summary.LowRank) updateColumn {
	c := estimated(key+"_error", head, func(u *summary.Update) summary.Estimate { return pick(u).Error })
	c.Beside = key + "_rank"
	fill := c.cell
	c.cell = func(b *builder, e entry) Cell {
		cell, rank := fill(b, e), pick(e.update).Rank
		if cell.Value != nil {
			cell.Beside = &rank
			cell.Text += fmt.Sprintf(" (%.0f)", rank)
		}
		return cell
	}
	return c
}

// panelColumns are those of tensors and drawn matrices alike.
var panelColumns = []updateColumn{
	estimated("projection_error", "sketch", func(u *summary.Update) summary.Estimate { return u.Projection }),
	estimated("kmeans_error", "k-means of Δ", func(u *summary.Update) summary.Estimate { return u.KMeans }),
	estimated("random_error", "random", func(u *summary.Update) summary.Estimate { return u.Random }),
	estimated("rank8_error", "rank 8", func(u *summary.Update) summary.Estimate { return u.Rank8.Error }),
	ranked("trainable", "equal trainables (rank)", func(u *summary.Update) summary.LowRank { return u.Trainable }),
	ranked("bytes", "equal bytes (rank)", func(u *summary.Update) summary.LowRank { return u.Bytes }),
	estimated("rank75", "rank for 75 %", func(u *summary.Update) summary.Estimate { return u.Rank75 }),
	quality("exponent", "exponent of σ² [95 %]", true, func(b *builder, e entry) Cell { return b.number(e.update.Exponent, 1) }),
	quality("alpha", "α", false, func(_ *builder, e entry) Cell { return figureCell(e.update.Alpha, 4) }),
	quality("threshold", "threshold", false, func(_ *builder, e entry) Cell { return figureCell(e.update.Threshold, 3) }),
	text("predicted", "predicted", func(_ *builder, e entry) Cell { return word(string(e.update.Predicted)) }),
	text("measured", "measured", func(_ *builder, e entry) Cell {
		c := word(string(e.update.Measured))
		if u := e.update; u.Draws > 1 {
			c.Text += fmt.Sprintf(" (%d of %d)", max(u.Wins, u.Draws-u.Wins), u.Draws)
		}
		return c
	}),
}

var matrixColumns = append([]updateColumn{
	labelColumn,
	{Column{Key: "tensor", Head: "matrix", Part: Both}, func(_ *builder, e entry) Cell {
		return word(strings.TrimSuffix(strings.TrimPrefix(e.update.Item, "model."), ".weight"))
	}},
	quality("norm", "‖Δ‖/‖W‖", false, func(b *builder, e entry) Cell { return b.bare(e.update.Norm, 1) }),
}, panelColumns...)

var drawnColumns = append([]updateColumn{
	labelColumn,
	{Column{Key: "size", Head: "n", Unit: "1", Part: Both}, func(_ *builder, e entry) Cell { return figureCell(float64(e.update.Size), 6) }},
	{Column{Key: "eta", Head: "η", Unit: "1", Part: Both}, func(_ *builder, e entry) Cell { return figureCell(e.update.Eta, 6) }},
	// Of exact power laws: an interval would be of rounding.
	estimated("exponent", "fitted η", func(u *summary.Update) summary.Estimate { return u.Exponent }),
}, slices.DeleteFunc(slices.Clone(panelColumns), func(c updateColumn) bool { return c.Key == "exponent" })...)

var theoremColumns = []updateColumn{
	labelColumn,
	{Column{Key: "size", Head: "n", Unit: "1", Part: Both}, func(_ *builder, e entry) Cell { return figureCell(float64(e.crossover.Size), 6) }},
	{Column{Key: "alpha", Head: "α", Unit: "1", Part: Both}, func(_ *builder, e entry) Cell { return figureCell(e.crossover.Alpha, 4) }},
	quality("threshold", "theorem", false, func(_ *builder, e entry) Cell { return figureCell(e.crossover.Threshold, 3) }),
	quality("finite_crossover", "finite sums, n", false, func(_ *builder, e entry) Cell { return figureCell(e.crossover.Finite, 3) }),
	quality("large_crossover", fmt.Sprintf("finite sums, %d", summary.LargeSize), false, func(_ *builder, e entry) Cell { return figureCell(e.crossover.Large, 3) }),
	quality("random_crossover", "simulated, random buckets [95 %]", true, func(b *builder, e entry) Cell { return b.number(e.crossover.Random, 1) }),
	quality("projection_crossover", "simulated, codes of another matrix [95 %]", true, func(b *builder, e entry) Cell { return b.number(e.crossover.Projection, 1) }),
	text("holds", "interval holds finite sums", func(_ *builder, e entry) Cell {
		c := e.crossover
		random, codes := c.Holds(c.Random), c.Holds(c.Projection)
		switch {
		case c.Random.Missing != "" && c.Projection.Missing != "":
			return word("")
		case random && codes:
			return word("both")
		case random:
			return word("random buckets")
		case codes:
			return word("codes")
		}
		return word("neither")
	}),
}

// updateNotes explain the tables.
func (b *builder) updateNotes() []Note {
	texts := []string{
		"errors are ‖Δ−Δ̂‖/‖Δ‖ (Frobenius). sketch: Δ̂ is the mean of Δ over each cluster, the weights of a row and group with one code, which is the best that new tables can do; " +
			"k-means of Δ: the same with the best codes for Δ itself, a bound, of drawn matrices in the first draw; random: means over random buckets of equal size, as many as the tables have entries, mean over draws",
		"low rank is at its optimum: from the singular values of Δ, factors not rounded. Equal trainables: round(entries/(out+in)); equal bytes: the largest rank whose 16-bit factors take no more than codes and tables together",
		"exponent: η of σ² ~ i^(−η), least squares over i ≤ 0.9 of the rank, t interval with HC3 errors; α: weights per table entry; threshold: 1 − ln α/ln 2α, the largest exponent at which Theorem 3.1 has the sketch win at equal trainables. " +
			"predicted compares the interval with it, measured the errors at equal trainables",
	}
	var drawn, tensors bool
	for _, r := range b.g.Rows {
		drawn, tensors = drawn || len(r.Crossovers) > 0, tensors || len(r.Versus) > 0
	}
	if tensors {
		texts = append(texts, "error ratio: Hodges-Lehmann over matrices, each counted alike, interval by inverting the signed-rank test; * after Holm's correction for all rows of its table. Ratio of whole norms: √(Σ‖Δ−Δ̂‖²) of one over that of the other, so that large updates count more",
			b.confusion())
	}
	if drawn {
		texts = append(texts, "crossover: the η at which sketch and low rank of as many numbers keep the same share of ‖Δ‖², the sketch more below it. theorem: its threshold, from integrals; finite sums: of 1/α against the first n/(2α) of n terms; simulated: mean over draws, t interval. "+
			"One 95 % interval in twenty misses")
	}
	var notes []Note
	for _, t := range texts {
		if t != "" {
			notes = append(notes, Note{Text: t})
		}
	}
	return notes
}

// confusion counts predictions against measurements over all matrices.
func (b *builder) confusion() string {
	counts := map[[2]summary.Winner]int{}
	total := 0
	for _, r := range b.g.Rows {
		for _, u := range r.Updates {
			if u.Predicted != "" && u.Measured != "" && u.Size == 0 {
				counts[[2]summary.Winner{u.Predicted, u.Measured}]++
				total++
			}
		}
	}
	if total == 0 {
		return ""
	}
	var parts []string
	for _, predicted := range []summary.Winner{summary.SketchWins, summary.LowRankWins, summary.Unsure} {
		for _, measured := range []summary.Winner{summary.SketchWins, summary.LowRankWins, summary.Unsure} {
			if n := counts[[2]summary.Winner{predicted, measured}]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s, measured %s: %d", predicted, measured, n))
			}
		}
	}
	return fmt.Sprintf("predicted winner against measured, %d rows: %s", total, strings.Join(parts, "; "))
}
