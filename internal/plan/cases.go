package plan

import (
	"errors"
	"fmt"
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
	// overrides are those without faults.
	overrides []subject.Override
	// source is what a method of files has opened.
	source *subject.Source
}

// params are the complete parameters of the options.
func (v variant) params() map[string]any {
	p := subject.Params(v.options)
	if v.source != nil {
		v.source.Describe(p)
	}
	return p
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
	x.uniqueLabels()
	x.p.allCases = x.p.Cases
	x.baseline()
}

// variants decodes every combination of a method's axes. Those whose options
// can be used are returned even where other faults refuse the scenario, so that
// the faults of their cases are told too.
func (x *expander) variants(m scenarios.Method) []variant {
	method, ok := subject.LookupMethod(m.Name)
	if !ok {
		if m.Name != "" {
			x.faults.Add(m.Pos, "%s: unknown method %q, want one of %s%s", m.Path, m.Name,
				strings.Join(subject.MethodNames(), ", "), scenarios.DidYouMean(m.Name, subject.MethodNames()))
		}
		return nil
	}
	sound := x.checkEntry(m, method)
	var vs []variant
	for _, n := range m.Expand() {
		f := &scenarios.Faults{}
		v := variant{entry: m, method: method, node: n, options: method.New()}
		scenarios.Decode(n, m.Path, v.options, f)
		checkOptions(v, n, m.Path, m.Pos, v.options, failedFields(f.List, m.Path), f)
		bad := failedFields(f.List, m.Path)
		knobFaults(m, method, n, f)
		for _, o := range m.Overrides {
			if override, ok := decodeOverride(v, o, bad, f); ok {
				v.overrides = append(v.overrides, override)
			}
		}
		x.faults.List = append(x.faults.List, f.List...)
		if sound && len(bad) == 0 && x.openSource(&v) {
			vs = append(vs, v)
		}
	}
	return vs
}

// openSource opens the files of a method that takes its weights from them, and
// reports whether there is nothing to be opened or it is open.
func (x *expander) openSource(v *variant) bool {
	if v.method.Source == nil {
		return true
	}
	if x.p.Env.Model == nil {
		return false // the model's fault is told
	}
	var err error
	if v.source, err = x.p.Env.OpenSource(v.method, v.options, x.s.Dir); err == nil {
		return true
	}
	if name, _ := startField(err); name == "path" || name == "bits" {
		x.faults.Add(fieldPos(v.node, v.entry.Pos, err), "%s", fieldMessage(v.entry.Path, err))
	} else {
		x.lines(fieldPos(v.node, v.entry.Pos, errors.New("path: ")), v.entry.Path+".path: ", err)
	}
	return false
}

// checkEntry checks what the combinations of a method's axes share, and
// reports whether they make cases.
func (x *expander) checkEntry(m scenarios.Method, method *subject.Method) bool {
	sound := true
	if m.Seeds != nil && !method.Chance {
		x.faults.Add(m.SeedsPos, "%s.seeds: %s has no chance in it: remove seeds", m.Path, m.Name)
	}
	if !x.checkSize(m, method) {
		sound = false
	}
	for _, pattern := range slices.Concat(m.Only, m.Except) {
		if _, err := path.Match(pattern, ""); err != nil {
			x.faults.Add(m.Pos, "%s: pattern %q: %v", m.Path, pattern, err)
			sound = false
		}
	}
	if x.none() && len(m.Only)+len(m.Except)+len(m.Overrides) > 0 {
		x.faults.Add(m.Pos, "%s: only, except and overrides choose tensors of a model, and there is none (model: %s): remove them", m.Path, subject.NoModel)
		sound = false
	}
	if method.Source != nil && x.none() {
		x.faults.Add(m.Pos, "%s: %s takes the weights of a model from files, and there is no model (model: %s): remove it", m.Path, m.Name, subject.NoModel)
		sound = false
	}
	if method.Source != nil && len(m.Only)+len(m.Except)+len(m.Overrides) > 0 {
		x.faults.Add(m.Pos, "%s: %s takes what its files hold, which belongs together: remove only, except and overrides", m.Path, m.Name)
		sound = false
	}
	if method.Moments != subject.NoMoments && len(x.calibration) == 0 && !x.none() {
		x.faults.Add(m.Pos, "%s: %s looks at calibration text: add calibration: {corpus: …, sequences: 128, length: 2048}", m.Path, m.Name)
		sound = false
	}
	return sound
}

// checkOptions adds the faults of options that were decoded from n, but those
// that follow from fields that failed.
func checkOptions(v variant, n scenarios.Node, path string, pos scenarios.Pos, options any, failed []string, f *scenarios.Faults) {
	for _, err := range v.method.Check(options) {
		if !follows(failed, err) {
			f.Add(fieldPos(n, pos, err), "%s", fieldMessage(path, err))
		}
	}
}

