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
	t = t.shown()
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
			parts = append(parts, h.cut(width)...)
		}
	}
	return parts
}

// cut returns t in pieces of at most width, each with the columns of Both, as few columns more
// as one. Columns that stand together are parted only where a piece has no room for them.
func (t Table) cut(width int) []Table {
	piece := func(columns []int) Table {
		p := t.pick(func(i int) bool { return t.Columns[i].Part == Both || slices.Contains(columns, i) })
		return p.headAlone().wrapHeads()
	}
	fits := func(columns []int) bool { return piece(columns).width() <= width }
	var parts []Table
	var held []int // columns of the piece at hand
	add := func(columns ...int) {
		if len(held) > 0 && !fits(slices.Concat(held, columns)) {
			parts = append(parts, piece(held).wrapLabels(width))
			held = nil
		}
		held = append(held, columns...)
	}
	for _, unit := range t.units() {
		if fits(unit) {
			add(unit...)
			continue
		}
		for _, i := range unit {
			add(i)
		}
	}
	return append(parts, piece(held).wrapLabels(width))
}

// units returns the columns beyond those of Both, those together that stand together.
func (t Table) units() [][]int {
	var all [][]int
	for i, c := range t.Columns {
		switch {
		case c.Part == Both:
		case c.Alone != "" && len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], i)
		default:
			all = append(all, []int{i})
		}
	}
	return all
}

// headAlone returns t with the head for a column that the one before it is not beside.
func (t Table) headAlone() Table {
	t.Columns = slices.Clone(t.Columns)
	if i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Part != Both }); i >= 0 && t.Columns[i].Alone != "" {
		t.Columns[i].Head = t.Columns[i].Alone
	}
	return t
}

// wrapLabels returns t with the first column broken at spaces as far as t is wider than width.
func (t Table) wrapLabels(width int) Table {
	excess := t.width() - width
	if excess <= 0 {
		return t
	}
	n := 1
	for _, r := range t.Rows {
		n = max(n, widest(r.Cells[0].marked()))
	}
	rows := slices.Clone(t.Rows)
	for i, r := range rows {
		rows[i].Cells = slices.Clone(r.Cells)
		rows[i].Cells[0].Text = wrap(r.Cells[0].Text, max(n-excess, 1), 2)
	}
	t.Rows = rows
	return t
}

// shown returns t without the columns of Detail.
func (t Table) shown() Table { return t.pick(func(i int) bool { return t.Columns[i].Part != Detail }) }

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
			n = max(n, widest(r.Cells[i].marked()))
		}
		for word := range strings.FieldsSeq(c.Head) {
			n = max(n, widest(word))
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
		w := widest(c.Head)
		for _, r := range t.Rows {
			w = max(w, widest(r.Cells[i].marked()))
		}
		n += w + 3 // a space on each side and one border
	}
	return n
}

// widest returns the number of runes of the longest line of s.
func widest(s string) int {
	n := 0
	for line := range strings.SplitSeq(s, "\n") {
		n = max(n, utf8.RuneCountInString(line))
	}
	return n
}
