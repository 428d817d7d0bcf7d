package suites

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/latency"
	"github.com/sketchbench/sketchbench/suites/memory"
)

var latencySuite = Suite{
	Name:   "latency",
	Timing: true,
	New: func() any {
		o := latency.DefaultOptions
		return &o
	},
	Prepare: func(c *Context, o any) []error {
		return o.(*latency.Options).Check(c.Env.Model.Config.MaxPositions)
	},
	Recipe: func(c *Context, o any) Recipe {
		l := o.(*latency.Options)
		id := map[string]any{"prompt": l.Prompt, "new": int64(l.New), "blocks": int64(l.Blocks), "runs": int64(l.Runs),
			"warmup": l.Warmup.Seconds(), "threads": int64(c.Env.Gemm.Threads), "tokens": "uniform random ids"}
		return Recipe{Identity: id, Exec: c.execution(), Words: fmt.Sprintf(
			"greedy generation of %d tokens at batch 1; time to first token from token ids in host memory to the first sampled id; runs timed in %d randomised blocks, after warm-up: %d each", l.New, l.Blocks, l.Runs)}
	},
	Cost: func(c *Context, o any) Cost {
		l := o.(*latency.Options)
		var cost Cost
		for _, p := range l.Prompt {
			runs := l.Blocks*(l.Runs+1) + 10
			cost.Tokens += p * runs
			cost.Steps += (l.New - 1) * runs
		}
		return cost
	},
	Blocks: func(o any) int { return o.(*latency.Options).Blocks },
	Run:    runLatency,
}

// generator makes an engine a latency.Generator.
type generator struct{ e *engine.Engine }

func (g generator) Start(ctx context.Context, prompt []int) (int, error) {
	logits, err := g.e.Prefill(ctx, prompt)
	if err != nil {
		return 0, err
	}
	return engine.Argmax(logits), nil
}

func (g generator) Next(ctx context.Context, token int) (int, error) {
	logits, err := g.e.Decode(ctx, token)
	if err != nil {
		return 0, err
	}
	return engine.Argmax(logits), nil
}

// randomPrompt returns n token ids; what a prompt says changes no time here.
func randomPrompt(vocab, n int) []int {
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	p := make([]int, n)
	for i := range p {
		p[i] = rng.IntN(vocab)
	}
	return p
}

// runLatency times one block of a case. A case that has not run in this
// process is warmed up by the rule, later blocks by one run.
func runLatency(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	l := o.(*latency.Options)
	longest := 0
	for _, p := range l.Prompt {
		longest = max(longest, p)
	}
	e, err := s.Engine(longest + l.New)
	if err != nil {
		return err
	}
	g := generator{e}
	warmup := bench.DefaultWarmup
	warmup.Cap = l.Warmup
	if !out.First {
		warmup = bench.Warmup{Min: 1}
	}
	for i, p := range l.Prompt {
		prompt := randomPrompt(s.Env.Model.Config.Vocab, p)
		once := func() (latency.Run, error) { return latency.Once(ctx, out.Clock, g, prompt, l.New) }
		warmed, err := warmup.Run(ctx, out.Clock, func() error { _, err := once(); return err })
		if err != nil {
			return err
		}
		if !warmed.Settled {
			out.Doubt(fmt.Sprintf("warm-up at %d tokens ended by its limit of %v, the median of its runs still moving by more than %g %%", p, l.Warmup, 100*warmup.Tolerance))
		}
		for run := range l.Runs {
			r, err := once()
			if err != nil {
				return err
			}
			if err := emitRun(out, r, p, run, l.New); err != nil {
				return err
			}
		}
		out.Progress(i+1, len(l.Prompt))
	}
	return nil
}

func emitRun(out Out, r latency.Run, prompt, run, n int) error {
	lines := []results.Record{{Metric: "ttft", Item: fmt.Sprintf("b1,ctx%d", prompt), Value: r.TTFT.Seconds(), Sample: run, Block: out.Block}}
	for j, d := range r.ITL {
		lines = append(lines, results.Record{
			Metric: "itl", Item: fmt.Sprintf("b1,d%d", prompt), Value: d.Seconds(), Sample: run*(n-1) + j, Block: out.Block})
	}
	return out.emit(lines...)
}

// memoryOptions are the fields of the suite in a scenario.
type memoryOptions struct {
	Prompt int `yaml:"prompt"` // tokens of the prompt that the child process runs
	New    int `yaml:"new"`    // tokens that it generates
	Runs   int `yaml:"runs"`   // child processes
}

