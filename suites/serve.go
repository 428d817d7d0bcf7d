package suites

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
)

// TimingCommand is the hidden command whose process measures blocks of one
// case; see Serve.
const TimingCommand = "child-timing"

// An Order tells a process what it measures: its first line of input.
type Order struct {
	Suite   string          `json:"suite"`
	Child   subject.Child   `json:"child"`
	Options json.RawMessage `json:"options"`
}

// A Request asks a process for one block: each further line of its input.
type Request struct {
	Block int `json:"block"`
}

// An Answer is one line of a process's output: the first tells that it is
// ready, and one follows each request.
type Answer struct {
	Values []results.Record `json:"values,omitempty"` // without what the case decides
	Doubts []string         `json:"doubts,omitempty"`
	// Error says why there are no values; the process ends after it.
	Error    string `json:"error,omitempty"`
	Diverged bool   `json:"diverged,omitempty"` // the error is subject.ErrDiverged
}

// Err returns the error of an answer.
func (a Answer) Err() error {
	switch {
	case a.Error == "":
		return nil
	case a.Diverged:
		return &remoteError{a.Error, subject.ErrDiverged}
	}
	return errors.New(a.Error)
}

// A remoteError is an error that happened in another process.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// answer collects what measure emits.
func answer(clock bench.Clock, measure func(out Out) error) Answer {
	var a Answer
	out := Out{
		Emit:     func(r results.Record) error { a.Values = append(a.Values, r); return nil },
		Progress: func(int, int) {}, Clock: clock,
		Doubt: func(text string) { a.Doubts = append(a.Doubts, text) },
	}
	if err := measure(out); err != nil {
		return Answer{Error: err.Error(), Diverged: errors.Is(err, subject.ErrDiverged)}
	}
	return a
}

// Open opens what the order names; the answer tells of it.
func (o Order) Open(ctx context.Context, clock bench.Clock) (Session, Answer) {
	var s Session
	a := answer(clock, func(out Out) (err error) {
		su, ok := Lookup(o.Suite)
		if !ok || su.Launched == nil {
			return fmt.Errorf("suite %q is not measured in processes of its own", o.Suite)
		}
		opts := su.New()
		if err := json.Unmarshal(o.Options, opts); err != nil {
			return fmt.Errorf("options of %s: %w", o.Suite, err)
		}
		s, err = su.Launched.Open(ctx, o.Child, opts, out)
		return err
	})
	return s, a
}

// AnswerBlock measures one block.
func AnswerBlock(ctx context.Context, s Session, block int, clock bench.Clock) Answer {
	return answer(clock, func(out Out) error {
		out.Block = block
		return s.Block(ctx, out)
	})
}

// Serve is the life of a process that measures one case: it reads an Order and
// then Requests, and answers each. It ends when the input does, at the next
// step of what it is doing.
func Serve(ctx context.Context, in io.Reader, out io.Writer, clock bench.Clock) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var order Order
	if err := dec.Decode(&order); err != nil {
		return fmt.Errorf("no order: %w", err)
	}
	requests := make(chan Request)
	go func() {
		defer cancel() // whoever asked is gone
		defer close(requests)
		for {
			var r Request
			if dec.Decode(&r) != nil {
				return
			}
			select {
			case requests <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	s, a := order.Open(ctx, clock)
	if err := enc.Encode(a); err != nil || a.Err() != nil {
		return err
	}
	for r := range requests {
		a := AnswerBlock(ctx, s, r.Block, clock)
		if err := enc.Encode(a); err != nil || a.Err() != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}
