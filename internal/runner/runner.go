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
	"os"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
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
