package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// cell names what a done line closes.
func (r *run) cell(i int, s plan.Suite) results.Cell {
	return results.Cell{Scenario: r.p.Scenario.Name, Case: r.p.Cases[i].ID, Suite: s.Name, Recipe: s.RecipeHash}
}

// key hashes everything that a cell's values depend on.
func (r *run) key(i int, s plan.Suite) string {
	hash, _, err := stage.Key("cell", map[string]any{
		"case": r.p.Cases[i].Hash, "suite": s.Name, "recipe": s.Recipe.Identity, "exec": s.Recipe.Exec,
	})
	if err != nil {
		panic(fmt.Sprintf("runner: %v", err)) // made of scalars
	}
	return hash[:12]
}

// resume drops unfinished work from the records file and notes what is done.
// Failures stay unless this run tries the same again. A timing suite is done
// for all planned cases or for none, since its blocks pair the cases; only a
// case that failed is tried again by itself.
func (r *run) resume() error {
	keys := map[results.Cell]string{}
	for i := range r.p.Cases {
		for _, s := range r.p.Suites {
			keys[r.cell(i, s)] = r.key(i, s)
		}
	}
	current := func(done results.Record) bool {
		key, planned := keys[done.Cell()]
		return !planned || key == done.Key
	}
	whole, err := r.timingsDone(keys)
	if err != nil {
		return err
	}
	st, err := results.Resume(r.o.Records, func(done results.Record) bool {
		if done.Kind == results.KindFailure {
			return !r.retries(done)
		}
		if _, planned := keys[done.Cell()]; planned {
			if complete, timing := whole[done.Suite+done.Recipe]; timing && !complete {
				return false
			}
		}
		return current(done)
	})
	if err != nil {
		return err
	}
	r.outcome.Dropped = st.Dropped
	for c, d := range st.Done {
		if key, planned := keys[c]; planned && key == d.Key {
			r.done[c] = true
		}
	}
	return nil
}

// retries reports whether this run tries again what a failure line is about.
func (r *run) retries(failure results.Record) bool {
	if failure.Scenario != r.p.Scenario.Name || !slices.ContainsFunc(r.p.Cases, func(c *subject.Case) bool { return c.ID == failure.Case }) {
		return false
	}
	return failure.Suite == "" || slices.ContainsFunc(r.p.Suites, func(s plan.Suite) bool { return s.Name == failure.Suite })
}

// timingsDone tells of every planned timing suite whether the file has, for
// each planned case, its times or why there are none.
func (r *run) timingsDone(keys map[results.Cell]string) (map[string]bool, error) {
	whole := map[string]bool{}
	if _, err := os.Stat(r.o.Records); errors.Is(err, fs.ErrNotExist) {
		return whole, nil
	}
	recs, err := results.ReadFiles(r.o.Records)
	if err != nil {
		return nil, err
	}
	done, failed := map[results.Cell]bool{}, map[[2]string]bool{}
	for _, rec := range recs {
		switch {
		case rec.Kind == results.KindDone && keys[rec.Cell()] == rec.Key:
			done[rec.Cell()] = true
		case rec.Kind == results.KindFailure && rec.Scenario == r.p.Scenario.Name:
			failed[[2]string{rec.Case, rec.Suite}] = true
		}
	}
	for _, s := range r.p.Suites {
		if !s.Timing {
			continue
		}
		all := true
		for i, c := range r.p.Cases {
			all = all && (done[r.cell(i, s)] || failed[[2]string{c.ID, s.Name}] || failed[[2]string{c.ID, ""}])
		}
		whole[s.Name+s.RecipeHash] = all
	}
	return whole, nil
}

func (r *run) timingPending(i int) bool {
	for _, s := range r.p.Suites {
		if s.Timing && !s.DrawsWeights() && !r.done[r.cell(i, s)] {
			return true
		}
	}
	return false
}

// record starts a line about a case.
func (r *run) record(i int, kind results.Kind) results.Record {
	c := r.p.Cases[i]
	params := maps.Clone(c.Params)
	if c.Calibration != nil {
		params["calibration"] = fmt.Sprintf("%s %dx%d seed %d", c.Calibration.Corpus.Name, c.Calibration.Sequences, c.Calibration.Length, c.Calibration.Seed)
	}
	return results.Record{
		Kind: kind, Case: c.ID, Scenario: r.p.Scenario.Name, Model: r.p.Env.Model.Name,
		Method: c.Method.Name, Params: params, Seed: c.Seed,
		Label: c.Label, Baseline: c.Baseline, NominalBits: r.nominal(c),
	}
}

// nominal is the mean of the bits aimed at over the covered matrices; of a
// case that covers none, the width of the stored type of the linear layers.
func (r *run) nominal(c *subject.Case) float64 {
	if r.p.Env.Model.None() {
		return drawnBits(c)
	}
	var bits, weights, left, leftBits float64
	cfg := r.p.Env.Model.Config
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			n := float64(s.Out) * float64(s.In)
			if c.Covers(s.Name) {
				bits += n * c.NominalBits(s)
				weights += n
			} else if t, ok := r.p.Env.Model.Tensors.Tensor(s.Name); ok {
				leftBits += 8 * float64(len(t.Data))
				left += n
			}
		}
	}
	if weights == 0 {
		bits, weights = leftBits, left
	}
	return bits / weights
}

