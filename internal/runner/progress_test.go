package runner

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/results"
)

// clocked is a run whose time a test moves, with progress that it sees.
func clocked(t *testing.T) (p *progress, tick func(time.Duration), last func() Event) {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var event Event
	o := options(t, filepath.Join(t.TempDir(), "r.jsonl"))
	o.Now = func() time.Time { return now }
	o.Progress = func(e Event) {
		if e.Left < 0 || e.Elapsed < 0 || e.Done < 0 || e.Index < 1 || e.Index > e.Of || e.Block > e.Blocks {
			t.Errorf("event %+v", e)
		}
		event = e
	}
	r := &run{p: makePlan(t, text), o: o, done: map[results.Cell]bool{}}
	p = newProgress(r)
	for _, s := range p.steps {
		s.guess = 10 * time.Second
	}
	return p, func(d time.Duration) { now = now.Add(d) }, func() Event { return event }
}

// TestLeft follows a run of 2 cases: opening, perplexity, and 6 blocks of
// latency, each step guessed at 10 s, so 60 s in all.
func TestLeft(t *testing.T) {
	p, tick, last := clocked(t)
	if left := p.left(p.start); left != 60*time.Second {
		t.Fatalf("%v left at the start, want 60 s", left)
	}
	p.step(0, "", 0)
	p.pause() // the model was opened in no time
	p.step(0, "perplexity", 0)
	if e := last(); e.Step != "perplexity" || e.Done != 0 || e.Left != 50*time.Second {
		t.Errorf("at the start of a step: %+v", e)
	}
	tick(10 * time.Second)
	p.at("perplexity", 1, 2)
	// Half a suite took 10 s where 5 s were guessed: suites of its kind take
	// twice as long, 10 + 20 s. All in all 15 s of guesses took 10 s, so the
	// other 30 s shrink to 20 s.
	if e := last(); e.Left != 50*time.Second || e.Done != 1 || e.Total != 2 || e.Block != 0 {
		t.Errorf("half-way: %+v, want 50 s left", e)
	}
	tick(10 * time.Second)
	p.pause()
	p.step(1, "", 0)
	p.pause()
	p.step(1, "perplexity", 0)
	tick(20 * time.Second)
	p.pause()
	// 40 s of guesses took 40 s: 20 s for the timings.
	p.step(0, "latency", 0)
	if e := last(); e.Left != 20*time.Second || e.Block != 1 || e.Blocks != 6 {
		t.Errorf("before the timings: %+v, want 20 s left", e)
	}
	for block := range 6 {
		for _, i := range []int{1, 0} {
			p.step(i, "latency", block)
			tick(time.Second)
			p.at("latency", 1, 1)
			p.pause()
		}
	}
	if left := p.left(p.r.o.Now()); left != 0 {
		t.Errorf("%v left at the end", left)
	}
	if e := last(); e.Elapsed != 52*time.Second || e.Block != 6 {
		t.Errorf("the last event is %+v", e)
	}
}

// TestLeftBlocks shrinks what is left with every block.
func TestLeftBlocks(t *testing.T) {
	p, tick, last := clocked(t)
	for i := range 2 {
		p.step(i, "", 0)
		p.pause()
		p.step(i, "perplexity", 0)
		p.pause()
	}
	before := time.Hour
	for block := range 6 {
		for i := range 2 {
			p.step(i, "latency", block)
			tick(3 * time.Second)
			if block == 0 {
				tick(15 * time.Second) // of warm-up
			}
			p.at("latency", 1, 1)
			if e := last(); e.Left >= before {
				t.Errorf("block %d, case %d: %v left, %v before", block, i, e.Left, before)
			}
			before = last().Left
			p.pause()
		}
	}
}

// TestLeftOdd survives guesses of nothing, totals of nothing, counts beyond
// the total, and steps that will not come.
func TestLeftOdd(t *testing.T) {
	p, tick, _ := clocked(t)
	for _, s := range p.steps {
		s.guess = 0
	}
	p.step(0, "perplexity", 0)
	tick(time.Minute)
	for _, d := range [][2]int{{0, 0}, {5, 0}, {-1, 2}, {3, 2}, {2, 2}} {
		if d[0] < 0 {
			p.r.o.Progress = nil // an event with it would be refused
		}
		p.at("perplexity", d[0], d[1])
	}
	p, tick, last := clocked(t)
	for _, s := range p.steps {
		s.guess = 1 << 62
	}
	p.step(0, "perplexity", 0)
	tick(time.Minute)
	p.at("perplexity", 1, 1000)
	if e := last(); e.Left > maxLeft {
		t.Errorf("%v left", e.Left)
	}
	p.drop(0, "")
	for id := range p.steps {
		if id.index == 0 {
			t.Errorf("step %+v of a failed case is left", id)
		}
	}
	p.drop(1, "latency")
	if p.steps[stepID{1, "latency"}] != nil || p.steps[stepID{1, "perplexity"}] == nil {
		t.Error("the wrong step was dropped")
	}
	p.at("perplexity", 1, 1) // of a case that is out: no matter
	p.pause()
}

// TestSkips leaves out what the records file has.
func TestSkips(t *testing.T) {
	r := &run{p: makePlan(t, text), o: options(t, "r"), done: map[results.Cell]bool{}}
	for _, s := range r.p.Suites {
		r.done[r.cell(0, s)] = true
	}
	r.done[r.cell(1, r.p.Suites[0])] = true
	for _, s := range r.p.Steps() {
		want := s.Case == 0 || s.Suite == "perplexity"
		if got := r.skips(s); got != want {
			t.Errorf("case %d, suite %q: skipped %v, want %v", s.Case, s.Suite, got, want)
		}
	}
}
