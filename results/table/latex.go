package table

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// latexWidth is the number of characters of \footnotesize that fit on a line of
// the class article: 345 pt at about 4.25 pt a digit, with columns closer than on a terminal.
const latexWidth = 84

// LaTeX writes tables as table environments that need \usepackage{booktabs} and nothing else. The
// text is ASCII. A table too wide for the page folds into several tabulars, as on a narrow
// terminal; its notes stand below in smaller type.
func LaTeX(w io.Writer, tables []Table) error {
	var b strings.Builder
	b.WriteString("% Needs \\usepackage{booktabs}.\n")
	for _, t := range tables {
		b.WriteString("\\begin{table}[htbp]\n\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n")
		b.WriteString("\\caption{" + escapeLaTeX(t.Title) + "}\n")
		for i, part := range t.fold(latexWidth) {
			if i > 0 {
				b.WriteString("\\par\\medskip\n")
			}
			part.tabular(&b)
		}
		t.latexNotes(&b)
		b.WriteString("\\end{table}\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tabular writes the table without title and notes.
func (t Table) tabular(b *strings.Builder) {
	align, heads := "", make([]string, len(t.Columns))
	for i, c := range t.Columns {
		a := "r"
		if c.Unit == "" {
			a = "l"
		}
		align += a
		heads[i] = latexHead(c.Head, a)
	}
	fmt.Fprintf(b, "\\begin{tabular}{@{}%s@{}}\n\\toprule\n%s \\\\\n\\midrule\n", align, strings.Join(heads, " & "))
	for _, r := range t.Rows {
		cells := make([]string, len(r.Cells))
		for i, c := range r.Cells {
			cells[i] = c.latex(t.Columns[i])
		}
		b.WriteString(latexStart(strings.Join(cells, " & ")) + " \\\\\n")
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
}

// latexHead returns a head, in as many lines as it has.
func latexHead(head, align string) string {
	lines := strings.Split(head, "\n")
	for i, l := range lines {
		lines[i] = latexStart(escapeLaTeX(l))
	}
	if len(lines) == 1 {
		return lines[0]
	}
	return "\\shortstack[" + align + "]{" + strings.Join(lines, `\\`) + "}"
}

// latexStart keeps the end of the line before from taking the first character of s for its
// option.
func latexStart(s string) string {
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "*") {
		return "{}" + s
	}
	return s
}

// latex returns a cell with its mark and the numbers of its notes.
func (c Cell) latex(column Column) string {
	s := escapeLaTeX(oneLine(c.Text))
	if column.Unit != "" {
		s = latexNumbers(s)
	}
	var raised []string
	if c.Significant {
		raised = append(raised, "*")
	}
	for _, id := range c.Notes {
		raised = append(raised, fmt.Sprint(id))
	}
	if len(raised) > 0 {
		s += "$^{" + strings.Join(raised, ",") + "}$"
	}
	return s
}

var (
	latexExponent = regexp.MustCompile(`([0-9])e(-?[0-9]+)`)
	latexMinus    = regexp.MustCompile(`(^|[\[ (])-([0-9])`)
)

// latexNumbers sets exponents and signs of numbers as mathematics.
func latexNumbers(s string) string {
	s = latexMinus.ReplaceAllString(s, "$1$$-$$$2")
	return latexExponent.ReplaceAllString(s, "$1$$\\cdot10^{$2}$$")
}

// latexNotes writes the notes of t.
func (t Table) latexNotes(b *strings.Builder) {
	if len(t.Notes) == 0 {
		return
	}
	b.WriteString("\\par\\medskip\n\\begin{minipage}{\\linewidth}\n\\scriptsize\\raggedright\n")
	for _, n := range t.Notes {
		s := escapeLaTeX(oneLine(n.Text))
		if n.ID > 0 {
			s = fmt.Sprintf("$^{%d}$ %s", n.ID, s)
		}
		b.WriteString(s + "\\par\n")
	}
	b.WriteString("\\end{minipage}\n")
}

// latexText and latexMath hold what stands for a rune in text and in mathematics.
var (
	latexText = map[rune]string{
		'\\': `\textbackslash{}`, '{': `\{`, '}': `\}`, '$': `\$`, '&': `\&`, '#': `\#`, '%': `\%`, '_': `\_`,
		'^': `\textasciicircum{}`, '~': `\textasciitilde{}`, '"': "''", '\t': " ", '\n': " ",
		'—': "---", '–': "--", '…': `\ldots{}`, '“': "``", '”': "''", '‘': "`", '’': "'", '\u00a0': "~",
		'§': `\S{}`, '©': `\copyright{}`,
	}
	latexMath = map[rune]string{
		'<': "<", '>': ">", '|': "|", '‖': `\|`, 'Ŵ': `\hat{W}`, '−': "-", '×': `\times `, '·': `\cdot `, '±': `\pm `, '‰': `{}^{0}\!/\!_{00}`,
		'≤': `\le `, '≥': `\ge `, '≠': `\ne `, '≈': `\approx `, '∞': `\infty `, '→': `\to `, '√': `\surd `, 'Σ': `\Sigma `, 'Δ': `\Delta `,
		'µ': `\mu `, 'μ': `\mu `, 'σ': `\sigma `, deltaHat: `\hat{\Delta}`, 'α': `\alpha `, 'η': `\eta `, '′': `{}'`, 'λ': `\lambda `, '°': `{}^{\circ}`, '½': `\frac{1}{2}`,
		'⁰': "{}^{0}", '¹': "{}^{1}", '²': "{}^{2}", '³': "{}^{3}", '⁴': "{}^{4}", '⁵': "{}^{5}", '⁶': "{}^{6}", '⁷': "{}^{7}", '⁸': "{}^{8}", '⁹': "{}^{9}",
		'ⁿ': "{}^{n}", 'ᵀ': "{}^{T}", '₂': "{}_{2}",
	}
)

// deltaHat stands for Δ with a combining circumflex, which is two runes.
const deltaHat = '\ue000'

// escapeLaTeX returns s as LaTeX text in ASCII. A rune that is in neither list stands as its
// number.
func escapeLaTeX(s string) string {
	s = strings.ReplaceAll(s, "Δ̂", string(deltaHat))
	var b strings.Builder
	math := false
	var last rune
	set := func(to bool) {
		if math != to {
			b.WriteByte('$')
			math = to
		}
	}
	for _, r := range s {
		if m, ok := latexMath[r]; ok {
			set(true)
			b.WriteString(m)
			continue
		}
		set(false)
		switch t, ok := latexText[r]; {
		case ok:
			b.WriteString(t)
		case r == '-' && last == '-': // two would join to a dash
			b.WriteString("{}-")
		case ' ' <= r && r <= '~':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "[U+%04X]", r)
		}
		last = r
	}
	set(false)
	return b.String()
}
