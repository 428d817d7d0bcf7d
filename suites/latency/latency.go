// Package latency times greedy generation from a prompt: the time to the
// first token and the gaps between the following ones (protocol.md 2.1).
package latency

import (
	"context"
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/bench"
)

// A Generator generates greedily.
type Generator interface {
	// Prefill runs the prompt from an empty context.
	Prefill(ctx context.Context, prompt []int) error
	// Decode runs one more token.
	Decode(ctx context.Context, token int) error
	// Sample returns, on the host, the id that follows what was run last.
	Sample() int
}

// Options says what to time.
type Options struct {
	Prompt    []int         `yaml:"prompt" doc:"prompt lengths, tokens"`
	New       int           `yaml:"new" doc:"tokens generated, the first included; ends of text are ignored"`
	Blocks    int           `yaml:"blocks" doc:"randomised complete blocks, at least"`
	MaxBlocks int           `yaml:"max_blocks" doc:"ceiling of blocks; 0 is three times blocks"`
	Budget    time.Duration `yaml:"budget" doc:"no block beyond blocks begins after so long; 0 is no such limit"`
	Launches  int           `yaml:"launches" doc:"fresh processes of a case for the first blocks"`
	Runs      int           `yaml:"runs" doc:"timed generations of a case in a block"`
	Warmup    time.Duration `yaml:"warmup" doc:"most time for warming up a process, per prompt length"`
}

// DefaultOptions times one short prompt: 32 runs of a case in 3 launches, a few
// more than the 30 of protocol.md 2.1. Six blocks are the fewest for which a median has a
// 95 % interval.
var DefaultOptions = Options{Prompt: []int{128}, New: 32, Blocks: 8, Budget: 5 * time.Minute, Launches: 3, Runs: 4, Warmup: 30 * time.Second}

// Complete fills in what was left open.
func (o *Options) Complete() {
	if o.MaxBlocks == 0 {
		o.MaxBlocks = 3 * o.Blocks
	}
}

// Check returns every fault of o, each starting with the field's name.
// Positions is the longest context of the model; 0 leaves it out.
func (o Options) Check(positions int) []error {
	var errs []error
	if len(o.Prompt) == 0 {
		errs = append(errs, fmt.Errorf("prompt: empty, want at least one length"))
	}
	for i, p := range o.Prompt {
		switch {
		case p < 1:
			errs = append(errs, fmt.Errorf("prompt[%d]: %d, want at least 1", i, p))
		case positions > 0 && p+o.New > positions:
			errs = append(errs, fmt.Errorf("prompt[%d]: %d tokens and %d new ones, the model has %d positions", i, p, o.New, positions))
		}
	}
	if o.New < 2 {
		errs = append(errs, fmt.Errorf("new: %d, want at least 2 (the first token is the prompt's)", o.New))
	}
	if o.Blocks < 6 {
		errs = append(errs, fmt.Errorf("blocks: %d, want at least 6 (fewer give no 95 %% interval of a median)", o.Blocks))
	}
	if o.MaxBlocks != 0 && o.MaxBlocks < o.Blocks {
		errs = append(errs, fmt.Errorf("max_blocks: %d, want at least the %d of blocks", o.MaxBlocks, o.Blocks))
	}
	if o.Budget < 0 {
		errs = append(errs, fmt.Errorf("budget: %v, want 0 or more", o.Budget))
	}
	if o.Launches < 1 || o.Launches > max(o.Blocks, 6) {
		errs = append(errs, fmt.Errorf("launches: %d, want 1 to the %d of blocks", o.Launches, o.Blocks))
	}
	if o.Runs < 1 {
		errs = append(errs, fmt.Errorf("runs: %d, want at least 1", o.Runs))
	}
	if o.Warmup < 0 {
		errs = append(errs, fmt.Errorf("warmup: %v, want 0 or more", o.Warmup))
	}
	return errs
}

// A Run is one timed generation.
type Run struct {
	Prefill time.Duration   // from token ids in host memory to the logits of the next
	Sample  time.Duration   // from there to the first sampled id on the host
	ITL     []time.Duration // gap before each of the New-1 further ids
}

// TTFT is the time from token ids in host memory to the first sampled id.
func (r Run) TTFT() time.Duration { return r.Prefill + r.Sample }

// Once times one generation of n tokens.
func Once(ctx context.Context, clock bench.Clock, g Generator, prompt []int, n int) (Run, error) {
	var r Run
	var token int
	var err error
	if r.Prefill, err = clock(func() error { return g.Prefill(ctx, prompt) }); err != nil {
		return r, err
	}
	sample := func() error {
		token = g.Sample()
		return nil
	}
	if r.Sample, err = clock(sample); err != nil {
		return r, err
	}
	for range n - 1 {
		d, err := clock(func() error {
			if err := g.Decode(ctx, token); err != nil {
				return err
			}
			return sample()
		})
		if err != nil {
			return r, err
		}
		r.ITL = append(r.ITL, d)
	}
	return r, nil
}