var memorySuite = Suite{
	Name: "memory",
	New:  func() any { return &memoryOptions{Prompt: 128, New: 16, Runs: 3} },
	Prepare: func(c *Context, o any) []error {
		m := o.(*memoryOptions)
		var errs []error
		for _, f := range []struct {
			name  string
			value int
		}{{"prompt", m.Prompt}, {"new", m.New}, {"runs", m.Runs}} {
			if f.value < 1 {
				errs = append(errs, fmt.Errorf("%s: %d, want at least 1", f.name, f.value))
			}
		}
		if p := c.Env.Model.Config.MaxPositions; m.Prompt+m.New > p {
			errs = append(errs, fmt.Errorf("prompt: %d tokens and %d new ones, the model has %d positions", m.Prompt, m.New, p))
		}
		return errs
	},
	Recipe: func(c *Context, o any) Recipe {
		m := o.(*memoryOptions)
		id := map[string]any{"prompt": int64(m.Prompt), "new": int64(m.New), "runs": int64(m.Runs), "threads": int64(c.Env.Gemm.Threads)}
		return Recipe{Identity: id, Exec: c.execution(), Words: fmt.Sprintf(
			"bytes counted in the artefact; peaks of a child process (measured in %d) that opens it, runs a prompt of %d tokens and generates %d", m.Runs, m.Prompt, m.New)}
	},
	Cost: func(c *Context, o any) Cost {
		m := o.(*memoryOptions)
		return Cost{Tokens: m.Runs * m.Prompt, Steps: m.Runs * m.New, Seconds: 0.2 * float64(m.Runs)}
	},
	Run: runMemory,
}

func runMemory(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	m := o.(*memoryOptions)
	ledger, err := s.Ledger()
	if err != nil {
		return err
	}
	for _, e := range ledger {
		if err := emitLedger(out, e); err != nil {
			return err
		}
	}
	for run := range m.Runs {
		p, err := measureChild(ctx, s, m)
		if err != nil {
			return err
		}
		err = out.emit(
			results.Record{Metric: "peak_anon", Value: float64(p.Anon), Sample: run},
			results.Record{Metric: "vmhwm", Value: float64(p.VmHWM), Sample: run})
		if err != nil {
			return err
		}
		out.Progress(run+1, m.Runs)
	}
	return nil
}

// emitLedger writes what the tensors of one class store, and for what.
func emitLedger(out Out, e subject.LedgerEntry) error {
	weights := float64(e.Weights)
	lines := []results.Record{
		{Metric: "stored_bytes", Item: e.Class, Value: float64(e.StoredBytes), Weight: weights},
		{Metric: "nominal_bits", Item: e.Class, Value: e.NominalBits, Weight: weights},
	}
	for _, part := range results.PartClasses() {
		if n := e.Parts[part]; n > 0 {
			lines = append(lines, results.Record{
				Metric: "part_bytes", Item: results.PartItem(e.Class, part), Value: float64(n), Weight: weights})
		}
	}
	return out.emit(lines...)
}

// ChildCommand is the hidden command that measures a process's own memory.
const ChildCommand = "child-memory"

func measureChild(ctx context.Context, s *subject.Subject, m *memoryOptions) (memory.Peak, error) {
	args := []string{ChildCommand, "--model", s.Env.Model.Ref, "--folder", s.Env.Model.Dir,
		"--threads", strconv.Itoa(s.Env.Gemm.Threads), "--prompt", strconv.Itoa(m.Prompt), "--new", strconv.Itoa(m.New)}
	if dir := s.ArtefactDir(); dir != "" {
		args = append(args, "--artefact", dir)
	}
	b, err := s.Env.Child(ctx, args...)
	if err != nil {
		return memory.Peak{}, err
	}
	var p memory.Peak
	if err := json.Unmarshal(b, &p); err != nil {
		return memory.Peak{}, fmt.Errorf("child process printed %.80q: %w", b, err)
	}
	return p, nil
}

// MeasureMemory opens a model, runs a prompt and generates n tokens, as the
// child process of the memory suite does, and returns this process's peak.
func MeasureMemory(ctx context.Context, c subject.Child, prompt, n int) (memory.Peak, error) {
	return memory.Watch(2*time.Millisecond, func() error {
		e, vocab, closeAll, err := c.Open(prompt + n)
		if err != nil {
			return err
		}
		g := generator{e}
		token, err := g.Start(ctx, randomPrompt(vocab, prompt))
		for i := 1; i < n && err == nil; i++ {
			token, err = g.Next(ctx, token)
		}
		return errors.Join(err, closeAll())
	})
}