// decodeOverride reads an override on top of the options of v, of whose fields
// some are bad and told already. Not ok means that it cannot be used.
func decodeOverride(v variant, o scenarios.Override, bad []string, f *scenarios.Faults) (subject.Override, bool) {
	own := &scenarios.Faults{}
	if _, err := path.Match(o.Tensors, ""); err != nil {
		own.Add(o.Pos, "%s.tensors: pattern %q: %v", o.Path, o.Tensors, err)
	}
	opts := v.method.New()
	scenarios.Decode(v.node, v.entry.Path, opts, &scenarios.Faults{}) // told already
	n := scenarios.Node{Pos: o.Pos, Kind: scenarios.Map, Fields: o.Params}
	scenarios.Decode(n, o.Path, opts, own)
	failed := failedFields(own.List, o.Path)
	for _, field := range bad {
		if n.Field(field).Kind == scenarios.Absent {
			failed = append(failed, field)
		}
	}
	checkOptions(v, n, o.Path, o.Pos, opts, failed, own)
	f.List = append(f.List, own.List...)
	return subject.Override{Tensors: o.Tensors, Options: opts}, len(failedFields(own.List, o.Path)) == 0
}

// cases returns the cases of one variant: targets × calibrations × seeds.
func (x *expander) cases(v variant, all [][]variant, self int) []*subject.Case {
	targets := targetsOf(v, all, self)
	calibrations := []*subject.Calibration{nil}
	if v.method.Moments != subject.NoMoments && len(x.calibration) > 0 {
		calibrations = x.calibration
	}
	seeds := v.entry.Seeds
	if len(seeds) == 0 {
		seeds = []uint64{0}
	}
	var cs []*subject.Case
	for _, t := range targets {
		for _, cal := range calibrations {
			for _, seed := range seeds {
				c := &subject.Case{
					Method: v.method, Options: v.options, Seed: seed, Calibration: cal,
					Only: v.entry.Only, Except: v.entry.Except, Overrides: v.overrides,
					Source: v.source,
				}
				x.complete(c, v, t)
				cs = append(cs, c)
			}
		}
	}
	return cs
}

// complete fills in parameters, label and identity of a case.
func (x *expander) complete(c *subject.Case, v variant, t size) {
	c.Params = v.params()
	label := append([]string{v.method.Name}, t.apply(c, v)...)
	label = append(label, optionWords(v)...)
	if len(v.entry.Seeds) > 0 {
		label = append(label, "seed="+strconv.FormatUint(c.Seed, 10))
	}
	if len(x.calibration) > 1 && c.Calibration != nil {
		label = append(label, "calibration="+calibrationWord(c.Calibration))
	}
	if s := selection(v.entry); s != "" {
		c.Params["tensors"] = s
		label = append(label, "tensors="+s)
	}
	c.Label = strings.Join(label, " ")
	if x.p.Env.Model == nil {
		c.ID = c.Label
		return
	}
	if !x.p.Env.Model.None() {
		c.SpreadTarget(x.p.Env.Model.Config)
	}
	x.identify(c)
	if x.p.Env.Model.None() {
		return // suites check the shapes that they draw
	}
	for _, err := range c.CheckModel(x.p.Env.Model.Config) {
		name, _ := startField(err)
		switch {
		case name == "match":
			x.shapeFault(v.entry.MatchPos, name, fieldMessage(v.entry.Path, err))
		case name == "bytes":
			x.shapeFault(t.at, name, fieldMessage(v.entry.Path, err)+x.remedy(c))
		case t.of == nil || name == "" && x.covers(*t.of): // what is wrong with a target is told there
			x.shapeFault(fieldPos(v.node, v.entry.Pos, err), name, fieldMessage(v.entry.Path, err))
		}
	}
}

// remedy names the size at which a case that asks for too few bytes would fit.
func (x *expander) remedy(c *subject.Case) string {
	bits, ok := c.LeastBits(x.p.Env.Model.Config, scenarios.MostBytes)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; %.3gbpw would do for every matrix", bits)
}

// covers reports whether a variant compresses any of the model's matrices.
func (x *expander) covers(v variant) bool {
	c := subject.Case{Method: v.method, Source: v.source, Only: v.entry.Only, Except: v.entry.Except}
	for layer := range x.p.Env.Model.Config.Layers {
		for _, s := range x.p.Env.Model.Config.Linears(layer) {
			if c.Covers(s.Name) {
				return true
			}
		}
	}
	return false
}

// identify hashes what decides a case's result.
func (x *expander) identify(c *subject.Case) {
	hash, _, err := stage.Key("case", x.p.Env.Key(c))
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // keys hold scalars
	}
	c.Hash, c.ID = hash, hash[:12]
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
