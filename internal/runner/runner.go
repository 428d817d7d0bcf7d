// Package runner runs a plan: quality suites case by case, timing suites in
// randomised blocks over all cases, with records flushed line by line so that
// the same command goes on where an earlier one stopped.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// Options says where records go and what they say of the process.
type Options struct {
	Records     string // path of the records file
	RunID       string
	Now         func() time.Time
	Clock       bench.Clock
	Tool        string // module version
	Commit      string
	Host        string // identity of the hardware
	Environment json.RawMessage
	FailFast    bool // end at the first case that fails
	// TimeLimit ends a case whose opening and quality suites take longer; 0
	// for none.
	TimeLimit time.Duration
	// Worker, unless nil, starts a process that reads a Job and calls Work:
	// each case is opened and its quality suites run in one.
	Worker func() (*launch.Process, error)
	// Launch starts a process that measures a case of a timing suite.
	Launch func(ctx context.Context, o suites.Order) (Remote, error)
	Meter  bench.Meter // watches the machine during timings
	// Memory returns the bytes that may still be taken; 0 if that is unknown.
	Memory   func() int64
	Log      *slog.Logger
	Progress func(Event) // may be nil
}

// An Event is told whenever the run has moved on.
type Event struct {
	Case      string   // label
	Index, Of int      // of the case, from 1
	Step      string   // load, calibrate, compress, or the suites
	Suites    []string // that the step measures; none while a case is opened
	Done      int      // of Total, the step's own units
	Total     int
	Block     int // of a timing suite, from 1; 0 otherwise
	Blocks    int
	Elapsed   time.Duration // since the run began
	Left      time.Duration // a guess; 0 while unknown
}

// An Outcome says how a run ended.
type Outcome struct {
	Cases    int // planned
	Complete int // have everything that is planned, of this run or an earlier one
	Failed   []Failure
	Measured int // cells measured now
	Dropped  int // lines of unfinished work that were taken out of the file
}

// A Failure is one case or suite that failed.
type Failure struct {
	Case, Suite string
	Err         error
}

// ErrStopped says that the run was interrupted; the same command goes on.
var ErrStopped = errors.New("stopped")

// A run is the state of one Run.
type run struct {
	p        *plan.Plan
	o        Options
	w        recordWriter
	done     map[results.Cell]bool
	outcome  Outcome
	failed   map[int]bool // cases that are out
	started  bool         // the run line is written
	opened   map[int]bool // case line written
	recipes  map[string]bool
	doubts   map[results.Cell][]string
	progress *progress
}

// A recordWriter keeps records: the file, or the parent of a worker.
type recordWriter interface {
	Write(recs ...results.Record) error
	Close() error
}

func newRun(p *plan.Plan, o Options) *run {
	return &run{p: p, o: o, failed: map[int]bool{}, opened: map[int]bool{}, recipes: map[string]bool{},
		done: map[results.Cell]bool{}, doubts: map[results.Cell][]string{}}
}

// Run runs what the records file does not have yet. A case that fails is
// recorded and the others go on; what was measured is always in the file. The
// error is about the file itself, ErrStopped, or nil.
func Run(ctx context.Context, p *plan.Plan, o Options) (*Outcome, error) {
	r := newRun(p, o)
	r.outcome.Cases = len(p.Cases)
	release, err := r.openRecords()
	if err != nil {
		return nil, err
	}
	defer release()
	r.progress = newProgress(r)
	err = r.quality(ctx)
	if err == nil {
		err = r.timing(ctx)
	}
	var f fatal
	if ctx.Err() != nil && !errors.As(err, &f) {
		err = fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	}
	r.outcome.Complete = r.complete()
	return &r.outcome, errors.Join(err, r.w.Close())
}

// complete counts the cases that have everything that is planned.
func (r *run) complete() int {
	n := 0
	for i := range r.p.Cases {
		all := true
		for _, s := range r.p.Suites {
			all = all && r.done[r.cell(i, s)]
		}
		if all {
			n++
		}
	}
	return n
}

