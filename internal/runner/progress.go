package runner

import (
	"strings"
	"time"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
)

// progress guesses how long a run still takes: the plan's guesses, corrected
// by how long the finished parts took against theirs.
type progress struct {
	r       *run
	steps   map[stepID]*stepState
	joined  map[stepID]string // the other suite of steps that hold two
	start   time.Time
	now     stepID
	block   int       // of the step in work
	began   time.Time // of the step in work, or of its block
	running bool
}

// A stepID names a step: a suite on a case, or opening the case for suite "".
type stepID struct {
	index int
	suite string
}

type stepState struct {
	guess time.Duration
	spent time.Duration
	share float64 // that is done, 0 to 1
}

func newProgress(r *run) *progress {
	p := &progress{r: r, steps: map[stepID]*stepState{}, joined: map[stepID]string{}, start: r.o.Now()}
	if r.o.Progress == nil {
		return p
	}
	for _, s := range r.p.Steps() {
		if !r.skips(s) {
			p.steps[stepID{s.Case, s.Suite}] = &stepState{guess: max(s.Guess, 0)}
		}
	}
	return p
}

// skips tells whether the records file makes a step unnecessary.
func (r *run) skips(s plan.Step) bool {
	pending := false
	for _, su := range r.p.Suites {
		done := r.done[r.cell(s.Case, su)]
		if su.Name == s.Suite && !done {
			return false
		}
		pending = pending || !done
	}
	return s.Suite != "" || !pending
}

// join counts a suite's step on a case as part of that of another one, in
// whose walk it is measured, and returns what to call the two.
func (p *progress) join(index int, suite, joined string) (name string) {
	p.joined[stepID{index, suite}] = joined
	into, from := p.steps[stepID{index, suite}], p.steps[stepID{index, joined}]
	if into != nil && from != nil {
		into.guess += from.guess
		delete(p.steps, stepID{index, joined})
	}
	return p.name(stepID{index, suite})
}

// suites are those that a step measures; none while a case is opened.
func (p *progress) suites(id stepID) []string {
	switch joined := p.joined[id]; {
	case joined != "":
		return []string{id.suite, joined}
	case id.suite != "":
		return []string{id.suite}
	}
	return nil
}

// name is how a step of suites is shown.
func (p *progress) name(id stepID) string { return strings.Join(p.suites(id), ", ") }

// step says that a step begins, or a further block of it.
func (p *progress) step(index int, suite string, block int) {
	p.now, p.block, p.began, p.running = stepID{index, suite}, block, p.r.o.Now(), true
	c := p.r.p.Cases[index]
	switch {
	case suite != "":
		p.tell(p.name(p.now), 0, 0)
	case p.r.o.Progress == nil || p.r.p.Env.Cached(c):
	case c.Calibration != nil:
		p.tell(string(subject.StageCalibrate), 0, 0)
	default:
		p.tell(string(subject.StageCompress), 0, 0)
	}
}

// pause says that the step in work, or its block, is over.
func (p *progress) pause() {
	if s := p.steps[p.now]; s != nil && p.running {
		s.spent += p.r.o.Now().Sub(p.began)
		s.share = p.shareOf(1, 1)
	}
	p.running = false
}

// drop says that steps of a case will not be done: all of them for suite "".
func (p *progress) drop(index int, suite string) {
	for id := range p.steps {
		if id.index == index && (suite == "" || id.suite == suite) {
			delete(p.steps, id)
		}
	}
}

// at tells how far the step in work is.
func (p *progress) at(step string, done, total int) {
	if s := p.steps[p.now]; s != nil {
		s.share = max(s.share, p.shareOf(done, total))
	}
	p.tell(step, done, total)
}

// shareOf is the share of the step in work that is done, its earlier blocks
// included.
func (p *progress) shareOf(done, total int) float64 {
	if total <= 0 {
		return 0
	}
	share := min(max(float64(done)/float64(total), 0), 1)
	if blocks := p.blocks(); blocks > 0 {
		if p.block == 0 {
			share *= firstBlock
		} else {
			share += firstBlock + float64(p.block) - 1
		}
		share = min(share/(firstBlock+float64(blocks)-1), 1)
	}
	return share
}

// firstBlock is how many later blocks the first one is counted as, since the
// cases are warmed up in it.
const firstBlock = 6

// blocks is the number of blocks of the step in work, 0 for one that has none.
func (p *progress) blocks() int {
	for _, su := range p.r.p.Suites {
		if su.Timing && su.Name == p.now.suite {
			return su.Blocks(su.Options)
		}
	}
	return 0
}

func (p *progress) tell(step string, done, total int) {
	if p.r.o.Progress == nil {
		return
	}
	now := p.r.o.Now()
	e := Event{
		Case: p.r.p.Cases[p.now.index].Label, Index: p.now.index + 1, Of: len(p.r.p.Cases),
		Step: step, Suites: p.suites(p.now), Done: done, Total: total, Elapsed: now.Sub(p.start), Left: p.left(now),
	}
	if e.Blocks = p.blocks(); e.Blocks > 0 {
		e.Block = p.block + 1
		e.Blocks = max(e.Blocks, e.Block) // there may be further ones
	}
	p.r.o.Progress(e)
}

// pace is how long work took and how long it was guessed to take.
type pace struct{ spent, guessed time.Duration }

func (a pace) factor() float64 { return float64(a.spent) / float64(a.guessed) }

// sure tells whether a pace has enough work behind it.
func (a pace) sure() bool { return a.guessed > 0 && a.spent >= time.Second }

// left guesses the time to the end of the run. A suite's own pace corrects its
// guesses once it is known, that of the whole run until then.
func (p *progress) left(now time.Time) time.Duration {
	var all pace
	own := map[string]pace{}
	ahead := map[string]float64{} // nanoseconds as guessed
	for id, s := range p.steps {
		spent := s.spent
		if id == p.now && p.running {
			spent += now.Sub(p.began)
		}
		done := time.Duration(s.share * float64(s.guess))
		ahead[id.suite] += (1 - s.share) * float64(s.guess)
		if done > 0 {
			a := own[id.suite]
			own[id.suite] = pace{a.spent + spent, a.guessed + done}
			all = pace{all.spent + spent, all.guessed + done}
		}
	}
	left := 0.0
	for suite, guess := range ahead {
		switch {
		case own[suite].sure():
			guess *= own[suite].factor()
		case all.sure():
			guess *= all.factor()
		}
		left += guess
	}
	return time.Duration(min(left, float64(maxLeft))).Round(time.Second)
}

// maxLeft bounds what is shown.
const maxLeft = 1000 * time.Hour
