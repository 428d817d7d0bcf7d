package summary

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
)

// Options choose what a report shows.
type Options struct {
	// Baseline names the label or method that ratios are taken against; empty means the case
	// whose case line says so.
	Baseline string
	// Filter chooses the lines that count. The baseline stays available to the ratios
	// when the filter leaves it out.
	Filter keys.Filter
	// Group names the keys, beside scenario and model, in which the rows of a table agree.
	Group []string
}

// Of summarises records, of one run or many. Values count only where a done
// line of their run closes their cell; where several runs closed a cell, the
// last in records counts.
func Of(records []results.Record, opts Options) (*Report, error) {
	ix := index(records)
	rep := &Report{Filter: opts.Filter.String()}
	for _, p := range ix.places {
		for _, sel := range ix.selections(p, opts) {
			sets := 1
			for _, recipes := range ix.recipes[p] {
				sets = max(sets, len(recipes))
			}
			for k := range sets {
				if g := ix.group(p, k, sel); len(g.Rows) > 0 {
					rep.Groups = append(rep.Groups, g)
				}
			}
		}
	}
	switch {
	case len(rep.Groups) > 0:
		return rep, nil
	case len(ix.places) > 0:
		return nil, fmt.Errorf("no line of the records passes the filter %s", opts.Filter)
	}
	return nil, errors.New("the records hold no case")
}

// place is what a table is about.
type place struct{ scenario, model string }

// cellRun is a cell as one run measured it.
type cellRun struct {
	results.Cell
	run string
}

// indexed is records by what they belong to.
type indexed struct {
	places  []place
	cases   map[place][]string                  // ids in order of first appearance
	head    map[place]map[string]results.Record // identity of a case: its last case or failure line, else any line
	recipes map[place]map[string][]string       // suite → recipes in order
	values  map[cellRun][]results.Record
	done    map[results.Cell][]results.Record // in order
	failed  map[place]map[string][]results.Record
	words   map[[2]string]results.Record // suite, hash of a recipe or an execution → recipe line
	runs    map[string]results.Record
	keys    *keys.Index
}

// index sorts records.
func index(records []results.Record) *indexed {
	ix := &indexed{
		cases: map[place][]string{}, head: map[place]map[string]results.Record{}, recipes: map[place]map[string][]string{},
		values: map[cellRun][]results.Record{}, done: map[results.Cell][]results.Record{}, failed: map[place]map[string][]results.Record{},
		words: map[[2]string]results.Record{}, runs: map[string]results.Record{}, keys: keys.NewIndex(records),
	}
	for _, r := range records {
		switch r.Kind {
		case results.KindRun:
			ix.runs[r.Run] = r
		case results.KindRecipe:
			ix.words[[2]string{r.Suite, r.Recipe + r.Exec}] = r // one of them is set
		default:
			ix.add(r)
		}
	}
	return ix
}

// add sorts a line that belongs to a case.
func (ix *indexed) add(r results.Record) {
	p := place{r.Scenario, r.Model}
	if ix.head[p] == nil {
		ix.places = append(ix.places, p)
		ix.head[p], ix.recipes[p], ix.failed[p] = map[string]results.Record{}, map[string][]string{}, map[string][]results.Record{}
	}
	old, known := ix.head[p][r.Case]
	if !known {
		ix.cases[p] = append(ix.cases[p], r.Case)
	}
	// A case line tells most; a failure stands in for one that was never written.
	rank := map[results.Kind]int{results.KindCase: 2, results.KindFailure: 1}
	if !known || rank[r.Kind] > 0 && rank[r.Kind] >= rank[old.Kind] {
		ix.head[p][r.Case] = r
	}
	if r.Suite != "" && (r.Kind == results.KindDone || r.Kind == results.KindFailure && r.Recipe != "") &&
		!slices.Contains(ix.recipes[p][r.Suite], r.Recipe) {
		ix.recipes[p][r.Suite] = append(ix.recipes[p][r.Suite], r.Recipe)
	}
	switch r.Kind {
	case results.KindValue:
		c := cellRun{r.Cell(), r.Run}
		ix.values[c] = append(ix.values[c], r)
	case results.KindDone:
		ix.done[r.Cell()] = append(ix.done[r.Cell()], r)
	case results.KindFailure:
		ix.failed[p][r.Case] = append(ix.failed[p][r.Case], r)
	}
}

