package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// timing runs the timing suites in randomised complete blocks.
func (r *run) timing(ctx context.Context) error {
	for _, su := range r.p.Suites {
		if !su.Timing || r.failsFast() {
			continue
		}
		if err := r.timingSuite(ctx, su); err != nil {
			return err
		}
	}
	return nil
}

// blockSeed shuffles the blocks: the same order in every run of the same
// cases.
const blockSeed = 0

// timed is one case of a timing suite, or the A/A control.
type timed struct {
	index   int
	s       *subject.Subject
	control bool   // a second process of a case that is timed by itself too
	remote  Remote // nil while no process runs
	failed  bool
	values  []results.Record
	reading []int // of values: index in timings.readings, -1 for those without
}

// timings is one timing suite in work.
type timings struct {
	r        *run
	su       plan.Suite
	layout   suites.Layout
	blocks   int      // at least
	cases    []*timed // the control last
	resident bool     // all processes of a launch fit into memory at once
	launch   int      // in work; -1 before the first
	readings []bench.Reading
	ended    string // the criterion that a ceiling left unmet
}

// timingSuite measures what the file does not have of one suite. Values are
// held back until all blocks are done: those of an unfinished suite would be
// dropped when the run goes on, and doubts about clocks need all of them.
func (r *run) timingSuite(ctx context.Context, su plan.Suite) error {
	t := &timings{r: r, su: su, blocks: su.Blocks(su.Options), launch: -1}
	t.layout = suites.Layout{Launches: 1, MaxBlocks: t.blocks}
	defer func() {
		for _, c := range t.cases {
			if !c.control {
				c.s.Close()
			}
		}
	}()
	if err := t.open(ctx); err != nil || len(t.cases) == 0 || r.failsFast() {
		return err
	}
	if su.Launched != nil {
		t.layout = su.Launched.Layout(su.Options)
		t.addControl()
		t.resident = t.fits()
		if !t.resident {
			t.layout.Launches = t.blocks
		}
		r.o.Log.Info("timing in processes", "suite", su.Name, "cases", len(t.cases), "resident", t.resident)
	}
	defer t.end()
	if err := t.run(ctx); err != nil || r.failsFast() {
		return err
	}
	return t.write()
}

// open opens the cases that are not done.
func (t *timings) open(ctx context.Context) error {
	for i := range t.r.p.Cases {
		if t.r.failed[i] || t.r.done[t.r.cell(i, t.su)] {
			continue
		}
		open := t.r.open
		if t.su.DrawsWeights() {
			open = t.r.openDrawn
		}
		s, err := open(ctx, i)
		if err != nil {
			return err
		}
		if s != nil {
			t.cases = append(t.cases, &timed{index: i, s: s})
		}
	}
	return nil
}

// addControl adds the A/A control: the baseline once more, or the first case
// if the baseline is not timed.
func (t *timings) addControl() {
	twice := t.cases[0]
	for _, c := range t.cases {
		if t.r.p.Cases[c.index].Baseline {
			twice = c
		}
	}
	t.cases = append(t.cases, &timed{index: twice.index, s: twice.s, control: true})
}

// run measures block after block: as many as were asked for, then more until
// the medians are known well enough or a ceiling is reached.
func (t *timings) run(ctx context.Context) error {
	start := t.r.o.Now()
	orders := bench.Blocks(blockSeed, len(t.cases), t.layout.MaxBlocks)
	for b, order := range orders {
		if t.r.failsFast() || b >= t.blocks && t.enough(t.r.o.Now().Sub(start)) {
			break
		}
		if err := t.block(ctx, b, order); err != nil {
			return err
		}
	}
	t.enough(t.r.o.Now().Sub(start))
	return nil
}

// enough applies the stopping rule.
func (t *timings) enough(spent time.Duration) bool {
	rule := bench.StopRule{HalfWidth: t.layout.HalfWidth, MaxRuns: t.layout.MaxBlocks, Budget: t.layout.Budget, Noun: "blocks"}
	var series [][]float64
	for _, c := range t.cases {
		if !c.failed && !c.control {
			series = append(series, blockMedians(c.values, t.layout.Metrics)...)
		}
	}
	var stop bool
	stop, t.ended = rule.StopAll(series, spent)
	return stop
}

