package summary

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Varying tells of keys that differ between the rows of a group although neither their labels nor
// a column show it. Keys that part the rows alike stand together.
type Varying struct {
	Keys   []string
	Shares []Share
}

// A Share is the rows that have the same values.
type Share struct {
	Values []string // one per key; "a and b" where a row has several
	Labels []string
}

// ofRuns are the keys of how and where something was measured. That a run was resumed is no
// difference by itself.
var ofRuns = []string{"device", "threads", "host", "tool", "commit"}

// trait is one key with its value in each row; empty where the row has none.
type trait struct {
	key    string
	values []string
}

// varying returns what tells the rows of g apart besides their labels.
func (ix *indexed) varying(g *Group) []Varying {
	var traits []trait
	add := func(t trait) {
		known := slices.ContainsFunc(traits, func(o trait) bool { return slices.Equal(o.values, t.values) })
		grouped := slices.ContainsFunc(g.Keys, func(kv KeyValue) bool { return kv.Key == t.key })
		if t.differs() && !known && !grouped {
			traits = append(traits, t)
		}
	}
	for _, key := range ofRuns {
		t := trait{key, make([]string, len(g.Rows))}
		for i := range g.Rows {
			if row := &g.Rows[i]; row.measured() {
				t.values[i] = strings.Join(row.Values(key), " and ")
			}
		}
		add(t)
	}
	for _, t := range append(ix.executions(g), parameters(g)...) {
		add(t)
	}
	return g.join(traits)
}

// differs reports whether two rows have different values.
func (t trait) differs() bool {
	first := ""
	for _, v := range t.values {
		if first == "" {
			first = v
		}
		if v != "" && v != first {
			return true
		}
	}
	return false
}

// executions returns the options by which the rows' executions differ, suite by suite; where no
// line of the records tells them, their hashes.
func (ix *indexed) executions(g *Group) []trait {
	var traits []trait
	for _, suite := range slices.Sorted(maps.Keys(g.Suites)) {
		hash := trait{"exec of " + suite, make([]string, len(g.Rows))}
		options := map[string]trait{}
		for i, row := range g.Rows {
			hash.values[i] = row.Exec[suite]
			for name, v := range ix.words[[2]string{suite, row.Exec[suite]}].Options {
				if _, ok := options[name]; !ok {
					options[name] = trait{name + " of " + suite, make([]string, len(g.Rows))}
				}
				options[name].values[i] = fmt.Sprint(v)
			}
		}
		if !hash.differs() {
			continue
		}
		told := false
		for _, name := range slices.Sorted(maps.Keys(options)) {
			told = told || options[name].differs()
			traits = append(traits, options[name])
		}
		if !told {
			traits = append(traits, hash)
		}
	}
	return traits
}

// parameters returns the parameters in which cases of one method differ although a label does not
// name them, and the id of the cases where labels are equal.
func parameters(g *Group) []trait {
	id, labels := trait{"case", make([]string, len(g.Rows))}, map[string]int{}
	for _, row := range g.Rows {
		labels[row.Label]++
	}
	hidden := map[string]trait{}
	for i, row := range g.Rows {
		if labels[row.Label] > 1 {
			id.values[i] = row.Case
		}
		for name, v := range row.Params {
			if strings.Contains(row.Label, name+"=") {
				continue
			}
			key := "params." + name + " of " + row.Method
			if _, ok := hidden[key]; !ok {
				hidden[key] = trait{key, make([]string, len(g.Rows))}
			}
			hidden[key].values[i] = fmt.Sprint(v)
		}
	}
	var traits []trait
	for _, key := range slices.Sorted(maps.Keys(hidden)) {
		traits = append(traits, hidden[key])
	}
	return append(traits, id)
}

// join puts traits together that part the rows alike.
func (g *Group) join(traits []trait) []Varying {
	var all []Varying
	for len(traits) > 0 {
		var v Varying
		share := map[int]int{} // index of the first row of a share → index in v.Shares
		whole := parts(traits[0].values)
		for i, first := range whole {
			if first < 0 {
				continue
			}
			if first == i {
				share[i] = len(v.Shares)
				v.Shares = append(v.Shares, Share{})
			}
			s := &v.Shares[share[first]]
			s.Labels = append(s.Labels, g.Rows[i].Label)
		}
		traits = slices.DeleteFunc(traits, func(t trait) bool {
			if !slices.Equal(parts(t.values), whole) {
				return false
			}
			v.Keys = append(v.Keys, t.key)
			for i, k := range share {
				v.Shares[k].Values = append(v.Shares[k].Values, t.values[i])
			}
			return true
		})
		all = append(all, v)
	}
	return all
}

// parts returns for each value the index of the first that equals it; -1 for none.
func parts(values []string) []int {
	p := make([]int, len(values))
	for i, v := range values {
		if p[i] = slices.Index(values, v); v == "" {
			p[i] = -1
		}
	}
	return p
}

// measured reports whether row has a value.
func (row *Row) measured() bool {
	for _, values := range row.values {
		if len(values) > 0 {
			return true
		}
	}
	return false
}
