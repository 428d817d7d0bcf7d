package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// A size is what a case's stored bytes are to keep within: those of another
// variant, or bits per weight. Zero is the size that the options give.
type size struct {
	of    *variant
	alone bool // of has one size
	bits  float64
	at    scenarios.Pos // of bits
}

// checkSize checks the fields match, bytes and per of a method, and reports
// whether they make cases.
func (x *expander) checkSize(m scenarios.Method, method *subject.Method) bool {
	sound := true
	fault := func(pos scenarios.Pos, format string, args ...any) {
		x.faults.Add(pos, format, args...)
		sound = false
	}
	asked := m.Match != "" || m.Bytes != nil
	switch {
	case m.Match != "" && m.Bytes != nil:
		fault(m.BytesPos, "%s.bytes: match says the size too: remove one of the two", m.Path)
	case asked && method.Fit == nil && m.Match != "":
		fault(m.MatchPos, "%s.match: %s has no size to adjust; methods that have: %s", m.Path, m.Name, strings.Join(fitting(), ", "))
	case asked && method.Fit == nil:
		fault(m.BytesPos, "%s.bytes: %s has no size to adjust; methods that have: %s", m.Path, m.Name, strings.Join(fitting(), ", "))
	case m.Match != "" && !slices.ContainsFunc(x.s.Methods, func(o scenarios.Method) bool { return o.Path != m.Path && isTarget(o, m.Match) }):
		fault(m.MatchPos, "%s.match: %q is no other method of this scenario with a size of its own", m.Path, m.Match)
	}
	switch {
	case m.Per == "":
	case !asked:
		fault(m.PerPos, "%s.per: says what match or bytes hold for, and neither is there: remove it", m.Path)
	case m.Per == scenarios.PerModel && x.none():
		fault(m.PerPos, "%s.per: %s, and there is no model (model: %s): remove it", m.Path, m.Per, subject.NoModel)
	}
	return sound
}

// fitting lists the methods that have a size to adjust.
func fitting() []string {
	var names []string
	for _, name := range subject.MethodNames() {
		if m, _ := subject.LookupMethod(name); m.Fit != nil {
			names = append(names, name)
		}
	}
	return names
}

// knobFaults tells the options that a size to aim at decides, and bits beside
// another option that decides the size in their place.
func knobFaults(m scenarios.Method, method *subject.Method, n scenarios.Node, f *scenarios.Faults) {
	told := func(n scenarios.Node, path string) {
		first := ""
		for _, field := range n.Fields {
			knob, v := field.Key, field.Value
			switch {
			case !slices.Contains(method.Knobs, knob):
			case m.Match != "":
				f.Add(v.Pos, "%s.%s: with match the size comes from the other method: remove one of the two", path, knob)
			case m.Bytes != nil:
				f.Add(v.Pos, "%s.%s: with bytes the size comes from there: remove one of the two", path, knob)
			case v.Text == "0": // it decides nothing then
			case first != "" && (first == "bits" || knob == "bits"):
				f.Add(v.Pos, "%s.%s: %s says the size too: remove one of the two", path, knob, first)
			default:
				first = knob
			}
		}
	}
	told(n, m.Path)
	for _, o := range m.Overrides {
		told(scenarios.Node{Pos: o.Pos, Kind: scenarios.Map, Fields: o.Params}, o.Path)
	}
}

// isTarget reports whether m has sizes that a match on name takes.
func isTarget(m scenarios.Method, name string) bool {
	method, ok := subject.LookupMethod(m.Name)
	return ok && m.Name == name && m.Match == "" && m.Bytes == nil && !method.Dense()
}

// targetsOf lists the sizes that a variant is to keep within.
func targetsOf(v variant, all [][]variant, self int) []size {
	var found []size
	for i, bits := range v.entry.Bytes {
		if bits > 0 { // others are told already
			found = append(found, size{bits: bits, at: v.entry.BytesAt[i]})
		}
	}
	if v.entry.Match == "" {
		if v.entry.Bytes == nil {
			found = []size{{}}
		}
		return found
	}
	for i := range all {
		for j := range all[i] {
			if t := &all[i][j]; i != self && isTarget(t.entry, v.entry.Match) {
				found = append(found, size{of: t})
			}
		}
	}
	for i := range found {
		found[i].alone = len(found) == 1
	}
	return found
}

// apply gives a case its target, tells it in the parameters and returns the
// words of the label.
func (t size) apply(c *subject.Case, v variant) []string {
	var words []string
	switch {
	case t.of != nil:
		c.Target = &subject.Target{Method: t.of.method, Options: t.of.options, Only: t.of.entry.Only, Except: t.of.entry.Except, Overrides: t.of.overrides, Source: t.of.source}
		name := t.of.method.Name // enough where it has one size
		if !t.alone {
			name = strings.Join(describe(*t.of), ",")
		}
		words = append(words, "match="+name)
		c.Params["match"] = t.of.method.Name
		c.Params["match_params"] = paramWords(t.of.params()) + selection(t.of.entry)
	case t.bits > 0:
		c.Target = &subject.Target{Bits: t.bits}
		words = append(words, "bytes="+strconv.FormatFloat(t.bits, 'g', -1, 64))
		c.Params["bytes"] = t.bits
	default:
		return nil
	}
	if v.entry.Per == scenarios.PerModel {
		c.Target.WholeModel = true
		words = append(words, "per=model")
		c.Params["per"] = v.entry.Per
	}
	for _, knob := range v.method.Knobs {
		delete(c.Params, knob)
	}
	return words
}