// block measures one block of every case, in the order given.
func (t *timings) block(ctx context.Context, b int, order []int) error {
	launch := bench.Launch(b, t.blocks, t.layout.Launches)
	fresh := launch != t.launch
	t.launch = launch
	if fresh && t.su.Launched != nil {
		t.end()
	}
	if fresh && t.resident {
		for _, k := range order {
			if err := t.attempt(ctx, t.cases[k], b, t.start); err != nil {
				return err
			}
		}
	}
	for _, k := range order {
		if err := t.attempt(ctx, t.cases[k], b, t.measure); err != nil {
			return err
		}
	}
	return nil
}

// attempt does one step of a case that has not failed. A case that fails in it
// stays out from then on, and its control with it; a control that fails is told
// as a doubt.
func (t *timings) attempt(ctx context.Context, c *timed, block int, step func(context.Context, *timed, int) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.failed || t.r.failsFast() {
		return nil
	}
	err := step(ctx, c, block)
	t.r.progress.pause()
	if err == nil {
		return nil
	}
	c.failed = true
	var f fatal
	if c.control && ctx.Err() == nil && !errors.As(err, &f) {
		t.r.o.Log.Warn("A/A control failed", "suite", t.su.Name, "err", err)
		t.r.doubt(t.r.cell(c.index, t.su), fmt.Sprintf("the A/A control failed in block %d: %v", block+1, err))
		return nil
	}
	for _, other := range t.cases {
		other.failed = other.failed || other.control && other.index == c.index
	}
	return t.r.fail(ctx, c.index, t.su.Name, err)
}

// measure measures one block of one case.
func (t *timings) measure(ctx context.Context, c *timed, block int) error {
	if t.su.Launched == nil {
		return t.inProcess(ctx, c, block)
	}
	if c.remote == nil {
		if err := t.start(ctx, c, block); err != nil {
			return err
		}
	}
	t.r.progress.step(c.index, t.su.Name, block)
	stop := t.r.o.Meter.Watch(c.remote.Pid())
	a, err := c.remote.Block(ctx, block)
	reading := stop()
	if err != nil {
		c.remote = nil // it has ended
		return err
	}
	for i := range a.Values {
		a.Values[i].Block = block
	}
	t.keep(c, a, reading)
	if !t.resident {
		return t.endOf(c)
	}
	return nil
}

// inProcess measures one block of one case in this process.
func (t *timings) inProcess(ctx context.Context, c *timed, block int) error {
	t.r.progress.step(c.index, t.su.Name, block)
	if err := t.r.recipe(t.su); err != nil {
		return err
	}
	var a suites.Answer
	out := t.r.out(c.index, c.s, t.su, new(int))
	out.Block, out.First = block, block == 0
	out.Emit = func(rec results.Record) error {
		a.Values = append(a.Values, rec)
		return finite(rec)
	}
	start := t.r.o.Now()
	stop := t.r.o.Meter.Watch()
	err := t.su.Run(ctx, t.r.p.Context, c.s, t.su.Options, out)
	reading := stop()
	t.r.measured(c.index, t.su, block, len(a.Values), start, err)
	c.s.CloseEngines()
	if err == nil {
		t.keep(c, a, reading)
	}
	return err
}

// write completes the records with what is known only now, and closes the
// cells. It is one write, so that a kill cannot keep the timings of some cases
// only.
func (t *timings) write() error {
	flags := bench.Flags(t.readings)
	var values, done []results.Record
	count := map[int]int{}
	for _, c := range t.cases {
		// A control that failed leaves what it has measured, in a cell that is whole.
		if c.failed && (!c.control || t.failed(c.index)) {
			continue
		}
		for i, v := range c.values {
			if k := c.reading[i]; k >= 0 {
				v.Flags = flags[k]
			}
			values = append(values, v)
		}
		count[c.index] += len(c.values)
	}
	for _, c := range t.cases {
		if c.failed || c.control {
			continue
		}
		if t.ended != "" {
			t.r.doubt(t.r.cell(c.index, t.su), t.ended)
		}
		done = append(done, t.r.doneLine(c.index, c.s, t.su, count[c.index]))
	}
	if len(done) == 0 {
		return nil
	}
	t.r.outcome.Measured += len(done)
	return t.r.write(slices.Concat(values, done)...)
}

// failed reports whether the case itself failed.
func (t *timings) failed(index int) bool {
	return slices.ContainsFunc(t.cases, func(c *timed) bool { return c.index == index && !c.control && c.failed })
}
