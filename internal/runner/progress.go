package runner

import (
	"time"

	"github.com/sketchbench/sketchbench/internal/plan"
)

// progress guesses how long a run still takes: the plan's guesses, corrected
// by how the finished steps compared with theirs.
type progress struct {
	r       *run
	steps   map[stepID]*stepState
	start   time.Time
	guessed time.Duration // of the finished steps
	spent   time.Duration // on them
	now     stepID
	block   int
	began   time.Time // of the step in work
}

type stepID struct {
	index int
	suite string
}

type stepState struct {
	guess    time.Duration
	spent    time.Duration // earlier blocks
	finished bool
}

func newProgress(r *run) *progress {
	p := &progress{r: r, steps: map[stepID]*stepState{}, start: r.o.Now()}
	if r.o.Progress == nil {
		return p
	}
	for _, s := range r.p.Steps() {
		if r.skips(s) {
			continue
		}
		p.steps[stepID{s.Case, s.Suite}] = &stepState{guess: s.Guess}
	}
	return p
}

// skips tells whether the records file makes a step unnecessary.
func (r *run) skips(s plan.Step) bool {
	pending := false
	for _, su := range r.p.Suites {
		if done := r.done[r.cell(s.Case, su)]; su.Name == s.Suite {
			return done
		} else if !done {
			pending = true
		}
	}
	return s.Suite == "" && !pending
}

// step says that a step begins, or a further block of it.
func (p *progress) step(index int, suite string, block int) {
	p.now, p.block, p.began = stepID{index, suite}, block, p.r.o.Now()
}

// finish says that a step is over.
func (p *progress) finish(index int, suite string) {
	s := p.steps[stepID{index, suite}]
	if s == nil || s.finished {
		return
	}
	s.finished = true
	p.guessed += s.guess
	p.spent += s.spent
	if id := (stepID{index, suite}); id == p.now {
		p.spent += p.r.o.Now().Sub(p.began)
	}
}

// at tells how far the step in work is.
func (p *progress) at(step string, done, total int) {
	if p.r.o.Progress == nil {
		return
	}
	e := Event{
		Case: p.r.p.Cases[p.now.index].Label, Index: p.now.index + 1, Of: len(p.r.p.Cases),
		Step: step, Done: done, Total: total, Elapsed: p.r.o.Now().Sub(p.start), Left: p.left(done, total),
	}
	for _, su := range p.r.p.Suites {
		if su.Timing && su.Name == p.now.suite {
			e.Block, e.Blocks = p.block+1, su.Blocks(su.Options)
		}
	}
	p.r.o.Progress(e)
}

// left guesses the time to the end of the run.
func (p *progress) left(done, total int) time.Duration {
	var ahead time.Duration
	for id, s := range p.steps {
		switch {
		case s.finished:
		case id == p.now && total > 0 && p.block == 0:
			ahead += s.guess * time.Duration(total-done) / time.Duration(total)
		case id == p.now:
			ahead += s.guess / 2
		default:
			ahead += s.guess
		}
	}
	if p.guessed > 0 && p.spent > time.Second {
		ahead = time.Duration(float64(ahead) * float64(p.spent) / float64(p.guessed))
	}
	return ahead.Round(time.Second)
}
