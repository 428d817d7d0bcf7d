// Package plan expands a scenario to cases, finds every fault before any work
// starts, and estimates what a run costs. It runs nothing.
package plan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

// Settings come from flags, environment, scenario and defaults, in this order
// of precedence.
type Settings struct {
	Cache   string
	Device  string // "" leaves it to the scenario, then auto
	Threads int    // 0 leaves it to the scenario, then all processors
	Cases   string // "" all; a pattern over labels and ids, or K/N
	Suites  []string
	Child   func(ctx context.Context, args ...string) ([]byte, error)
	Warn    func(error) // told of damaged cache entries that are set aside
}

// A Plan is a scenario whose every part is known and checked.
type Plan struct {
	Scenario *scenarios.Scenario
	Env      *subject.Env
	Context  *suites.Context
	Cases    []*subject.Case
	Suites   []Suite
	// Baseline is the label of the case that ratios are taken against, "" for
	// none.
	Baseline string
}

// A Suite is one suite of a plan with its options.
type Suite struct {
	suites.Suite
	Options any
	Recipe  suites.Recipe
	// RecipeHash and ExecHash are the first 12 hex digits of the hashes of
	// the two halves of the recipe.
	RecipeHash, ExecHash string
}

// Make plans a scenario. The error is a *scenarios.Faults with every fault
// that can be found before work starts, or says why the device or the cache
// cannot be had.
func Make(s *scenarios.Scenario, set Settings) (*Plan, error) {
	faults := &scenarios.Faults{Path: s.Path}
	p := &Plan{Scenario: s}
	device, threads := set.Device, set.Threads
	if device == "" {
		device = s.Device
	}
	if device == "" {
		device = "auto"
	}
	if threads == 0 {
		threads = s.Threads
	}
	dev, cfg, err := subject.OpenDevice(device, threads)
	if err != nil {
		return nil, err
	}
	p.Env = &subject.Env{Cache: stage.Cache{Dir: set.Cache, Warn: set.Warn}, Device: dev, Gemm: cfg, Child: set.Child}
	x := expander{p: p, s: s, faults: faults}
	x.model()
	x.methods()
	x.suites(set.Suites)
	if err := faults.Err(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.selectCases(set.Cases); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close releases the model and the device.
func (p *Plan) Close() error {
	var err error
	if p.Env.Model != nil {
		err = p.Env.Model.Close()
	}
	return errors.Join(err, p.Env.Device.Close())
}

// An expander turns a scenario into a plan, fault by fault.
type expander struct {
	p           *Plan
	s           *scenarios.Scenario
	faults      *scenarios.Faults
	calibration []*subject.Calibration
}

// lines adds a fault for every line of err at pos.
func (x *expander) lines(pos scenarios.Pos, prefix string, err error) {
	for _, l := range strings.Split(err.Error(), "\n") {
		x.faults.Add(pos, "%s%s", prefix, l)
	}
}

// model opens the model and the calibration texts.
func (x *expander) model() {
	dir := x.s.Model
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(x.s.Dir, dir)
	}
	m, err := subject.OpenModel(x.s.Model, dir)
	if err != nil {
		x.lines(x.s.ModelPos, "model: ", err)
	}
	x.p.Env.Model = m
	for _, c := range x.s.Calibration {
		ref := subject.CorpusRef{Name: c.Corpus.Name, Join: c.Corpus.Join}
		if c.Corpus.File != "" {
			ref.File = c.Corpus.Resolve(x.s.Dir)
		}
		cal := &subject.Calibration{Corpus: ref, Sequences: c.Sequences, Length: c.Length, Seed: c.Seed}
		x.calibration = append(x.calibration, cal)
		if c.Corpus.Join != "" && c.Corpus.Join != "rows" {
			x.faults.Add(c.Corpus.Pos, "calibration.corpus.join: %s, want rows: calibration texts are always joined that way", c.Corpus.Join)
		}
		if m == nil {
			if _, err := ref.Open(); err != nil {
				x.lines(c.Corpus.Pos, "calibration.corpus: ", err)
			}
			continue
		}
		if c.Length > m.Config.MaxPositions {
			x.faults.Add(c.Pos, "calibration.length: %d, the model has %d positions", c.Length, m.Config.MaxPositions)
			continue
		}
		if _, err := cal.Windows(m); err != nil {
			x.lines(c.Pos, "calibration: ", err)
		}
	}
}

// suites decodes and prepares the suites, perplexity first, since others may
// take its text.
func (x *expander) suites(only []string) {
	c := &suites.Context{Env: x.p.Env, Dir: x.s.Dir, Calibrations: x.calibration}
	x.p.Context = c
	seen := map[string]bool{}
	decoded := make([]any, len(x.s.Suites))
	for i, ss := range x.s.Suites {
		su, ok := suites.Lookup(ss.Name)
		if !ok {
			if ss.Name != "" {
				x.faults.Add(ss.Pos, "%s: unknown suite %q, want one of %s%s", ss.Path, ss.Name, strings.Join(suites.Names(), ", "), scenarios.DidYouMean(ss.Name, suites.Names()))
			}
			continue
		}
		decoded[i] = su.New()
		before := len(x.faults.List)
		scenarios.Decode(ss.Params, ss.Path, decoded[i], x.faults)
		if len(x.faults.List) > before {
			decoded[i] = nil
			continue
		}
		if su.Scores != nil && c.Scored == nil {
			c.Scored = su.Scores(decoded[i])
		}
	}
	for i, ss := range x.s.Suites {
		if decoded[i] == nil {
			continue
		}
		su, _ := suites.Lookup(ss.Name)
		x.suite(su, ss, decoded[i], only, seen)
	}
	for _, name := range only {
		if _, ok := suites.Lookup(name); !ok {
			x.faults.Add(scenarios.Pos{}, "--suites: unknown suite %q, want one of %s", name, strings.Join(suites.Names(), ", "))
		}
	}
}

func (x *expander) suite(su suites.Suite, ss scenarios.Suite, o any, only []string, seen map[string]bool) {
	if x.p.Env.Model == nil {
		return
	}
	if errs := su.Prepare(x.p.Context, o); len(errs) > 0 {
		for _, err := range errs {
			x.lines(fieldPos(ss.Params, ss.Pos, err), ss.Path+".", err)
		}
		return
	}
	ps := Suite{Suite: su, Options: o, Recipe: su.Recipe(x.p.Context, o)}
	ps.RecipeHash, ps.ExecHash = shortHash(ps.Recipe.Identity), shortHash(ps.Recipe.Exec)
	if key := su.Name + ps.RecipeHash; seen[key] {
		x.faults.Add(ss.Pos, "%s: the same as an earlier suite", ss.Path)
	} else {
		seen[key] = true
	}
	if len(only) == 0 || contains(only, su.Name) {
		x.p.Suites = append(x.p.Suites, ps)
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// fieldPos finds the place of the field that a fault starts with.
func fieldPos(n scenarios.Node, otherwise scenarios.Pos, err error) scenarios.Pos {
	name, _, _ := strings.Cut(err.Error(), ":")
	name, _, _ = strings.Cut(name, "[")
	for _, f := range n.Fields {
		if f.Key == strings.TrimSpace(name) {
			return f.Value.Pos
		}
	}
	return otherwise
}

// shortHash is the first 12 hex digits of the hash of a map of scalars.
func shortHash(m map[string]any) string {
	hash, _, err := stage.Key("recipe", m)
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // maps made by suites hold scalars
	}
	return hash[:12]
}
