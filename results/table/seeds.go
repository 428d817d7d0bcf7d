package table

import (
	"fmt"

	"github.com/sketchbench/sketchbench/results/summary"
)

// seedTable lays out the cases of a group that differ in nothing but a seed: a
// row for each, with means and intervals over seeds. ok is false where there
// are none.
func seedTable(g summary.Group) (t Table, ok bool) {
	spreads := g.Spreads()
	if len(spreads) == 0 {
		return Table{}, false
	}
	words := "over seeds"
	if name := groupName(g); name != "" {
		words = name + ", " + words
	}
	b := newBuilder(g, "", words)
	type column struct {
		Column
		pick func(s summary.Spread) summary.Estimate
	}
	var cols []column
	add := func(suite, key, head, unit string, interval bool, pick func(s summary.Spread) summary.Estimate) {
		if g.Suites[suite] && !(suite == "approx" && hasUpdates(g)) {
			cols = append(cols, column{Column{Key: key, Head: head, Unit: unit, Part: Quality, Interval: interval}, pick})
		}
	}
	add("perplexity", "perplexity", "perplexity [95 %]", "1", true, func(s summary.Spread) summary.Estimate { return s.Perplexity })
	add("perplexity", "ln_perplexity_sd", "sd of ln perplexity", "nat", false, func(s summary.Spread) summary.Estimate { return s.Deviation })
	add("divergence", "kl", "KL (nat) [95 %]", "nat", true, func(s summary.Spread) summary.Estimate { return s.KL })
	add("approx", "weight_error", "rel. error ‖W−Ŵ‖ [95 %]", "1", true, func(s summary.Spread) summary.Estimate { return s.WeightError })
	add("approx", "output_error", "rel. output error [95 %]", "1", true, func(s summary.Spread) summary.Estimate { return s.OutputError })
	if len(cols) == 0 {
		return Table{}, false
	}
	b.t.Columns = []Column{{Key: "label", Head: "method", Part: Both}, {Key: "seeds", Head: "seeds", Unit: "1", Part: Both}}
	for _, c := range cols {
		b.t.Columns = append(b.t.Columns, c.Column)
	}
	for _, s := range spreads {
		n := float64(s.Cases)
		row := Row{Method: s.Method, Params: s.Params, Cells: []Cell{{Text: s.Label}, {Text: fmt.Sprint(s.Cases), Value: &n}}}
		for _, c := range cols {
			row.Cells = append(row.Cells, b.number(c.pick(s), 1))
		}
		b.t.Rows = append(b.t.Rows, row)
	}
	b.t.Notes = append([]Note{{Text: "Cases that differ in a seed alone, each one value: geometric mean of perplexities, means of the others, " +
		"with Student's t intervals over seeds. The text is the same for all: its share of the uncertainty is in the table above."}}, b.t.Notes...)
	return b.t, true
}