// group builds the k-th group of what sel chooses of a place; without rows where that is nothing.
func (ix *indexed) group(p place, k int, sel selection) Group {
	g := Group{Scenario: p.scenario, Model: p.model, Keys: sel.group, Index: k, Suites: map[string]bool{}, Cases: len(ix.cases[p])}
	chosen := ix.chooseRecipes(&g, p, k)
	var rows []candidate
	for _, id := range ix.cases[p] {
		rows = append(rows, ix.candidate(p, id, chosen, k, sel))
	}
	base := g.findBaseline(rows, sel.baseline)
	var cells, shown []map[string][]results.Record // per row: suite → values
	baseRow := -1
	for i, c := range rows {
		if !c.shown && i != base {
			continue
		}
		if !c.shown {
			c = ix.unshown(c, p, chosen, sel)
		}
		if i == base {
			baseRow = len(g.Rows)
		}
		ix.note(&g, &c)
		g.Rows = append(g.Rows, c.row)
		cells = append(cells, c.row.values)
		if c.shown {
			shown = append(shown, c.row.values)
		}
	}
	if len(shown) == 0 {
		return Group{}
	}
	if sel.narrows() {
		g.Recipes = slices.DeleteFunc(g.Recipes, func(r results.Record) bool { return !g.Suites[r.Suite] })
	}
	g.warnOfDoubts()
	g.TTFT, g.ITL = items(shown, "ttft"), items(shown, "itl")
	g.Kernels, g.Peaks = kernelItems(shown), peaksOf(shown)
	g.fill(cells, baseRow, ix.hosts())
	g.Varying = ix.varying(&g)
	if base >= 0 && !rows[base].shown {
		g.BaselineHidden = true
		g.Rows = slices.Delete(g.Rows, baseRow, baseRow+1)
	}
	return g
}

// chooseRecipes gives g the k-th recipe of every suite of p that has one, and returns them by
// suite.
func (ix *indexed) chooseRecipes(g *Group, p place, k int) map[string]string {
	chosen := map[string]string{}
	for _, suite := range ix.suites(p) {
		if recipes := ix.recipes[p][suite]; k < len(recipes) {
			chosen[suite] = recipes[k]
			line, ok := ix.words[[2]string{suite, recipes[k]}]
			if !ok {
				line = results.Record{Kind: results.KindRecipe, Suite: suite, Recipe: recipes[k]}
			}
			g.Recipes = append(g.Recipes, line)
		}
	}
	return chosen
}

// A doubt is what a suite said of its own values, for some cases.
type doubt struct {
	suite, text string
	labels      []string
}

// doubt notes one, together with equal ones of other cases.
func (g *Group) doubt(suite, text, label string) {
	for i, d := range g.doubts {
		if d.suite == suite && d.text == text {
			g.doubts[i].labels = append(d.labels, label)
			return
		}
	}
	g.doubts = append(g.doubts, doubt{suite, text, []string{label}})
}

func (g *Group) warnOfDoubts() {
	for _, d := range g.doubts {
		who := strings.Join(d.labels, "; ")
		if len(d.labels) > 2 {
			who = fmt.Sprintf("%d of %d cases", len(d.labels), len(g.Rows))
		}
		g.Warnings = append(g.Warnings, fmt.Sprintf("%s, %s: %s", who, d.suite, d.text))
	}
}

// suites returns the suites of a place, those of quality first.
func (ix *indexed) suites(p place) []string {
	order := []string{"perplexity", "divergence", "approx", "latency", "memory", "kernelspeed"}
	var s []string
	for suite := range ix.recipes[p] {
		s = append(s, suite)
	}
	slices.SortFunc(s, func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a), slices.Index(order, b)), cmp.Compare(a, b))
	})
	return s
}

