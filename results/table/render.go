package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// marked returns the text of a cell with its mark and the numbers of its notes.
func (c Cell) marked() string {
	s := c.Text
	if c.Significant {
		s += " *"
	}
	for i, id := range c.Notes {
		if i > 0 {
			s += ","
		}
		s += superscript(id)
	}
	return s
}

// superscript returns id in raised digits.
func superscript(id int) string {
	raised := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var s string
	for _, d := range fmt.Sprint(id) {
		s += string(raised[d-'0'])
	}
	return s
}

// String returns the note as it stands below a table.
func (n Note) String() string {
	if n.ID == 0 {
		return n.Text
	}
	return superscript(n.ID) + " " + n.Text
}

// Text writes tables as boxed text. A table wider than width folds into parts
// that fit, quality before size and speed; 0 is no limit.
func Text(w io.Writer, tables []Table, width int) error {
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		var b strings.Builder
		b.WriteString(wrap(t.Title, width, 0) + "\n")
		for _, part := range t.fold(width) {
			text, err := part.box()
			if err != nil {
				return err
			}
			b.WriteString(text)
		}
		for _, n := range t.Notes {
			indent := 0
			if n.ID > 0 {
				indent = 2
			}
			b.WriteString(wrap(n.String(), width, indent) + "\n")
		}
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// box returns the table without title and notes, in a box.
func (t Table) box() (string, error) {
	var buf bytes.Buffer
	align := make([]tw.Align, len(t.Columns))
	for i, c := range t.Columns {
		align[i] = tw.AlignRight
		if c.Unit == "" {
			align[i] = tw.AlignLeft
		}
	}
	// Widths must not depend on the locale of the process: EastAsian is fixed.
	b := tablewriter.NewTable(&buf, tablewriter.WithEastAsian(tw.Off), tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}))
	heads := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = c.Head
	}
	b.Header(heads...)
	for _, r := range t.Rows {
		cells := make([]any, len(r.Cells))
		for i, c := range r.Cells {
			cells[i] = c.marked()
		}
		if err := b.Append(cells...); err != nil {
			return "", err
		}
	}
	if err := b.Render(); err != nil {
		return "", err
	}
	return buf.String(), nil
}

// Markdown writes tables as GitHub-flavoured Markdown.
func Markdown(w io.Writer, tables []Table) error {
	var b strings.Builder
	for i, t := range tables {
		if i > 0 {
			b.WriteString("\n")
		}
		t = t.shown()
		b.WriteString("**" + oneLine(t.Title) + "**\n\n|")
		for _, c := range t.Columns {
			b.WriteString(" " + escape(c.Head) + " |")
		}
		b.WriteString("\n|")
		for _, c := range t.Columns {
			if c.Unit == "" {
				b.WriteString(" :--- |")
			} else {
				b.WriteString(" ---: |")
			}
		}
		for _, r := range t.Rows {
			b.WriteString("\n|")
			for _, c := range r.Cells {
				b.WriteString(" " + escape(c.marked()) + " |")
			}
		}
		b.WriteString("\n")
		for _, n := range t.Notes {
			b.WriteString("\n" + strings.ReplaceAll(oneLine(n.String()), "*", `\*`) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// escape returns s fit for a cell of a Markdown table.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "<", "&lt;").Replace(oneLine(s))
}

// oneLine returns s with white space of any kind as single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// wrap breaks s at spaces into lines of at most width runes, later ones indented;
// a word longer than that stays whole. A width of 0 is no limit.
func wrap(s string, width, indent int) string {
	if width <= 0 {
		return oneLine(s)
	}
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
		default:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
