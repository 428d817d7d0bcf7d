// Package plan expands a scenario to cases, finds every fault before any work
// starts, and estimates what a run costs. It runs nothing.
package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

// Settings come from flags, environment, scenario and defaults, in this order
// of precedence.
type Settings struct {
	Cache string
	// CacheLimit is the most bytes that the cache may take, 0 for no limit.
	CacheLimit int64
	Device     string // "" leaves it to the scenario, then auto
	Threads    int    // 0 leaves it to the scenario, then all processors
	// DeviceFrom and ThreadsFrom say where Device and Threads come from, such
	// as --threads.
	DeviceFrom, ThreadsFrom string
	Cases                   string // "" all; a pattern over labels and ids, or K/N
	Suites                  []string
	Child                   func(ctx context.Context, args ...string) ([]byte, error)
	Warn                    func(error) // told of damaged cache entries that are set aside
	// Evicted is told what was deleted to keep the cache within CacheLimit.
	Evicted func(path string, bytes int64, lastUse time.Time)
	// Sources are hashes of the model's files that are known already.
	Sources []subject.SourceFile
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
	Device   string // as asked for, auto by default
	// DeviceFrom and ThreadsFrom say what decided the two: that of the
	// settings, the scenario or the default.
	DeviceFrom, ThreadsFrom string

	// What the scenario asks for before flags select from it.
	allCases  []*subject.Case
	allSuites []Suite
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

// DrawsWeights reports whether the suite draws its own weights.
func (s Suite) DrawsWeights() bool { return s.Draws != nil && s.Draws(s.Options) }

// Make plans a scenario. The error is a *scenarios.Faults with every fault
// that can be found before work starts, or says why the device or the cache
// cannot be had.
func Make(s *scenarios.Scenario, set Settings) (*Plan, error) {
	faults := &scenarios.Faults{Path: s.Path, List: slices.Clone(s.Faults)}
	p := &Plan{Scenario: s}
	var threads int
	p.Device, p.DeviceFrom = firstSet("auto", set.Device, set.DeviceFrom, s.Device)
	threads, p.ThreadsFrom = firstSet(0, set.Threads, set.ThreadsFrom, s.Threads)
	dev, cfg, err := subject.OpenDevice(p.Device, threads)
	if err != nil {
		return nil, err
	}
	p.Env = &subject.Env{Cache: stage.Cache{Dir: set.Cache, Limit: set.CacheLimit, Warn: set.Warn, Evicted: set.Evicted}, Device: dev, Gemm: cfg, Child: set.Child}
	x := expander{p: p, s: s, faults: faults, sources: set.Sources}
	x.model()
	x.methods()
	x.suites(set.Suites)
	faults.List = distinct(faults.List)
	if err := faults.Err(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.selectCases(set.Cases); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// firstSet returns the first of set, scenario and otherwise that is not zero,
// and where it comes from.
func firstSet[T comparable](otherwise, set T, setFrom string, scenario T) (value T, from string) {
	var zero T
	switch {
	case set != zero:
		return set, setFrom
	case scenario != zero:
		return scenario, "the scenario"
	}
	return otherwise, "the default"
}

// distinct drops faults that are there before: several cases of an entry may
// share one.
func distinct(list []scenarios.Fault) []scenarios.Fault {
	seen := map[scenarios.Fault]bool{}
	return slices.DeleteFunc(list, func(f scenarios.Fault) bool {
		again := seen[f]
		seen[f] = true
		return again
	})
}

// Total is the number of cases before flags select from them.
func (p *Plan) Total() int { return len(p.allCases) }

// Close releases the model, the device and what is in use of the cache.
func (p *Plan) Close() error {
	return p.Env.Close()
}

// An expander turns a scenario into a plan, fault by fault.
type expander struct {
	p           *Plan
	s           *scenarios.Scenario
	faults      *scenarios.Faults
	sources     []subject.SourceFile
	calibration []*subject.Calibration
	tooFew      map[tooFew]int // index in faults of the worst one
}

// lines adds a fault for every line of err at pos.
func (x *expander) lines(pos scenarios.Pos, prefix string, err error) {
	for _, l := range strings.Split(err.Error(), "\n") {
		x.faults.Add(pos, "%s%s", prefix, l)
	}
}

// model opens the model and the calibration texts.
func (x *expander) model() {
	if x.s.Model != "" {
		x.openModel()
	}
	for _, c := range x.s.Calibration {
		x.addCalibration(c)
	}
}

func (x *expander) openModel() {
	dir := x.s.Model
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(x.s.Dir, dir)
	}
	m, err := subject.OpenModel(x.s.Model, dir, x.sources...)
	if err != nil {
		x.lines(x.s.ModelPos, "model: ", err)
	}
	x.p.Env.Model = m
}

// none reports whether the scenario says that it has no model.
func (x *expander) none() bool { return x.p.Env.Model != nil && x.p.Env.Model.None() }

// addCalibration checks a calibration and that its text is long enough.
func (x *expander) addCalibration(c scenarios.Calibration) {
	if x.none() {
		x.faults.Add(c.Pos, "calibration: there is no model (model: %s) to run a text through: remove calibration", subject.NoModel)
		return
	}
	ref := subject.CorpusRef{Name: c.Corpus.Name, Join: c.Corpus.Join}
	if c.Corpus.File != "" {
		ref.File = c.Corpus.Resolve(x.s.Dir)
	}
	cal := &subject.Calibration{Corpus: ref, Sequences: c.Sequences, Length: c.Length, Seed: c.Seed}
	x.calibration = append(x.calibration, cal)
	if c.Corpus.Join == "lines" || c.Corpus.Join == "raw" {
		x.faults.Add(c.Corpus.Pos, "calibration.corpus.join: %s, want rows: calibration texts are always joined that way", c.Corpus.Join)
	}
	if c.Corpus.Name == "" && c.Corpus.File == "" || c.Sequences < 1 || c.Length < 2 {
		return // told already
	}
	m := x.p.Env.Model
	if _, err := ref.Open(); err != nil {
		x.lines(c.Corpus.Pos, "calibration.corpus: ", whereTexts(err))
	} else if m != nil && c.Length > m.Config.MaxPositions {
		x.faults.Add(c.Pos, "calibration.length: %d, the model has %d positions", c.Length, m.Config.MaxPositions)
	} else if m != nil {
		if _, err := cal.Windows(m); err != nil {
			x.lines(c.Pos, "calibration: ", err)
		}
	}
}

// whereTexts adds to the error about an absent text what to do.
func whereTexts(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w; put the text there (a relative path starts from the scenario's folder) or name a shipped one", err)
}

// shortHash is the first 12 hex digits of the hash of a map of scalars.
func shortHash(m map[string]any) string {
	hash, _, err := stage.Key("recipe", m)
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // maps made by suites hold scalars
	}
	return hash[:12]
}
