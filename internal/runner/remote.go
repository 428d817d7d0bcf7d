package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/suites"
)

// A Remote is a process that measures one case; see suites.Serve.
type Remote interface {
	// Opened tells what was measured while the case was opened.
	Opened() suites.Answer
	// Block measures one block.
	Block(ctx context.Context, block int) (suites.Answer, error)
	// Pid is the number of the process, 0 if it is this one.
	Pid() int
	// Close ends the process and waits for that.
	Close() error
}

// Launch returns what makes a Remote of the process that start starts, which
// calls suites.Serve.
func Launch(start func() (*launch.Process, error)) func(context.Context, suites.Order) (Remote, error) {
	return func(ctx context.Context, o suites.Order) (Remote, error) {
		p, err := start()
		if err != nil {
			return nil, err
		}
		r := &process{p: p, enc: json.NewEncoder(p.In), dec: json.NewDecoder(p.Out)}
		if r.opened, err = r.ask(ctx, o); err != nil {
			return nil, err
		}
		return r, nil
	}
}

// process is a Remote that is a process.
type process struct {
	p      *launch.Process
	enc    *json.Encoder
	dec    *json.Decoder
	opened suites.Answer
	ended  bool
}

func (r *process) Opened() suites.Answer { return r.opened }
func (r *process) Pid() int              { return r.p.Pid() }

func (r *process) Block(ctx context.Context, block int) (suites.Answer, error) {
	return r.ask(ctx, suites.Request{Block: block})
}

// ask sends a line and waits for the answer. After an error the process has
// ended; the end of ctx kills it.
func (r *process) ask(ctx context.Context, line any) (suites.Answer, error) {
	defer context.AfterFunc(ctx, func() { _ = r.p.Kill() })()
	var a suites.Answer
	err := r.enc.Encode(line)
	if err == nil {
		err = r.dec.Decode(&a)
	}
	if err == nil {
		if err = a.Err(); err == nil {
			return a, nil
		}
		return a, errors.Join(err, ctx.Err(), r.Close())
	}
	// How the process ended says more than that its answer is missing.
	how := r.end()
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case how != nil:
		return a, how
	}
	return a, fmt.Errorf("child process: no answer: %w", err)
}

// end closes the input of the process, drops what it still prints, and waits.
func (r *process) end() error {
	r.ended = true
	_ = r.p.In.Close() // it may be gone
	_, readErr := io.Copy(io.Discard, r.p.Out)
	return errors.Join(r.p.Wait(), readErr)
}

func (r *process) Close() error {
	if r.ended {
		return nil
	}
	return r.end()
}
