package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// variant is one combination of a method's axes.
type variant struct {
	entry   scenarios.Method
	method  *subject.Method
	node    scenarios.Node // the fields of this combination
	options any
}

// methods expands the methods to cases and finds the baseline.
func (x *expander) methods() {
	var all [][]variant
	for _, m := range x.s.Methods {
		all = append(all, x.variants(m))
	}
	ids := map[string]bool{}
	for i, vs := range all {
		for _, v := range vs {
			for _, c := range x.cases(v, all, i) {
				if !ids[c.ID] {
					ids[c.ID] = true
					x.p.Cases = append(x.p.Cases, c)
				}
			}
		}
	}
	x.p.allCases = x.p.Cases
	x.baseline()
}

// variants decodes every combination of a method's axes.
func (x *expander) variants(m scenarios.Method) []variant {
	method, ok := subject.LookupMethod(m.Name)
	if !ok {
		if m.Name != "" {
			x.faults.Add(m.Pos, "%s: unknown method %q, want one of %s%s", m.Path, m.Name,
				strings.Join(subject.MethodNames(), ", "), scenarios.DidYouMean(m.Name, subject.MethodNames()))
		}
		return nil
	}
	if m.Seeds != nil && !method.Chance {
		x.faults.Add(m.SeedsPos, "%s.seeds: %s has no chance in it: remove seeds", m.Path, m.Name)
	}
	if m.Match != "" && !method.Matches {
		x.faults.Add(m.MatchPos, "%s.match: %s has no size to adjust; only svd can match another method's bytes", m.Path, m.Name)
	}
	for _, pattern := range slices.Concat(m.Only, m.Except) {
		if _, err := path.Match(pattern, ""); err != nil {
			x.faults.Add(m.Pos, "%s: pattern %q: %v", m.Path, pattern, err)
			return nil
		}
	}
	var vs []variant
	reported := map[string]bool{}
	for _, n := range m.Expand() {
		f := &scenarios.Faults{}
		o := method.New()
		scenarios.Decode(n, m.Path, o, f)
		if len(f.List) == 0 {
			for _, err := range method.Check(o) {
				f.Add(fieldPos(n, m.Pos, err), "%s", fieldMessage(m.Path, err))
			}
		}
		if m.Match != "" && n.Field("bits").Kind != scenarios.Absent {
			f.Add(n.Field("bits").Pos, "%s.bits: with match the size comes from the other method: remove one of the two", m.Path)
		}
		for _, fault := range f.List {
			if key := fmt.Sprint(fault); !reported[key] {
				reported[key] = true
				x.faults.Add(fault.Pos, "%s", fault.Message)
			}
		}
		if len(f.List) == 0 {
			vs = append(vs, variant{m, method, n, o})
		}
	}
	return vs
}

// cases returns the cases of one variant: targets × calibrations × seeds.
func (x *expander) cases(v variant, all [][]variant, self int) []*subject.Case {
	targets := []*variant{nil}
	if v.entry.Match != "" {
		targets = x.targets(v, all, self)
	}
	calibrations := []*subject.Calibration{nil}
	if v.method.Moments != subject.NoMoments {
		if len(x.calibration) == 0 {
			x.faults.Add(v.entry.Pos, "%s: %s looks at calibration text: add calibration: {corpus: …, sequences: 128, length: 2048}", v.entry.Path, v.method.Name)
			return nil
		}
		calibrations = x.calibration
	}
	seeds := v.entry.Seeds
	if len(seeds) == 0 {
		seeds = []uint64{0}
	}
	overrides := x.overrides(v)
	var cs []*subject.Case
	for _, t := range targets {
		for _, cal := range calibrations {
			for _, seed := range seeds {
				c := &subject.Case{
					Method: v.method, Options: v.options, Seed: seed, Calibration: cal,
					Only: v.entry.Only, Except: v.entry.Except, Overrides: overrides,
				}
				x.complete(c, v, t, len(targets) == 1)
				cs = append(cs, c)
			}
		}
	}
	return cs
}

// targets finds the variants of the method that v matches.
func (x *expander) targets(v variant, all [][]variant, self int) []*variant {
	var found []*variant
	for i := range all {
		for j := range all[i] {
			if t := &all[i][j]; i != self && t.method.Name == v.entry.Match && t.entry.Match == "" && t.method.Compress != nil {
				found = append(found, t)
			}
		}
	}
	if len(found) == 0 {
		x.faults.Add(v.entry.MatchPos, "%s.match: %q is no other method of this scenario with a size of its own", v.entry.Path, v.entry.Match)
	}
	return found
}

func (x *expander) overrides(v variant) []subject.Override {
	var os []subject.Override
	for _, o := range v.entry.Overrides {
		if _, err := path.Match(o.Tensors, ""); err != nil {
			x.faults.Add(o.Pos, "%s.tensors: pattern %q: %v", o.Path, o.Tensors, err)
		}
		opts := v.method.New()
		f := &scenarios.Faults{}
		scenarios.Decode(v.node, v.entry.Path, opts, f)
		n := scenarios.Node{Pos: o.Pos, Kind: scenarios.Map, Fields: o.Params}
		scenarios.Decode(n, o.Path, opts, f)
		if len(f.List) == 0 {
			for _, err := range v.method.Check(opts) {
				f.Add(fieldPos(n, o.Pos, err), "%s", fieldMessage(o.Path, err))
			}
		}
		x.faults.List = append(x.faults.List, f.List...)
		os = append(os, subject.Override{Tensors: o.Tensors, Options: opts})
	}
	return os
}

