package table

import (
	"slices"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
)

// partClasses lists what the bytes of the linear layers of a group are for, in
// the order of results.PartClasses.
func partClasses(g summary.Group) []string {
	var found []string
	for _, class := range results.PartClasses() {
		for _, r := range g.Rows {
			if linearParts(r)[class] > 0 {
				found = append(found, class)
				break
			}
		}
	}
	return found
}

// linearParts are the bytes of a row's linear layers by what they are for.
func linearParts(r summary.Row) map[string]float64 {
	for _, c := range r.Ledger.Classes {
		if c.Class == "linear" {
			return c.Parts
		}
	}
	return nil
}

// partBits is the estimate of the bits per linear weight that serve one purpose.
func partBits(r summary.Row, class string) summary.Estimate {
	for _, c := range r.Ledger.Classes {
		if c.Class == "linear" {
			return summary.Exact(8 * c.Parts[class] / c.Weights)
		}
	}
	return r.Ledger.LinearBits // missing, and says why
}

// billColumns split the bits of the linear layers by what they are for, and say
// how near a case came to the size that its scenario asks for.
func (b *builder) billColumns(part Part) []column {
	var cols []column
	add := func(c Column, cell func(r summary.Row) Cell) {
		c.Part = part
		cols = append(cols, column{c, cell})
	}
	for _, class := range partClasses(b.g) {
		add(Column{Key: "bits_" + class, Head: class, Unit: "bit"}, func(r summary.Row) Cell { return b.number(partBits(r, class), 1) })
	}
	for _, r := range b.g.Rows {
		if r.Ledger.Target.Missing == "" {
			add(Column{Key: "target_bytes", Head: "target", Unit: "B"}, func(r summary.Row) Cell { return b.quietBytes(r.Ledger.Target) })
			add(Column{Key: "reached_bytes", Head: "reached", Unit: "B"}, func(r summary.Row) Cell { return b.quietBytes(r.Ledger.Reached) })
			add(Column{Key: "size_gap", Head: "gap (%)", Unit: "1"}, func(r summary.Row) Cell { return bareScaled(r.Ledger.Gap, 100) })
			break
		}
	}
	return cols
}

// quietBytes is bytes without a note where there are none.
func (b *builder) quietBytes(e summary.Estimate) Cell {
	if e.Missing != "" {
		return Cell{Text: Dash}
	}
	return b.bytes(e, 4)
}

// billTable lays out what the bytes of the linear layers of a group are for. ok
// is false where nothing was billed.
func billTable(g summary.Group) (t Table, ok bool) {
	if !g.Suites["memory"] || len(partClasses(g)) == 0 {
		return Table{}, false
	}
	words := "bits per weight of the linear layers"
	if name := groupName(g); name != "" {
		words = name + ", " + words
	}
	b := newBuilder(g, "", words)
	b.t.Restates = true
	cols := []column{{Column{Key: "label", Head: "method", Part: Both}, func(r summary.Row) Cell { return Cell{Text: r.Label} }}}
	for _, c := range []struct {
		key, head string
		pick      figure
	}{
		{"bits_nominal", "nominal", func(r summary.Row) summary.Estimate { return r.NominalBits }},
		{"bits_linears", "stored", func(r summary.Row) summary.Estimate { return r.Ledger.LinearBits }},
	} {
		cols = append(cols, column{Column{Key: c.key, Head: c.head, Unit: "bit", Part: SizeSpeed}, func(r summary.Row) Cell { return b.number(c.pick(r), 1) }})
	}
	cols = append(cols, b.billColumns(SizeSpeed)...)
	b.fill(cols)
	text := "stored: all bytes of the linear layers, those that a method leaves alone included, and what they are for. " +
		"Nominal bits are of the compressed matrices, as their paper counts them."
	if slices.Contains(partClasses(g), "dense") {
		text += " dense: values as they are, of matrices left alone, of a base, of weights kept apart."
	}
	if slices.ContainsFunc(g.Rows, func(r summary.Row) bool { return r.Ledger.Target.Missing == "" }) {
		text += " target and reached: bytes of the compressed matrices, asked for by match or bytes, and taken; — where a scenario asks for none."
	}
	b.t.Notes = append([]Note{{Text: text}}, b.t.Notes...)
	return b.t, true
}
