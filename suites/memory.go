package suites

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/memory"
)

// memoryOptions are the fields of the suite in a scenario.
type memoryOptions struct {
	Prompt int `yaml:"prompt" doc:"tokens of the prompt that the child process runs"`
	New    int `yaml:"new" doc:"tokens that it generates"`
	Runs   int `yaml:"runs" doc:"child processes"`
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
	target, reached, ok, err := s.Size()
	if err != nil {
		return err
	}
	if ok {
		err := out.emit(
			results.Record{Metric: "target_bytes", Value: float64(target)},
			results.Record{Metric: "reached_bytes", Value: float64(reached)})
		if err != nil {
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
				Metric: "part_bytes", Item: results.PartItem(e.Class, part), Value: n, Weight: weights})
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
		_, err = e.Generate(ctx, randomPrompt(vocab, prompt), n)
		return errors.Join(err, closeAll())
	})
}