// complete fills in parameters, label and identity of a case.
func (x *expander) complete(c *subject.Case, v variant, t *variant, onlyTarget bool) {
	c.Params = subject.Params(v.options)
	label := []string{v.method.Name}
	if t != nil {
		o := x.overrides(*t)
		c.Target = &subject.Target{Method: t.method, Options: t.options, Only: t.entry.Only, Except: t.entry.Except, Overrides: o}
		words := describe(t.method.Name, t.node)
		name := t.method.Name // enough where it has one size
		if !onlyTarget {
			name = strings.ReplaceAll(words, " ", ",")
		}
		label = append(label, "match="+name)
		c.Params["match"] = t.method.Name
		c.Params["match_params"] = paramWords(subject.Params(t.options)) + selection(t.entry)
		delete(c.Params, "bits")
	}
	for _, f := range v.node.Fields {
		label = append(label, f.Key+"="+strings.TrimSuffix(f.Value.Text, "bpw"))
	}
	if len(v.entry.Seeds) > 0 {
		label = append(label, "seed="+strconv.FormatUint(c.Seed, 10))
	}
	if len(x.calibration) > 1 && c.Calibration != nil {
		label = append(label, fmt.Sprintf("calibration=%s/%dx%d/%d", c.Calibration.Corpus.Name, c.Calibration.Sequences, c.Calibration.Length, c.Calibration.Seed))
	}
	if s := selection(v.entry); s != "" {
		c.Params["tensors"] = s
		label = append(label, "tensors="+s)
	}
	c.Label = strings.Join(label, " ")
	if x.p.Env.Model != nil {
		x.identify(c)
		for _, err := range c.CheckModel(x.p.Env.Model.Config) {
			x.faults.Add(fieldPos(v.node, v.entry.Pos, err), "%s", fieldMessage(v.entry.Path, err))
		}
	} else {
		c.ID = c.Label
	}
}

// identify hashes what decides a case's result.
func (x *expander) identify(c *subject.Case) {
	hash, _, err := stage.Key("case", x.p.Env.Key(c))
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // keys hold scalars
	}
	c.Hash, c.ID = hash, hash[:12]
}

// describe names a variant by the fields that its scenario gives.
func describe(method string, n scenarios.Node) string {
	words := []string{method}
	for _, f := range n.Fields {
		words = append(words, f.Key+"="+f.Value.Text)
	}
	return strings.Join(words, " ")
}

func paramWords(p map[string]any) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		words = append(words, fmt.Sprintf("%s=%v", k, p[k]))
	}
	return strings.Join(words, " ")
}

// selection describes only, except and overrides in one word.
func selection(m scenarios.Method) string {
	var words []string
	for _, p := range m.Only {
		words = append(words, "only:"+p)
	}
	for _, p := range m.Except {
		words = append(words, "except:"+p)
	}
	for _, o := range m.Overrides {
		w := o.Tensors
		for _, f := range o.Params {
			w += "," + f.Key + "=" + f.Value.Text
		}
		words = append(words, "override:"+w)
	}
	return strings.Join(words, ";")
}

// baseline marks the case that ratios are taken against.
func (x *expander) baseline() {
	name := x.s.Baseline
	if name == "" {
		name = "dense"
	}
	var found []*subject.Case
	var labels []string
	for _, c := range x.p.Cases {
		if c.Label == name {
			found = []*subject.Case{c}
			break
		}
		if c.Method.Name == name {
			found = append(found, c)
		}
		labels = append(labels, c.Label)
	}
	for _, m := range x.s.Methods {
		labels = append(labels, m.Name)
	}
	switch {
	case len(found) == 1:
		found[0].Baseline = true
		x.p.Baseline = found[0].Label
	case len(found) > 1:
		x.faults.Add(x.s.BaselinePos, "baseline: %s is %d cases, want one of them by its label, such as %q", name, len(found), found[0].Label)
	case x.s.Baseline != "" && !x.faulty(name):
		x.faults.Add(x.s.BaselinePos, "baseline: %q is no method of this scenario%s", name, scenarios.DidYouMean(name, labels))
	}
}

// faulty tells whether a method of the scenario that has no case because of a
// fault of its own may be the one that name means.
func (x *expander) faulty(name string) bool {
	for _, m := range x.s.Methods {
		if m.Name == name || strings.HasPrefix(name, m.Name+" ") {
			return len(x.faults.List) > 0
		}
	}
	return false
}

// selectCases keeps the cases of a pattern or of a K/N share. The baseline of
// a pattern stays only if the pattern names it.
func (p *Plan) selectCases(sel string) error {
	if sel == "" {
		return nil
	}
	keep := func(i int, c *subject.Case) bool {
		for _, name := range []string{c.Label, c.ID, c.Method.Name} {
			if ok, _ := path.Match(sel, name); ok {
				return true
			}
		}
		return false
	}
	if k, n, ok := strings.Cut(sel, "/"); ok {
		ki, err1 := strconv.Atoi(k)
		ni, err2 := strconv.Atoi(n)
		if err1 == nil && err2 == nil {
			if ki < 1 || ni < 1 || ki > ni {
				return &scenarios.Faults{Path: p.Scenario.Path, List: []scenarios.Fault{{Message: fmt.Sprintf("--cases: %s, want K/N with 1 <= K <= N", sel)}}}
			}
			keep = func(i int, _ *subject.Case) bool { return i%ni == ki-1 }
		}
	}
	var kept []*subject.Case
	var labels []string
	for i, c := range p.Cases {
		labels = append(labels, c.Label)
		if keep(i, c) {
			kept = append(kept, c)
		}
	}
	if _, err := path.Match(sel, ""); err != nil || len(kept) == 0 {
		return &scenarios.Faults{Path: p.Scenario.Path, List: []scenarios.Fault{{Message: fmt.Sprintf("--cases: %q selects none of %s", sel, strings.Join(labels, "; "))}}}
	}
	p.Cases = kept
	return nil
}
