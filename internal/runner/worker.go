package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
)

// A Job is what a worker, a process that measures one case by itself, is told
// on a line of its standard input.
type Job struct {
	Path, Dir string // of the scenario
	Text      []byte // its file, verbatim
	Cache     string
	// CacheLimit is the most bytes that the cache may take, 0 for no limit.
	CacheLimit int64
	Device     string
	Threads    int
	Case       string // id
	Cells      []Cell // that are wanted; none opens the case only
	// Sources are the model's files with their hashes, which the parent has
	// computed.
	Sources []subject.SourceFile
	// Recipes are those that the records file describes already.
	Recipes []string
}

// A Cell names a suite and its recipe.
type Cell struct{ Suite, Recipe string }

// A message is a line of a worker's standard output.
type message struct {
	Record  *results.Record `json:"record,omitempty"`
	Step    *step           `json:"step,omitempty"`
	Warning string          `json:"warning,omitempty"`
	Evicted *evicted        `json:"evicted,omitempty"`
}

// An evicted entry of the cache was deleted to keep within its limit.
type evicted struct {
	Path    string
	Bytes   int64
	LastUse time.Time
}

// A step tells how far a worker is.
type step struct {
	Name        string   // load, calibrate, compress, or the suites
	Suites      []string `json:",omitempty"` // that it measures; none while the case is opened
	Done, Total int
}

// plan plans the job's case.
func (j Job) plan(set plan.Settings) (*plan.Plan, error) {
	s, err := scenarios.Parse(j.Text, j.Path, j.Dir)
	if err != nil {
		return nil, err
	}
	set.Cache, set.CacheLimit, set.Device, set.Threads, set.Cases, set.Sources = j.Cache, j.CacheLimit, j.Device, j.Threads, j.Case, j.Sources
	p, err := plan.Make(s, set)
	if err == nil && len(p.Cases) != 1 {
		return nil, errors.Join(fmt.Errorf("case %s: the scenario has %d of it, want 1", j.Case, len(p.Cases)), p.Close())
	}
	return p, err
}

// Work measures one case in this process and writes messages to out. Failures
// of the case are records; the error is about the job or out, or ErrStopped.
func Work(ctx context.Context, j Job, out io.Writer, set plan.Settings, o Options) (err error) {
	m := &messages{enc: json.NewEncoder(out)}
	// A message that cannot be sent fails the next record too.
	set.Warn = func(err error) { _ = m.send(message{Warning: err.Error()}) }
	set.Evicted = func(path string, bytes int64, lastUse time.Time) {
		_ = m.send(message{Evicted: &evicted{path, bytes, lastUse}})
	}
	o.Progress = func(e Event) { _ = m.send(message{Step: &step{e.Step, e.Suites, e.Done, e.Total}}) }
	o.Log = slog.New(slog.DiscardHandler) // the parent tells what records say
	p, err := j.plan(set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	r := newRun(p, o)
	r.w, r.started = m, true
	for _, recipe := range j.Recipes {
		r.recipes[recipe] = true
	}
	r.progress = newProgress(r)
	var pending []plan.Suite
	for _, s := range p.Suites {
		if slices.Contains(j.Cells, Cell{s.Name, s.RecipeHash}) {
			pending = append(pending, s)
		}
	}
	err = r.qualityCase(ctx, 0, pending)
	var f fatal
	if ctx.Err() != nil && !errors.As(err, &f) {
		return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	}
	return err
}

// messages writes records as messages.
type messages struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (m *messages) send(msg message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enc.Encode(msg)
}

func (m *messages) Write(recs ...results.Record) error {
	for i := range recs {
		if err := m.send(message{Record: &recs[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (m *messages) Close() error { return nil }
