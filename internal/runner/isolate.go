package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
)

// errTimeLimit is in the chain of the error of a case that took too long.
var errTimeLimit = errors.New("time limit")

// errStoppedChild is in the chain of the error of a worker that somebody else
// stopped.
var errStoppedChild = errors.New("its process was stopped from outside")

// errMemory is in the chain of the error of a case that is not begun for want
// of memory.
var errMemory = errors.New("not enough memory")

// exitStopped is the exit status of a worker that a signal stopped.
const exitStopped = 75

// limited bounds the time of a case.
func (r *run) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.o.TimeLimit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.o.TimeLimit, errTimeLimit)
}

// timeError tells of a case that took too long, in the step that was in work.
func (r *run) timeError(step string) error {
	return inStep(step, fmt.Errorf("%w: %v are over; --time-limit sets it", errTimeLimit, r.o.TimeLimit))
}

// inStep says in which step of a case, a suite or one of opening it, err came.
func inStep(step string, err error) error {
	return &subject.StageError{Stage: cmp.Or(subject.Stage(step), subject.StageLoad), Err: err}
}

// isolatedCase measures a case in processes of its own: one, and another for
// what is left when one suite brought its process down.
func (r *run) isolatedCase(ctx context.Context, i int, pending []plan.Suite) error {
	if err := r.admit(i); err != nil {
		return r.fail(ctx, i, "", err)
	}
	limit, cancel := r.limited(ctx)
	defer cancel()
	for {
		w := worker{r: r, index: i, pending: pending}
		err := w.run(limit)
		var f fatal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f) || ctx.Err() != nil:
			return err
		case limit.Err() != nil:
			return r.fail(ctx, i, "", r.timeError(w.now.Name))
		}
		if len(pending) > 0 && len(w.left()) == 0 {
			r.o.Log.Warn("a process did not end well", "case", r.p.Cases[i].Label, "err", err)
			return nil
		}
		if err := w.blame(ctx, err); err != nil {
			return err
		}
		if pending = w.left(); r.failed[i] || len(pending) == 0 {
			return nil
		}
	}
}

// admit compares what a case needs with the memory that is there.
func (r *run) admit(i int) error {
	free := r.o.Memory()
	want := r.p.MemoryBytes(i)
	if free > 0 && want > free {
		return inStep("", fmt.Errorf("%w: about %d bytes are wanted, %d are available: end other programs, or leave the case out with --cases; without --isolate it would be tried", errMemory, want, free))
	}
	return nil
}

// A worker is a process that measures one case, seen from its parent.
type worker struct {
	r       *run
	index   int
	pending []plan.Suite
	now     step            // in work
	failed  map[string]bool // suites that have failed
}

// left are the suites that the process has neither measured nor failed in.
func (w *worker) left() []plan.Suite {
	return slices.DeleteFunc(slices.Clone(w.pending), func(s plan.Suite) bool {
		return w.failed[s.Name] || w.r.done[w.r.cell(w.index, s)]
	})
}

// blame records which suites err, the end of the process, has failed: those in
// work, else the case.
func (w *worker) blame(ctx context.Context, err error) error {
	blamed := false
	for _, s := range w.left() {
		if !slices.Contains(w.now.Suites, s.Name) {
			continue
		}
		blamed = true
		if err := w.r.fail(ctx, w.index, s.Name, err); err != nil {
			return err
		}
		w.fails(s.Name)
	}
	if blamed {
		return nil
	}
	return w.r.fail(ctx, w.index, "", inStep(w.now.Name, err))
}

// fails notes that a suite has failed.
func (w *worker) fails(suite string) {
	if w.failed == nil {
		w.failed = map[string]bool{}
	}
	w.failed[suite] = true
}

// run starts the process, hands it the job and takes in what it measures. When
// ctx ends, the process is asked to stop; over its time limit it is killed.
func (w *worker) run(ctx context.Context) error {
	job, err := json.Marshal(w.job())
	if err != nil {
		return err
	}
	p, err := w.r.o.Worker()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errTimeLimit) {
			_ = p.Kill() // Wait tells
			return
		}
		_ = p.Interrupt()
	})()
	// A process that ends before it has read its job says why.
	_, writeErr := p.In.Write(append(job, '\n'))
	takeErr := w.take(p)
	if takeErr != nil {
		_ = p.Kill()
	}
	err = p.Wait()
	w.r.progress.pause()
	var f fatal
	var exit *launch.Exit
	switch {
	case err == nil && takeErr == nil:
		return writeErr
	case errors.As(takeErr, &f), ctx.Err() != nil && takeErr == nil:
		return errors.Join(takeErr, ctx.Err())
	case errors.As(err, &exit) && exit.Code == exitStopped:
		return errStoppedChild
	}
	return cmp.Or(takeErr, err)
}

// job is what the process is told.
func (w *worker) job() Job {
	p, s := w.r.p, w.r.p.Scenario
	j := Job{
		Path: s.Path, Dir: s.Dir, Text: s.Text, Cache: p.Env.Cache.Dir, CacheLimit: p.Env.Cache.Limit, Device: p.Device, Threads: p.Env.Gemm.Threads,
		Case: p.Cases[w.index].ID, Recipes: slices.Sorted(maps.Keys(w.r.recipes)),
	}
	if p.Env.Model != nil {
		j.Sources = p.Env.Model.Sources
	}
	for _, s := range w.pending {
		j.Cells = append(j.Cells, Cell{s.Name, s.RecipeHash})
	}
	return j
}

// take reads the messages of the process to their end.
func (w *worker) take(p *launch.Process) error {
	w.r.progress.step(w.index, "", 0)
	lines := bufio.NewReader(p.Out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // a torn line is that of a process that did not end well
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("worker printed %.80q: %w", line, err)
		}
		if m.Step != nil {
			w.at(*m.Step)
		}
		if m.Warning != "" {
			w.r.o.Log.Warn(m.Warning)
		}
		if e, tell := m.Evicted, w.r.p.Env.Cache.Evicted; e != nil && tell != nil {
			tell(e.Path, e.Bytes, e.LastUse)
		}
		if m.Record != nil {
			if err := w.keep(*m.Record); err != nil {
				return err
			}
		}
	}
}

// at shows how far the process is.
func (w *worker) at(s step) {
	p := w.r.progress
	if !slices.Equal(s.Suites, w.now.Suites) {
		p.pause()
		if len(s.Suites) > 1 {
			p.join(w.index, s.Suites[0], s.Suites[1])
		}
		p.step(w.index, append(s.Suites, "")[0], 0)
	}
	w.now = s
	p.at(s.Name, s.Done, s.Total)
}

// keep writes a record of the process and notes what it says.
func (w *worker) keep(rec results.Record) error {
	r, i := w.r, w.index
	switch rec.Kind {
	case results.KindCase:
		r.opened[i] = true
	case results.KindRecipe:
		if rec.Recipe != "" {
			r.recipes[rec.Suite+rec.Recipe] = true
		}
	case results.KindFailure:
		r.failed[i] = r.failed[i] || rec.Suite == ""
		w.fails(rec.Suite)
		r.progress.drop(i, rec.Suite)
		err := errors.New(rec.Message)
		r.outcome.Failed = append(r.outcome.Failed, Failure{r.p.Cases[i].Label, rec.Suite, err})
		r.o.Log.Error("case failed", "case", r.p.Cases[i].Label, "suite", rec.Suite, "err", err)
	}
	if err := r.write(rec); err != nil {
		return err
	}
	if rec.Kind == results.KindDone {
		r.done[rec.Cell()] = true
		r.outcome.Measured++
	}
	return nil
}
