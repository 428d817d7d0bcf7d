package table

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// fold returns the parts of t that fit into width, left to right: t itself, or
// its quality and its size-and-speed half, or, where a half is still too wide, that half
// with its heads on several lines, and at last as many pieces of it as are
// needed. Every part begins with the columns of Both. A width of 0 is no limit.
func (t Table) fold(width int) []Table {
	if width <= 0 || t.width() <= width {
		return []Table{t}
	}
	var parts []Table
	for _, half := range []Part{Quality, SizeSpeed} {
		h := t.pick(func(i int) bool { return t.Columns[i].Part == half || t.Columns[i].Part == Both })
		switch {
		case !slices.ContainsFunc(h.Columns, func(c Column) bool { return c.Part == half }):
		case h.width() <= width:
			parts = append(parts, h)
		default:
			parts = append(parts, h.wrapHeads().cut(width)...)
		}
	}
	return parts
}

// cut returns t in pieces of at most width, each with the columns of Both, as few
// columns more as one.
func (t Table) cut(width int) []Table {
	var parts []Table
	var piece Table
	for i, c := range t.Columns {
		if c.Part == Both {
			continue
		}
		lead := func(j int) bool { return t.Columns[j].Part == Both }
		if len(piece.Columns) == 0 {
			piece = t.pick(func(j int) bool { return lead(j) || j == i })
			continue
		}
		wider := t.pick(func(j int) bool {
			return lead(j) || j == i || slices.ContainsFunc(piece.Columns, func(p Column) bool { return p.Key == t.Columns[j].Key })
		})
		if wider.width() <= width {
			piece = wider
			continue
		}
		parts = append(parts, piece)
		piece = t.pick(func(j int) bool { return lead(j) || j == i })
	}
	return append(parts, piece)
}

// pick returns t with the columns for which keep holds.
func (t Table) pick(keep func(i int) bool) Table {
	p := t
	p.Columns, p.Rows = nil, nil
	for i, c := range t.Columns {
		if keep(i) {
			p.Columns = append(p.Columns, c)
		}
	}
	for _, r := range t.Rows {
		q := r
		q.Cells = nil
		for i, c := range r.Cells {
			if keep(i) {
				q.Cells = append(q.Cells, c)
			}
		}
		p.Rows = append(p.Rows, q)
	}
	return p
}

// wrapHeads returns t with heads broken at spaces to the width of what stands
// below them.
func (t Table) wrapHeads() Table {
	columns := slices.Clone(t.Columns)
	for i, c := range columns {
		n := 1
		for _, r := range t.Rows {
			n = max(n, utf8.RuneCountInString(r.Cells[i].marked()))
		}
		for word := range strings.FieldsSeq(c.Head) {
			n = max(n, utf8.RuneCountInString(word))
		}
		columns[i].Head = wrap(c.Head, n, 0)
	}
	t.Columns = columns
	return t
}

// width returns the columns that the box of t takes on a terminal: all runes in
// use are one wide.
func (t Table) width() int {
	n := 1
	for i, c := range t.Columns {
		w := 0
		for line := range strings.Lines(c.Head) {
			w = max(w, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
		}
		for _, r := range t.Rows {
			w = max(w, utf8.RuneCountInString(r.Cells[i].marked()))
		}
		n += w + 3 // a space on each side and one border
	}
	return n
}
