package suites

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/latency"
)

// latencyHalfWidth is the relative half-width of the median's interval that
// ends a whole-model timing (protocol.md 2.1).
const latencyHalfWidth = 0.01

var latencySuite = Suite{
	Name:   "latency",
	Timing: true,
	New: func() any {
		o := latency.DefaultOptions
		o.Prompt = slices.Clone(o.Prompt) // options are decoded over it
		return &o
	},
	Prepare: func(c *Context, o any) []error {
		l := o.(*latency.Options)
		errs := l.Check(c.Env.Model.Config.MaxPositions)
		l.Complete()
		return errs
	},
	Recipe: func(c *Context, o any) Recipe {
		l := o.(*latency.Options)
		id := map[string]any{"prompt": l.Prompt, "new": int64(l.New), "blocks": int64(l.Blocks), "max_blocks": int64(l.MaxBlocks),
			"budget": l.Budget.Seconds(), "launches": int64(l.Launches), "runs": int64(l.Runs),
			"half_width": latencyHalfWidth, "warmup": l.Warmup.Seconds(), "threads": int64(c.Env.Gemm.Threads), "tokens": "uniform random ids"}
		return Recipe{Identity: id, Exec: c.execution(), Words: fmt.Sprintf(
			"greedy generation of %d tokens at batch 1; time to first token from token ids in host memory to the first sampled id; runs timed in randomised blocks, %d each, after warm-up and an untimed run; "+
				"%d blocks in %d launches of fresh processes, then more until every median is known to ±%g %%, at most %d%s",
			l.New, l.Runs, l.Blocks, l.Launches, 100*latencyHalfWidth, l.MaxBlocks, within(l.Budget))}
	},
	Cost:     latencyCost,
	Blocks:   func(o any) int { return o.(*latency.Options).Blocks },
	Launched: &Launched{Layout: latencyLayout, Open: openLatency},
}

// within words the limit of time.
func within(budget time.Duration) string {
	if budget == 0 {
		return ""
	}
	return fmt.Sprintf(" and none begun after %v", budget)
}

// startSeconds is about what starting a process and opening a model in it
// takes besides running it.
const startSeconds = 0.3

// latencyCost counts the runs of one process of a case: the launches of its
// fewest blocks, each with a cold call and a warm-up of two windows.
func latencyCost(_ *Context, o any) Cost {
	l := o.(*latency.Options)
	cost := Cost{Seconds: startSeconds * float64(l.Launches)}
	for _, p := range l.Prompt {
		runs := l.Blocks*(l.Runs+1) + l.Launches*(1+2*bench.DefaultWarmup.Window)
		cost.Tokens += p * runs
		cost.Steps += (l.New - 1) * runs
	}
	return cost
}

func latencyLayout(o any) Layout {
	l := o.(*latency.Options)
	return Layout{Launches: l.Launches, MaxBlocks: l.MaxBlocks, Budget: l.Budget, HalfWidth: latencyHalfWidth,
		Metrics: []string{"ttft", "itl"}, Tokens: slices.Max(l.Prompt) + l.New}
}

// generator makes an engine a latency.Generator.
type generator struct {
	e      *engine.Engine
	logits []float32
}

func (g *generator) Prefill(ctx context.Context, prompt []int) (err error) {
	g.logits, err = g.e.Prefill(ctx, prompt)
	return err
}

func (g *generator) Decode(ctx context.Context, token int) (err error) {
	g.logits, err = g.e.Decode(ctx, token)
	return err
}

func (g *generator) Sample() int { return engine.Argmax(g.logits) }

// randomPrompt returns n token ids; what a prompt says changes no time here.
func randomPrompt(vocab, n int) []int {
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	p := make([]int, n)
	for i := range p {
		p[i] = rng.IntN(vocab)
	}
	return p
}

// latencySession is one case opened to be timed.
type latencySession struct {
	o       *latency.Options
	g       *generator
	prompts [][]int
	close   func() error
}

// openLatency opens a case, makes its first call and warms it up.
func openLatency(ctx context.Context, c subject.Child, opts any, out Out) (Session, error) {
	s := &latencySession{o: opts.(*latency.Options)}
	var vocab int
	load, err := out.Clock(func() (err error) {
		s.g = &generator{}
		s.g.e, vocab, s.close, err = c.Open(latencyLayout(s.o).Tokens)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range s.o.Prompt {
		s.prompts = append(s.prompts, randomPrompt(vocab, p))
	}
	if err := s.start(ctx, load, out); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// start makes the first call, which is timed by itself, and warms up.
func (s *latencySession) start(ctx context.Context, load time.Duration, out Out) error {
	first, err := latency.Once(ctx, out.Clock, s.g, s.prompts[0], s.o.New)
	if err != nil {
		return err
	}
	err = out.emit(
		results.Record{Metric: "load", Value: load.Seconds()},
		results.Record{Metric: "first_call", Item: ttftItem(s.prompts[0]), Value: first.TTFT().Seconds()})
	if err != nil {
		return err
	}
	warmup := bench.DefaultWarmup
	warmup.Cap = s.o.Warmup
	for i, p := range s.prompts {
		warmed, err := warmup.Run(ctx, out.Clock, func() error {
			_, err := latency.Once(ctx, out.Clock, s.g, p, s.o.New)
			return err
		})
		if err != nil {
			return err
		}
		if !warmed.Settled {
			out.Doubt(fmt.Sprintf("warm-up at %d tokens ended by its limit of %v, the median of its runs still moving by more than %g %%", len(p), s.o.Warmup, 100*warmup.Tolerance))
		}
		out.Progress(i+1, len(s.prompts))
	}
	return nil
}

// Block times one block, after a run that is not timed, since the other cases
// have used the caches.
func (s *latencySession) Block(ctx context.Context, out Out) error {
	for i, p := range s.prompts {
		if _, err := latency.Once(ctx, out.Clock, s.g, p, s.o.New); err != nil {
			return err
		}
		for run := range s.o.Runs {
			r, err := latency.Once(ctx, out.Clock, s.g, p, s.o.New)
			if err != nil {
				return err
			}
			if err := emitRun(out, r, p, run); err != nil {
				return err
			}
		}
		out.Progress(i+1, len(s.prompts))
	}
	return nil
}

func (s *latencySession) Close() error { return s.close() }

func ttftItem(prompt []int) string { return fmt.Sprintf("b1,ctx%d", len(prompt)) }

func emitRun(out Out, r latency.Run, prompt []int, run int) error {
	item := ttftItem(prompt)
	// A clock that does not move during a short step has gone one nanosecond.
	lines := []results.Record{
		{Metric: "ttft", Item: item, Value: max(r.TTFT(), 1).Seconds(), Sample: run, Block: out.Block},
		{Metric: "ttft_prefill", Item: item, Value: max(r.Prefill, 1).Seconds(), Sample: run, Block: out.Block},
		{Metric: "ttft_sample", Item: item, Value: max(r.Sample, 1).Seconds(), Sample: run, Block: out.Block},
	}
	for j, d := range r.ITL {
		lines = append(lines, results.Record{
			Metric: "itl", Item: fmt.Sprintf("b1,d%d", len(prompt)), Value: max(d, 1).Seconds(), Sample: run*len(r.ITL) + j, Block: out.Block})
	}
	return out.emit(lines...)
}
