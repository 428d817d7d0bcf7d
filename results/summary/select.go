package summary

import (
	"maps"
	"slices"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
)

// A KeyValue is a key of records with one value of it.
type KeyValue struct{ Key, Value string }

// A selection is what one table shows of a place: the lines that pass the filter
// and have the group's values.
type selection struct {
	baseline string
	filter   keys.Filter
	group    []KeyValue
	keys     *keys.Index
}

// narrows reports whether s may leave lines out.
func (s selection) narrows() bool { return !s.filter.IsZero() || len(s.group) > 0 }

// A freedom says of which keys a line need not have the wanted value; told is whether it has one.
type freedom func(key string, told bool) bool

// none is for values, which have every key that concerns them.
func none(string, bool) bool { return false }

// untold is for lines about a whole case, which lack the keys of its values.
func untold(key string, told bool) bool { return !told && !keys.OfCase(key) }

// ofCase is for the baseline, which another case cannot replace.
func ofCase(key string, _ bool) bool { return keys.OfCase(key) }

// holds reports whether s chooses r.
func (s selection) holds(r results.Record, free freedom) bool {
	get := func(key string) (string, bool) {
		v, told := s.keys.Value(r, key)
		return v, free(key, told)
	}
	return s.filter.Match(get) && !slices.ContainsFunc(s.group, func(kv KeyValue) bool {
		v, free := get(kv.Key)
		return !free && v != kv.Value
	})
}

// keep returns holds as a function of lines, nil where s chooses all.
func (s selection) keep(free freedom) func(results.Record) bool {
	if !s.narrows() {
		return nil
	}
	return func(r results.Record) bool { return s.holds(r, free) }
}

// selections returns one selection for each set of values that the keys of
// opts.Group have among the lines of p that pass the filter, in order of first appearance.
func (ix *indexed) selections(p place, opts Options) []selection {
	whole := selection{baseline: opts.Baseline, filter: opts.Filter, keys: ix.keys}
	if len(opts.Group) == 0 {
		return []selection{whole}
	}
	var all []selection
	add := func(r results.Record, free freedom) {
		group := make([]KeyValue, len(opts.Group))
		for i, key := range opts.Group {
			v, told := ix.keys.Value(r, key)
			if free(key, told) {
				return
			}
			group[i] = KeyValue{key, v}
		}
		if slices.ContainsFunc(all, func(s selection) bool { return slices.Equal(s.group, group) }) || !whole.holds(r, free) {
			return
		}
		s := whole
		s.group = group
		all = append(all, s)
	}
	for _, id := range ix.cases[p] {
		for _, c := range ix.cells(p, id) {
			for _, d := range ix.done[c] {
				for _, v := range ix.values[cellRun{c, d.Run}] {
					add(v, none)
				}
			}
		}
		for _, f := range ix.failed[p][id] {
			add(f, untold)
		}
		add(ix.head[p][id], untold)
	}
	if len(all) == 0 {
		return []selection{whole}
	}
	return all
}

// cells returns the cells of a case that a run closed.
func (ix *indexed) cells(p place, id string) []results.Cell {
	var all []results.Cell
	for _, suite := range ix.suites(p) {
		for _, recipe := range ix.recipes[p][suite] {
			c := results.Cell{Scenario: p.scenario, Case: id, Suite: suite, Recipe: recipe}
			if len(ix.done[c]) > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// measured is what a cell holds.
type measured struct {
	done     results.Record // of the run that counts
	values   []results.Record
	recorded int  // values of that run, those that were not chosen included
	again    bool // other runs measured it too
}

// A candidate is a case that may become a row.
type candidate struct {
	row   Row
	cells map[string]measured // by suite
	shown bool
}

// candidate returns what sel chooses of a case under the chosen recipes.
func (ix *indexed) candidate(p place, id string, chosen map[string]string, k int, sel selection) candidate {
	c := candidate{row: newRow(ix.head[p][id])}
	c.row.keys, c.row.narrowed = ix.keys, sel.narrows()
	ix.measure(&c, p, chosen, sel.keep(none))
	keep := sel.keep(untold)
	for _, f := range ix.failed[p][id] {
		if ix.failure(f, chosen, k) && (keep == nil || keep(f)) {
			c.row.Failures = append(c.row.Failures, Failure{f.Suite, f.Stage, f.Class, f.Message})
		}
	}
	c.shown = keep == nil || len(c.row.Failures) > 0 || c.hasValues() ||
		k == 0 && len(ix.cells(p, id)) == 0 && len(ix.failed[p][id]) == 0 && keep(ix.head[p][id])
	return c
}

// measure fills the cells of c with the values that keep chooses.
func (ix *indexed) measure(c *candidate, p place, chosen map[string]string, keep func(results.Record) bool) {
	c.cells, c.row.values, c.row.leftOut = map[string]measured{}, map[string][]results.Record{}, map[string]bool{}
	for suite, recipe := range chosen {
		cell := results.Cell{Scenario: p.scenario, Case: c.row.Case, Suite: suite, Recipe: recipe}
		m := ix.cell(cell, keep)
		c.cells[suite], c.row.values[suite] = m, m.values
		c.row.leftOut[suite] = len(m.values) == 0 && len(ix.done[cell]) > 0
	}
}

func (c *candidate) hasValues() bool {
	for _, m := range c.cells {
		if len(m.values) > 0 {
			return true
		}
	}
	return false
}

// unshown returns the baseline that sel does not show, for the ratios to it: with the values
// that sel would choose if it said nothing of cases, or all where those are none.
func (ix *indexed) unshown(c candidate, p place, chosen map[string]string, sel selection) candidate {
	ix.measure(&c, p, chosen, sel.keep(ofCase))
	if !c.hasValues() {
		ix.measure(&c, p, chosen, nil)
	}
	return c
}

// Values returns the different values that a key has in the lines behind row, in order of first
// appearance. A key of the case has one or none.
func (row *Row) Values(key string) []string {
	var all []string
	add := func(r results.Record) {
		if v, told := row.keys.Value(r, key); told && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if keys.OfCase(key) {
		add(row.head)
		return all
	}
	for _, suite := range slices.Sorted(maps.Keys(row.values)) {
		for _, r := range row.values[suite] {
			add(r)
		}
	}
	if len(all) == 0 {
		add(row.head)
	}
	return all
}