// drawnBits is what a case without a model aims at; 0, which is not told, for
// one that matches the bytes of another, which differ from shape to shape.
func drawnBits(c *subject.Case) float64 {
	switch {
	case c.Target != nil:
		return 0
	case c.Method.Dense():
		return 16 // drawn as bf16
	}
	return c.Method.Nominal(c.Options)
}

// fill completes a value or done line.
func (r *run) fill(rec *results.Record, i int, kind results.Kind, s plan.Suite) {
	base := r.record(i, kind)
	rec.Kind, rec.Case, rec.Scenario, rec.Model = kind, base.Case, base.Scenario, base.Model
	rec.Method, rec.Params, rec.Seed = base.Method, base.Params, base.Seed
	rec.Suite, rec.Recipe, rec.Exec = s.Name, s.RecipeHash, s.ExecHash
	rec.Device = r.p.Env.Device.Name()
}

// fillValue completes a value line of a case that is open.
func (r *run) fillValue(rec *results.Record, i int, s *subject.Subject, su plan.Suite) {
	r.fill(rec, i, results.KindValue, su)
	rec.Artefact = artefactOf(s)
}

// recipe writes once a run what a recipe's hashes stand for.
func (r *run) recipe(s plan.Suite) error {
	id := s.Name + s.RecipeHash
	if r.recipes[id] {
		return nil
	}
	r.recipes[id] = true
	what := results.Record{Kind: results.KindRecipe, Scenario: r.p.Scenario.Name, Suite: s.Name, Recipe: s.RecipeHash,
		Options: s.Recipe.Identity, Words: s.Recipe.Words, Corpus: s.Recipe.Corpus, Counts: s.Recipe.Counts, Tokens: s.Recipe.Tokens}
	how := results.Record{Kind: results.KindRecipe, Scenario: r.p.Scenario.Name, Suite: s.Name, Exec: s.ExecHash, Options: s.Recipe.Exec}
	return r.write(what, how)
}

// doubt notes a reason to doubt the values of a cell, once.
func (r *run) doubt(c results.Cell, text string) {
	if !slices.Contains(r.doubts[c], text) {
		r.doubts[c] = append(r.doubts[c], text)
	}
}

// doneLine says that a cell is complete.
func (r *run) doneLine(i int, s *subject.Subject, su plan.Suite, values int) results.Record {
	rec := results.Record{}
	r.fill(&rec, i, results.KindDone, su)
	rec.Artefact = artefactOf(s)
	rec.Key, rec.Values = r.key(i, su), values
	rec.Message = strings.Join(r.doubts[rec.Cell()], "; ")
	r.done[rec.Cell()] = true
	return rec
}

// A fatal error is about the records file: nothing more can be kept.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

func (r *run) write(recs ...results.Record) error {
	if !r.started {
		r.started = true
		head := results.Record{Kind: results.KindRun, Scenario: r.p.Scenario.Name, Tool: r.o.Tool, Commit: r.o.Commit,
			Host: r.o.Host, Threads: r.p.Env.Gemm.Threads, Device: r.p.Env.Device.Name(),
			Environment: r.o.Environment, Text: string(r.p.Scenario.Text)}
		recs = append([]results.Record{head}, recs...)
	}
	if err := r.w.Write(recs...); err != nil {
		return fatal{err}
	}
	return nil
}

// fail records that a case, or one suite of it, failed. The error is nil
// unless the run cannot go on.
func (r *run) fail(ctx context.Context, i int, suite string, err error) error {
	var f fatal
	if errors.As(err, &f) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var stage *subject.StageError
	if errors.As(err, &stage) {
		err = stage // without the names of the calls that led there
	}
	c := r.p.Cases[i]
	r.failed[i] = r.failed[i] || suite == ""
	r.progress.drop(i, suite)
	r.outcome.Failed = append(r.outcome.Failed, Failure{c.Label, suite, err})
	r.o.Log.Error("case failed", "case", c.Label, "suite", suite, "err", err)
	rec := r.record(i, results.KindFailure)
	rec.Suite, rec.Message, rec.Class, rec.Stage = suite, err.Error(), classify(err), "suite"
	if stage != nil {
		rec.Stage, rec.Message = string(stage.Stage), stage.Err.Error()
	}
	return r.write(rec)
}

// classify sorts a failure into the classes of records.
func classify(err error) results.Class {
	var exit *launch.Exit
	switch {
	case errors.Is(err, subject.ErrDiverged):
		return results.ClassDiverged
	case errors.Is(err, errTimeLimit):
		return results.ClassTimeout
	case errors.Is(err, errStoppedChild):
		return results.ClassStopped
	case errors.Is(err, errMemory), errors.As(err, &exit) && exit.OutOfMemory:
		return results.ClassResource
	case errors.Is(err, suites.ErrBug):
		return results.ClassBug
	case errors.As(err, &exit):
		return results.ClassCrash
	}
	for _, scarce := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.ENOMEM, fs.ErrPermission} {
		if errors.Is(err, scarce) {
			return results.ClassResource
		}
	}
	return results.ClassInput
}