// cell returns what the last run measured that closed c and of which keep chooses a value.
func (ix *indexed) cell(c results.Cell, keep func(results.Record) bool) measured {
	done := ix.done[c]
	for i := len(done) - 1; i >= 0; i-- {
		all := ix.values[cellRun{c, done[i].Run}]
		m := measured{done: done[i], recorded: len(all), values: all}
		if keep != nil {
			m.values = slices.DeleteFunc(slices.Clone(all), func(r results.Record) bool { return !keep(r) })
			if len(m.values) == 0 {
				continue
			}
		}
		for _, d := range done[:i] {
			m.again = m.again || d.Run != m.done.Run && (keep == nil || slices.ContainsFunc(ix.values[cellRun{c, d.Run}], keep))
		}
		return m
	}
	return measured{}
}

// failure reports whether f belongs to this group and nothing that came later succeeded.
func (ix *indexed) failure(f results.Record, chosen map[string]string, k int) bool {
	if f.Suite == "" {
		return true
	}
	recipe, ok := chosen[f.Suite]
	if f.Recipe != "" && recipe != f.Recipe || !ok && k > 0 {
		return false
	}
	return ix.done[results.Cell{Scenario: f.Scenario, Case: f.Case, Suite: f.Suite, Recipe: recipe}] == nil
}

// note records suites, doubts, devices and runs of a row.
func (ix *indexed) note(g *Group, c *candidate) {
	for _, line := range g.Recipes {
		m, row := c.cells[line.Suite], &c.row
		g.Suites[line.Suite] = g.Suites[line.Suite] || !row.narrowed || c.shown && len(m.values) > 0
		if m.recorded != m.done.Values {
			g.Warnings = append(g.Warnings, fmt.Sprintf("%s, %s: %d values, but its done line says %d", row.Label, line.Suite, m.recorded, m.done.Values))
		}
		if m.done.Message != "" {
			g.doubt(line.Suite, m.done.Message, row.Label)
		}
		if m.again {
			g.Warnings = append(g.Warnings, fmt.Sprintf("%s, %s: measured by several runs; the last, %s, is shown", row.Label, line.Suite, m.done.Run))
		}
		for _, v := range m.values {
			row.Exec[v.Suite] = v.Exec
			if row.Device = v.Device; v.Device != "" && !slices.Contains(g.Devices, v.Device) {
				g.Devices = append(g.Devices, v.Device)
			}
			if run, ok := ix.runs[v.Run]; ok && !slices.ContainsFunc(g.Runs, func(r results.Record) bool { return r.Run == v.Run }) {
				g.Runs = append(g.Runs, run)
			}
		}
	}
	for _, f := range c.row.Failures {
		if f.Suite != "" {
			g.Suites[f.Suite] = true
		}
	}
}

// hosts returns the machine of each run; a run without a run line is a machine
// of its own.
func (ix *indexed) hosts() func(run string) string {
	return func(run string) string {
		if r, ok := ix.runs[run]; ok && r.Host != "" {
			return r.Host
		}
		return "run " + run
	}
}

// newRow returns the row of the case that head identifies.
func newRow(head results.Record) Row {
	row := Row{head: head, Case: head.Case, Method: head.Method, Label: head.Label, Params: head.Params, Seed: head.Seed, Baseline: head.Baseline,
		Exec: map[string]string{}}
	if row.Label == "" {
		row.Label = head.Method
	}
	row.NominalBits = missing("no case line tells the nominal bits")
	if head.NominalBits > 0 {
		row.NominalBits = exact(head.NominalBits)
	}
	return row
}

// Why returns the reason for the lack of a suite's result in row.
func (row *Row) Why(suite string) string {
	for _, f := range row.Failures {
		if f.Suite == suite || f.Suite == "" {
			stage := f.Stage
			if stage == "" {
				stage = f.Suite
			}
			if stage != "" {
				stage = " in " + stage
			}
			return fmt.Sprintf("%s failed%s (%s): %s", row.Label, stage, f.Class, f.Message)
		}
	}
	if row.leftOut[suite] {
		return fmt.Sprintf("%s: no value of %s is among those chosen", row.Label, suite)
	}
	return fmt.Sprintf("%s: %s was not measured to its end", row.Label, suite)
}
