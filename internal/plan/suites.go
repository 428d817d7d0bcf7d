package plan

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

// suites decodes and prepares the suites. The one that scores text comes
// first, since others may take its text.
func (x *expander) suites(only []string) {
	x.p.Context = &suites.Context{Env: x.p.Env, Dir: x.s.Dir, Calibrations: x.calibration, Cases: x.p.Cases}
	if x.p.Env.Model == nil {
		m, err := standIn()
		if err != nil {
			x.lines(x.s.ModelPos, "model: ", err)
			return
		}
		env := &subject.Env{Model: m}
		defer env.Close() // nothing is written through it
		x.p.Context.Env = env
	}
	var entries []*suiteEntry
	scoring := false // a suite that scores text is not faulty
	for _, ss := range x.s.Suites {
		e := x.decodeSuite(ss)
		if e.options != nil && e.suite.Scores != nil && x.p.Context.Scored == nil {
			x.p.Context.Scored = e.suite.Scores(e.options)
			scoring = x.prepareSuite(e, true)
		}
		entries = append(entries, e)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if x.prepareSuite(e, scoring) && e.clean && e.prepared {
			x.addSuite(e, only, seen)
		}
	}
	var names []string
	for _, s := range x.s.Suites {
		names = append(names, s.Name)
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			x.faults.Add(scenarios.Pos{}, "--suites: %q is no suite of this scenario, which has %s%s", name, strings.Join(names, ", "), scenarios.DidYouMean(name, names))
		}
	}
}

// suiteEntry is a suite of the scenario on its way into the plan.
type suiteEntry struct {
	scenarios.Suite
	suite    suites.Suite
	options  any      // nil for an unknown suite, and once Prepare finds faults
	failed   []string // fields that could not be decoded
	clean    bool     // decoded without a fault
	prepared bool
}

func (x *expander) decodeSuite(ss scenarios.Suite) *suiteEntry {
	e := &suiteEntry{Suite: ss}
	var ok bool
	if e.suite, ok = suites.Lookup(ss.Name); !ok {
		if ss.Name != "" {
			x.faults.Add(ss.Pos, "%s: unknown suite %q, want one of %s%s", ss.Path, ss.Name, strings.Join(suites.Names(), ", "), scenarios.DidYouMean(ss.Name, suites.Names()))
		}
		return e
	}
	f := &scenarios.Faults{}
	e.options = e.suite.New()
	scenarios.Decode(ss.Params, ss.Path, e.options, f)
	if x.none() && !(Suite{Suite: e.suite, Options: e.options}).DrawsWeights() {
		e.options = nil
		x.faults.Add(ss.Pos, "%s: %s measures a model, and there is none (model: %s); without one only %s can run", ss.Path, ss.Name, subject.NoModel, drawing)
		return e
	}
	e.failed, e.clean = failedFields(f.List, ss.Path), len(f.List) == 0
	x.faults.List = append(x.faults.List, f.List...)
	return e
}

// prepareSuite reports whether a suite is without faults. Unless scoring, the
// suite that others take their text from is faulty, and what follows from
// that is not told again.
func (x *expander) prepareSuite(e *suiteEntry, scoring bool) bool {
	if e.options == nil || e.prepared {
		return e.prepared
	}
	errs := e.suite.Prepare(x.p.Context, e.options)
	for _, err := range errs {
		name, _ := startField(err)
		if follows(e.failed, err) || x.p.Env.Model == nil && ofModel(name, err) {
			continue
		}
		if !scoring && e.suite.Scores == nil && slices.Contains([]string{"recipe", "corpus", "windows"}, name) && e.Params.Field(name).Kind == scenarios.Absent {
			continue
		}
		x.lines(fieldPos(e.Params, e.Pos, err), "", errors.New(fieldMessage(e.Path, whereTexts(err))))
	}
	if len(errs) > 0 || x.p.Env.Model == nil {
		e.options = nil
		return len(errs) == 0
	}
	e.prepared = true
	return true
}

func (x *expander) addSuite(e *suiteEntry, only []string, seen map[string]bool) {
	ps := Suite{Suite: e.suite, Options: e.options, Recipe: e.suite.Recipe(x.p.Context, e.options)}
	ps.RecipeHash, ps.ExecHash = shortHash(ps.Recipe.Identity), shortHash(ps.Recipe.Exec)
	if key := e.suite.Name + ps.RecipeHash; seen[key] {
		x.faults.Add(e.Pos, "%s: the same as an earlier suite", e.Path)
	} else {
		seen[key] = true
	}
	x.p.allSuites = append(x.p.allSuites, ps)
	if len(only) == 0 || slices.Contains(only, e.suite.Name) {
		x.p.Suites = append(x.p.Suites, ps)
	}
}

// drawing says which suites need no model.
const drawing = "kernelspeed, and approx with {delta: {eta: …}}"

// standIn is a model with endless positions, with which suites are checked
// where the scenario's own cannot be opened.
func standIn() (*subject.Model, error) {
	m, err := subject.OpenModel("demo", "")
	if err == nil {
		m.Config.MaxPositions = math.MaxInt32
	}
	return m, err
}

// ofModel reports whether a suite's fault turns on the model: on the tokens of
// a text or on its matrices.
func ofModel(field string, err error) bool {
	switch field {
	case "windows":
		return strings.Contains(err.Error(), "so many has")
	case "delta.base":
		return true
	case "delta.tuned":
		return strings.Contains(err.Error(), "the model's")
	}
	return field == ""
}