// openRecords locks and mends the records file and opens it to be appended
// to. Mending may put another file in its place, which is locked in turn.
func (r *run) openRecords() (release func(), err error) {
	var held []*os.File
	unlock := func() {
		for _, f := range held {
			f.Close() // nothing was written through it
		}
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	f, err := lockRecords(r.o.Records)
	if err != nil {
		return nil, err
	}
	held = append(held, f)
	if err := r.resume(); err != nil {
		return nil, err
	}
	was, err1 := f.Stat()
	is, err2 := os.Stat(r.o.Records)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if !os.SameFile(was, is) {
		if f, err = lockRecords(r.o.Records); err != nil {
			return nil, err
		}
		held = append(held, f)
	}
	r.w, err = results.Append(r.o.Records, r.o.RunID, r.o.Now)
	return unlock, err
}

// quality runs the suites that are not timings, case by case.
func (r *run) quality(ctx context.Context) error {
	for i := range r.p.Cases {
		var pending []plan.Suite
		for _, s := range r.p.Suites {
			if !s.Timing && !r.done[r.cell(i, s)] {
				pending = append(pending, s)
			}
		}
		if len(pending) == 0 && !r.timingPending(i) {
			continue
		}
		measure := r.boundedCase
		if r.o.Worker != nil {
			measure = r.isolatedCase
		}
		if err := measure(ctx, i, pending); err != nil {
			return err
		}
		if r.o.FailFast && len(r.outcome.Failed) > 0 {
			return nil
		}
	}
	return nil
}

// boundedCase measures a case within the time limit.
func (r *run) boundedCase(ctx context.Context, i int, pending []plan.Suite) error {
	limit, cancel := r.limited(ctx)
	defer cancel()
	err := r.qualityCase(limit, i, pending)
	var f fatal
	if err != nil && ctx.Err() == nil && limit.Err() != nil && !errors.As(err, &f) {
		return r.fail(ctx, i, "", r.timeError(r.progress.now.suite))
	}
	return err
}

// qualityCase opens a case and runs suites on it.
func (r *run) qualityCase(ctx context.Context, i int, pending []plan.Suite) error {
	s, err := r.open(ctx, i)
	if err != nil || s == nil {
		return err
	}
	defer s.Close()
	for len(pending) > 0 {
		su, rest := pending[0], pending[1:]
		with := slices.IndexFunc(rest, func(o plan.Suite) bool { return r.p.Joins(su, o) || r.p.Joins(o, su) })
		if with < 0 {
			n, err := r.suite(ctx, i, s, su)
			if err := r.close(ctx, i, s, su, n, err); err != nil {
				return err
			}
			pending = rest
			continue
		}
		if err := r.together(ctx, i, s, su, rest[with]); err != nil {
			return err
		}
		pending = slices.Delete(slices.Clone(rest), with, with+1)
	}
	return nil
}

// close ends a cell with its done line, or the line of its failure. The error
// is nil unless the run cannot go on.
func (r *run) close(ctx context.Context, i int, s *subject.Subject, su plan.Suite, values int, err error) error {
	if err != nil {
		return r.fail(ctx, i, su.Name, err)
	}
	r.outcome.Measured++
	return r.write(r.doneLine(i, s, su, values))
}

// open opens a case and writes its line; a nil subject without an error is a
// case that failed and is recorded.
func (r *run) open(ctx context.Context, i int) (*subject.Subject, error) {
	c := r.p.Cases[i]
	r.progress.step(i, "", 0)
	s, err := r.p.Env.Open(ctx, c, func(step subject.Stage, done, total int) {
		r.progress.at(string(step), done, total)
	})
	r.progress.pause()
	if err != nil {
		return nil, r.fail(ctx, i, "", err)
	}
	if r.opened[i] {
		return s, nil
	}
	r.opened[i] = true
	r.o.Log.Info("case opened", "case", c.Label, "cached", s.Hit, "artefact", s.Artefact.Hash()[:12])
	rec := r.record(i, results.KindCase)
	rec.Artefact = s.Artefact.Hash()[:12]
	rec.Hashes = map[string]string{"case": c.Hash, "artefact": s.Artefact.Hash()}
	rec.Seconds, rec.Cached = map[string]float64{}, map[string]bool{"artefact": s.Hit}
	for stage, d := range s.Seconds {
		rec.Seconds[string(stage)] = d.Seconds()
	}
	return s, r.write(rec)
}

// openDrawn makes a case ready for a suite that draws its own weights, and
// writes its line.
func (r *run) openDrawn(_ context.Context, i int) (*subject.Subject, error) {
	s := &subject.Subject{Env: r.p.Env, Case: r.p.Cases[i]}
	if r.opened[i] {
		return s, nil
	}
	r.opened[i] = true
	rec := r.record(i, results.KindCase)
	rec.Hashes = map[string]string{"case": r.p.Cases[i].Hash}
	return s, r.write(rec)
}

// artefactOf is how records name the artefact of a case, "" if it has none.
func artefactOf(s *subject.Subject) string {
	if s.Artefact == nil {
		return ""
	}
	return s.Artefact.Hash()[:12]
}

// suite measures a case with one suite and returns the number of values.
func (r *run) suite(ctx context.Context, i int, s *subject.Subject, su plan.Suite) (int, error) {
	r.progress.step(i, su.Name, 0)
	if err := r.recipe(su); err != nil {
		return 0, err
	}
	n := 0
	start := r.o.Now()
	err := su.Run(ctx, r.p.Context, s, su.Options, r.out(i, s, su, &n))
	r.progress.pause()
	r.measured(i, su, 0, n, start, err)
	return n, err
}

// out returns what a suite writes a case's values to; n counts them.
func (r *run) out(i int, s *subject.Subject, su plan.Suite, n *int) suites.Out {
	return suites.Out{
		Doubt:    func(text string) { r.doubt(r.cell(i, su), text) },
		Clock:    r.o.Clock,
		Progress: func(done, total int) { r.progress.at(su.Name, done, total) },
		Emit: func(rec results.Record) error {
			if err := finite(rec); err != nil {
				return err
			}
			r.fillValue(&rec, i, s, su)
			*n++
			return r.write(rec)
		},
	}
}

// finite refuses a value that no record can hold.
func finite(rec results.Record) error {
	if math.IsNaN(rec.Value) || math.IsInf(rec.Value, 0) {
		return fmt.Errorf("%w: %s %s is %v", subject.ErrDiverged, rec.Metric, rec.Item, rec.Value)
	}
	return nil
}

// measured logs that a suite is done with a case, unless it failed.
func (r *run) measured(i int, su plan.Suite, block, values int, start time.Time, err error) {
	if err == nil {
		r.o.Log.Info("suite done", "case", r.p.Cases[i].Label, "suite", su.Name, "block", block, "values", values, "took", r.o.Now().Sub(start))
	}
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
