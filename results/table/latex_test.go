package table_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results/table"
)

// awkward is a table with every special character of LaTeX and others that our
// texts use, and with rows and heads that begin with what a line's end may take for its option.
func awkward() table.Table {
	v, lo, hi := -1.5e-7, -2.5e-7, 1e-9
	n := func(id int) table.Cell {
		return table.Cell{Text: table.Interval(v, lo, hi), Value: &v, Lo: &lo, Hi: &hi, Significant: true, Notes: []int{id, 2}}
	}
	wide := strings.Repeat("a word and ", 6)
	return table.Table{Title: `a_b & 100% of #1 ~ ^ \ {x} $5 "q" <a|b>`,
		Columns: []table.Column{{Key: "label", Head: "method"}, {Key: "x", Head: wide + "[95 %], Ŵ", Unit: "1", Part: table.Quality, Interval: true},
			{Key: "y", Head: wide + "*y*", Unit: "1", Part: table.Quality}, {Key: "z", Head: "‖W−Ŵ‖ × 5 ‰", Unit: "s", Part: table.SizeSpeed}},
		Rows: []table.Row{
			{Cells: []table.Cell{{Text: "[x] group=128"}, n(1), n(1), n(1)}},
			{Cells: []table.Cell{{Text: "*y_z"}, n(1), {Text: table.Dash, Notes: []int{1}}, n(2)}},
			{Cells: []table.Cell{{Text: "漢 --cache"}, n(1), n(1), n(1)}},
		},
		Notes: []table.Note{{Text: "p ≤ 0.05 – over n blocks p is at least 2/2ⁿ; H = 2/T·XᵀX, ±½ µs…"}, {ID: 1, Text: "it’s “so”"}, {ID: 2, Text: "5 → 6"}},
	}
}

func TestLaTeXGolden(t *testing.T) {
	for name, tables := range map[string][]table.Table{"demo": build(t, demo(), ""), "awkward": {awkward()}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := table.LaTeX(&b, tables); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".tex", b.Bytes())
			for _, fault := range checkLaTeX(b.String()) {
				t.Error(fault)
			}
			compile(t, b.String())
		})
	}
}

// TestLaTeXHasAllNumbers: a folded table still has every cell, and nothing twice.
func TestLaTeXHasAllNumbers(t *testing.T) {
	tables := build(t, demo(), "")
	var b bytes.Buffer
	if err := table.LaTeX(&b, tables); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"55.4 [50.3, 61.0]", "1.022 [1.007, 1.036]", "149.1 [142.2, 156.2]$^{*}$", "8080 [7250, 9010]$^{2}$", "3.889 MiB", "38.6 MiB (57.7 MiB)"} {
		want := 1
		if text == "38.6 MiB (57.7 MiB)" { // two cases
			want = 2
		}
		if n := strings.Count(b.String(), text); n != want {
			t.Errorf("%q stands there %d times, want %d", text, n, want)
		}
	}
}

// compile runs the document through a LaTeX compiler where there is one.
func compile(t *testing.T, body string) {
	t.Helper()
	document := "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + body + "\\end{document}\n"
	for _, c := range [][]string{{"pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"}, {"tectonic", "--only-cached", "t.tex"}} {
		path, err := exec.LookPath(c[0])
		if err != nil {
			continue
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "t.tex"), []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, c[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c[0], err, out)
		}
		return
	}
}

// checkLaTeX says what keeps text from compiling with booktabs alone: characters
// beyond ASCII, unknown commands, unbalanced braces, environments and mathematics, bare special
// characters, rows with another number of cells than their tabular has columns, line ends
// that take what follows for their option.
func checkLaTeX(text string) (faults []string) {
	text = strings.TrimPrefix(text, "% Needs \\usepackage{booktabs}.\n")
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for i, r := range text {
		if r > '~' || r < ' ' && r != '\n' {
			fault("byte %d is %q, want printable ASCII", i, r)
		}
	}
	known := strings.Fields("begin end centering footnotesize scriptsize raggedright setlength tabcolsep caption toprule midrule bottomrule par medskip linewidth " +
		"shortstack textbackslash textasciicircum textasciitilde ldots copyright hat times cdot pm le ge ne approx infty to surd Sigma Delta mu sigma alpha lambda circ frac S")
	for _, m := range regexp.MustCompile(`\\([a-zA-Z]+|.|\n)`).FindAllStringSubmatch(text, -1) {
		if c := m[1]; !slices.Contains(known, c) && !slices.Contains(strings.Split(`\ { } $ & # % _ | !`, " "), c) {
			fault("command \\%s", c)
		}
	}
	if m := regexp.MustCompile(`\\\\\s*[\[*]`).FindString(text); m != "" {
		fault("%q: the end of a line with an option", m)
	}
	var open []string
	for _, m := range regexp.MustCompile(`\\(begin|end)\{(\w+)\}`).FindAllStringSubmatch(text, -1) {
		switch {
		case m[1] == "begin":
			open = append(open, m[2])
		case len(open) == 0 || open[len(open)-1] != m[2]:
			fault("end of %s in %v", m[2], open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		fault("%v stays open", open)
	}
	for n, line := range strings.Split(text, "\n") {
		checkLine(line, func(format string, args ...any) {
			fault("line %d: "+format+": %s", append(append([]any{n + 1}, args...), line)...)
		})
	}
	return append(faults, checkRows(text)...)
}

// checkLine checks braces, mathematics and special characters of one line; all of ours end on
// the line that they begin on.
func checkLine(line string, fault func(string, ...any)) {
	bare := regexp.MustCompile(`\\([a-zA-Z]+|.)`).ReplaceAllString(line, "")
	bare = regexp.MustCompile(` & `).ReplaceAllString(bare, "")
	depth, math := 0, false
	for _, r := range bare {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
		case '$':
			math = !math
		case '^', '_':
			if !math {
				fault("%c outside mathematics", r)
			}
		case '#', '~', '&', '%':
			fault("bare %c", r)
		case '<', '>', '|':
			if !math {
				fault("%c in text is another sign in the default encoding", r)
			}
		}
		if depth < 0 {
			fault("a brace too many")
		}
	}
	if depth != 0 || math {
		fault("depth %d, mathematics open: %v", depth, math)
	}
}

// checkRows counts the cells of every row.
func checkRows(text string) (faults []string) {
	tabular := regexp.MustCompile(`(?s)\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}\n\\toprule\n(.*?)\n\\midrule\n(.*?)\n\\bottomrule\n\\end\{tabular\}`)
	all := tabular.FindAllStringSubmatch(text, -1)
	if len(all) == 0 || len(all) != strings.Count(text, `\begin{tabular}`) {
		return []string{fmt.Sprintf("%d whole tabulars of %d", len(all), strings.Count(text, `\begin{tabular}`))}
	}
	for _, m := range all {
		for _, row := range append(strings.Split(m[3], "\n"), m[2]) {
			row = regexp.MustCompile(`\\&`).ReplaceAllString(row, "")
			if n := strings.Count(row, "&") + 1; n != len(m[1]) || !strings.HasSuffix(row, ` \\`) {
				faults = append(faults, fmt.Sprintf("%d cells, want %d and an end: %s", n, len(m[1]), row))
			}
		}
	}
	return faults
}
