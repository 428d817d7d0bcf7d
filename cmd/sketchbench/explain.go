package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
)

// An explanation tells of one case what of it is cached and measured, and
// where it is not, what changed.
type explanation struct {
	Scenario string             `json:"scenario"`
	ID       string             `json:"id"`
	Label    string             `json:"label"`
	Model    string             `json:"model"`
	Stages   []stageView        `json:"stages"`
	Records  string             `json:"records,omitempty"` // the file, if it is there
	Cells    []runner.CellState `json:"cells,omitempty"`
}

type stageView struct {
	Stage   string            `json:"stage"`
	Hash    string            `json:"hash"`
	Cached  bool              `json:"cached"`
	Key     map[string]any    `json:"key"`
	Nearest []stage.Neighbour `json:"nearest,omitempty"`
	fields  map[string]string
}

// explain explains the cases of a pattern.
func (a *app) explain(plans []*plan.Plan, f planFlags) error {
	var labels []string
	var found []explanation
	for _, p := range plans {
		for i, c := range p.Cases {
			labels = append(labels, c.Label)
			if !plan.Named(c, f.explain) {
				continue
			}
			e, err := explainCase(p, i, runFlags{output: f.output}.records(p))
			if err != nil {
				return err
			}
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: --explain: %q is no case%s", errUsage, f.explain, scenarios.DidYouMean(f.explain, labels))
	}
	if f.format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(found)
	}
	ew := &errWriter{w: a.out}
	for i, e := range found {
		if i > 0 {
			ew.printf("\n")
		}
		e.text(ew)
	}
	return ew.err
}

func explainCase(p *plan.Plan, i int, records string) (explanation, error) {
	c := p.Cases[i]
	e := explanation{Scenario: p.Scenario.Name, ID: c.ID, Label: c.Label, Model: p.Env.Model.Name, Stages: []stageView{}}
	var requests []stage.Request
	if p.WantsMoments() {
		requests = append(requests, p.Env.MomentsRequest(*p.Context.Calibration()))
	}
	if !c.Method.Dense() && !p.Env.Model.None() {
		requests = append(requests, p.Env.ArtefactRequest(c))
	}
	for _, r := range requests {
		v, err := explainStage(p.Env.Cache, r)
		if err != nil {
			return e, err
		}
		e.Stages = append(e.Stages, v)
	}
	if _, err := os.Stat(records); errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	recs, err := results.ReadFiles(records)
	if err != nil {
		return e, err
	}
	e.Records = records
	e.Cells, err = runner.Explain(p, i, recs)
	return e, err
}

func explainStage(cache stage.Cache, r stage.Request) (v stageView, err error) {
	v = stageView{Stage: r.Stage, Key: r.Key.(map[string]any)}
	if v.Hash, _, err = stage.Key(r.Stage, r.Key); err != nil {
		return v, err
	}
	if v.fields, err = stage.Fields(r.Key); err != nil {
		return v, err
	}
	if _, v.Cached = cache.Lookup(r.Stage, r.Key); v.Cached {
		return v, nil
	}
	v.Nearest, err = cache.Nearest(r)
	return v, err
}

func (e explanation) text(w *errWriter) {
	w.printf("%s: %s (%s)\n", e.Scenario, e.Label, e.ID)
	switch {
	case e.Model == subject.NoModel:
		w.printf("random matrices: no stage is cached\n")
	case len(e.Stages) == 0:
		w.printf("the uncompressed model: no stage is cached\n")
	}
	for _, s := range e.Stages {
		s.text(w)
	}
	if e.Records == "" {
		w.printf("no records yet: every suite is to be measured\n")
	}
	for _, c := range e.Cells {
		switch {
		case c.Measured:
			w.printf("%s, recipe %s: measured in %s\n", c.Suite, c.Recipe, e.Records)
		case c.Nearest == "":
			w.printf("%s, recipe %s: to be measured: %s has no complete %s\n", c.Suite, c.Recipe, e.Records, c.Suite)
		default:
			w.printf("%s, recipe %s: to be measured; the nearest in %s is case %s, from which differ\n", c.Suite, c.Recipe, e.Records, c.Nearest)
			differences(w, c.Differences)
		}
	}
}

func (s stageView) text(w *errWriter) {
	state := "to make"
	if s.Cached {
		state = "cached"
	}
	w.printf("%s/%s: %s\n", s.Stage, s.Hash, state)
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		w.printf("  %s: %s\n", name, s.fields[name])
	}
	switch {
	case s.Cached:
	case len(s.Nearest) == 0:
		w.printf("  the cache has no other entry of this stage\n")
	default:
		n := s.Nearest[0]
		w.printf("  from the nearest entry, %s%s, differ\n", n.Path, others(len(s.Nearest)-1))
		differences(w, n.Differences)
	}
}

// others counts entries that are as near.
func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d more as near)", n)
}

func differences(w *errWriter, ds []stage.Difference) {
	for _, d := range ds {
		w.printf("    %s: %s → %s\n", d.Field, orDash(d.Old), orDash(d.New))
	}
}
