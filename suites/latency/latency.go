// Package latency times greedy generation from a prompt: the time to the
// first token and the gaps between the following ones (protocol.md 2.1).
package latency

import (
	"context"
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/bench"
)

// A Generator generates greedily; the sampled ids are on the host when its
// methods return.
type Generator interface {
	// Start runs the prompt from an empty context and returns the first
	// sampled id.
	Start(ctx context.Context, prompt []int) (int, error)
	// Next runs one token and returns the id sampled after it.
	Next(ctx context.Context, token int) (int, error)
}

// Options says what to time.
type Options struct {
	Prompt []int         `yaml:"prompt"` // prompt lengths, tokens
	New    int           `yaml:"new"`    // tokens generated, the first included; ends of text are ignored
	Blocks int           `yaml:"blocks"` // randomised complete blocks
	Runs   int           `yaml:"runs"`   // timed generations of a case in a block
	Warmup time.Duration `yaml:"warmup"` // most time for warming up a case, per prompt length
}

// DefaultOptions times one short prompt. Six blocks are the fewest for which
// a median has a 95 % interval.
var DefaultOptions = Options{Prompt: []int{128}, New: 32, Blocks: 8, Runs: 2, Warmup: 30 * time.Second}

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
	TTFT time.Duration   // from token ids in host memory to the first sampled id
	ITL  []time.Duration // gap before each of the New-1 further ids
}

// Once times one generation of n tokens.
func Once(ctx context.Context, clock bench.Clock, g Generator, prompt []int, n int) (Run, error) {
	var r Run
	var token int
	var err error
	r.TTFT, err = clock(func() (err error) {
		token, err = g.Start(ctx, prompt)
		return err
	})
	if err != nil {
		return r, err
	}
	for range n - 1 {
		d, err := clock(func() (err error) {
			token, err = g.Next(ctx, token)
			return err
		})
		if err != nil {
			return r, err
		}
		r.ITL = append(r.ITL, d)
	}
	return r, nil
}
