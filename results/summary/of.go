package summary

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results"
)

// Of summarises records, of one run or many. Values count only where a done
// line of their run closes their cell; where several runs closed a cell, the
// last in records counts. baseline names the label or method that ratios are taken
// against; empty means the case whose case line says so.
func Of(records []results.Record, baseline string) (*Report, error) {
	ix := index(records)
	rep := &Report{}
	for _, p := range ix.places {
		sets := 1
		for _, recipes := range ix.recipes[p] {
			sets = max(sets, len(recipes))
		}
		for k := range sets {
			rep.Groups = append(rep.Groups, ix.group(p, k, baseline))
		}
	}
	if len(rep.Groups) == 0 {
		return nil, errors.New("the records hold no case")
	}
	return rep, nil
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
	words   map[[2]string]results.Record // suite, recipe → recipe line
	runs    map[string]results.Record
}

// index sorts records.
func index(records []results.Record) *indexed {
	ix := &indexed{
		cases: map[place][]string{}, head: map[place]map[string]results.Record{}, recipes: map[place]map[string][]string{},
		values: map[cellRun][]results.Record{}, done: map[results.Cell][]results.Record{}, failed: map[place]map[string][]results.Record{},
		words: map[[2]string]results.Record{}, runs: map[string]results.Record{},
	}
	for _, r := range records {
		switch r.Kind {
		case results.KindRun:
			ix.runs[r.Run] = r
		case results.KindRecipe:
			ix.words[[2]string{r.Suite, r.Recipe}] = r
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

// group builds the k-th group of a place.
func (ix *indexed) group(p place, k int, baseline string) Group {
	g := Group{Scenario: p.scenario, Model: p.model, Index: k, Suites: map[string]bool{}}
	chosen := map[string]string{} // suite → recipe
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
	cells := make([]map[string][]results.Record, len(ix.cases[p])) // per row: suite → values
	for i, id := range ix.cases[p] {
		row := newRow(ix.head[p][id])
		cells[i] = map[string][]results.Record{}
		for _, line := range g.Recipes {
			g.Suites[line.Suite] = true
			cells[i][line.Suite] = ix.cell(&g, row.Label, results.Cell{Scenario: p.scenario, Case: id, Suite: line.Suite, Recipe: line.Recipe})
		}
		for _, f := range ix.failed[p][id] {
			ix.addFailure(&g, &row, f, chosen, k)
		}
		for _, line := range g.Recipes {
			ix.note(&g, &row, cells[i][line.Suite])
		}
		g.Rows = append(g.Rows, row)
	}
	g.warnOfDoubts()
	g.fill(cells, baseline, ix.hosts())
	return g
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
	order := []string{"perplexity", "approx", "latency", "memory"}
	var s []string
	for suite := range ix.recipes[p] {
		s = append(s, suite)
	}
	slices.SortFunc(s, func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a), slices.Index(order, b)), cmp.Compare(a, b))
	})
	return s
}

// cell returns the values of the last run that closed c.
func (ix *indexed) cell(g *Group, label string, c results.Cell) []results.Record {
	done := ix.done[c]
	if len(done) == 0 {
		return nil
	}
	last := done[len(done)-1]
	values := ix.values[cellRun{c, last.Run}]
	if len(values) != last.Values {
		g.Warnings = append(g.Warnings, fmt.Sprintf("%s, %s: %d values, but its done line says %d", label, c.Suite, len(values), last.Values))
	}
	if last.Message != "" {
		g.doubt(c.Suite, last.Message, label)
	}
	if done[0].Run != last.Run {
		g.Warnings = append(g.Warnings, fmt.Sprintf("%s, %s: measured by several runs; the last, %s, is shown", label, c.Suite, last.Run))
	}
	return values
}

// addFailure gives row the failure f, if it belongs to this group and nothing
// that came later succeeded.
func (ix *indexed) addFailure(g *Group, row *Row, f results.Record, chosen map[string]string, k int) {
	if f.Suite != "" {
		recipe, ok := chosen[f.Suite]
		if f.Recipe != "" && recipe != f.Recipe || !ok && k > 0 {
			return
		}
		if ix.done[results.Cell{Scenario: f.Scenario, Case: f.Case, Suite: f.Suite, Recipe: recipe}] != nil {
			return
		}
		g.Suites[f.Suite] = true
	}
	row.Failures = append(row.Failures, Failure{f.Suite, f.Stage, f.Class, f.Message})
}

// note records devices and runs of values.
func (ix *indexed) note(g *Group, row *Row, values []results.Record) {
	for _, v := range values {
		row.Exec[v.Suite] = v.Exec
		if row.Device = v.Device; v.Device != "" && !slices.Contains(g.Devices, v.Device) {
			g.Devices = append(g.Devices, v.Device)
		}
		if run, ok := ix.runs[v.Run]; ok && !slices.ContainsFunc(g.Runs, func(r results.Record) bool { return r.Run == v.Run }) {
			g.Runs = append(g.Runs, run)
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
	row := Row{Case: head.Case, Method: head.Method, Label: head.Label, Params: head.Params, Seed: head.Seed, Baseline: head.Baseline,
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
	return fmt.Sprintf("%s: %s was not measured to its end", row.Label, suite)
}
