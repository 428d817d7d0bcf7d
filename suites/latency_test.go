package suites

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites/latency"
)

// TestLatency counts the calls of a process and numbers its samples: it is
// warmed up by the rule once, and each block begins with an untimed run.
func TestLatency(t *testing.T) {
	o := &latency.Options{Prompt: []int{4, 9}, New: 3, Blocks: 6, Launches: 1, Runs: 2, Warmup: 30 * time.Second}
	calls := 0
	clock := counter(&calls)
	var s Session
	opened := answer(clock, func(out Out) (err error) {
		s, err = openLatency(context.Background(), subject.Child{Model: demo.Model, Threads: 1}, o, out)
		return err
	})
	if opened.Err() != nil {
		t.Fatal(opened.Err())
	}
	// A clock that always says one second has settled when two windows of five
	// are full; it also times the warm-up's runs as a whole. A run is four
	// timed calls: prefill, sampling, two tokens. Opening is one more.
	if want := 1 + 4 + 2*10*(4+1); calls != want {
		t.Errorf("opening: %d timed calls, want %d", calls, want)
	}
	names := func(a Answer) (got []string) {
		for _, r := range a.Values {
			got = append(got, fmt.Sprintf("%s %s %d.%d %g", r.Metric, r.Item, r.Block, r.Sample, r.Value))
		}
		return got
	}
	if got, want := names(opened), []string{"load  0.0 1", "first_call b1,ctx4 0.0 2"}; !slices.Equal(got, want) {
		t.Errorf("opening: %q, want %q", got, want)
	}
	calls = 0
	a := AnswerBlock(context.Background(), s, 5, clock)
	if want := 2 * 3 * 4; a.Err() != nil || calls != want {
		t.Errorf("a block: %v, %d timed calls, want %d", a.Err(), calls, want)
	}
	var want []string
	for _, prompt := range o.Prompt {
		for run := range 2 {
			want = append(want, fmt.Sprintf("ttft b1,ctx%d 5.%d 2", prompt, run), fmt.Sprintf("ttft_prefill b1,ctx%d 5.%d 1", prompt, run),
				fmt.Sprintf("ttft_sample b1,ctx%d 5.%d 1", prompt, run),
				fmt.Sprintf("itl b1,d%d 5.%d 1", prompt, 2*run), fmt.Sprintf("itl b1,d%d 5.%d 1", prompt, 2*run+1))
		}
	}
	if got := names(a); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if a := AnswerBlock(ctx, s, 6, clock); a.Err() == nil || a.Values != nil {
		t.Errorf("after the end of the context: %+v", a)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// orderOf is an order for a short timing of the embedded model.
func orderOf(t *testing.T, o latency.Options) []byte {
	t.Helper()
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(Order{Suite: "latency", Child: subject.Child{Model: demo.Model, Threads: 1}, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestServe asks for two blocks, and then closes the input.
func TestServe(t *testing.T) {
	in := append(orderOf(t, latency.Options{Prompt: []int{2}, New: 2, Runs: 1}), "{\"block\":3}\n"...)
	r, w := io.Pipe()
	var out bytes.Buffer
	ended := make(chan error, 1)
	answers := make(chan Answer)
	go func() {
		outR, outW := io.Pipe()
		go func() {
			dec := json.NewDecoder(io.TeeReader(outR, &out))
			for {
				var a Answer
				if dec.Decode(&a) != nil {
					close(answers)
					return
				}
				answers <- a
			}
		}()
		err := Serve(context.Background(), r, outW, bench.WallClock)
		outW.Close()
		ended <- err
	}()
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	ready, block := <-answers, <-answers
	if len(ready.Values) != 2 || len(block.Values) != 4 || block.Values[0].Block != 3 {
		t.Errorf("answers %+v and %+v", ready, block)
	}
	w.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, more := <-answers; more || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("output %q", out.String())
	}
}

// TestServeEnds: when whoever asked is gone, a process that is warming up for a
// long time ends.
func TestServeEnds(t *testing.T) {
	in := orderOf(t, latency.Options{Prompt: []int{64}, New: 400, Runs: 1, Warmup: time.Hour})
	start := time.Now()
	var out bytes.Buffer
	if err := Serve(context.Background(), bytes.NewReader(in), &out, bench.WallClock); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	var a Answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || !strings.Contains(a.Error, "canceled") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestServeFaults(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"suite":"approx"}`, `suite "approx" is not measured in processes of its own`},
		{`{"suite":"latency","options":{"Prompt":[1],"New":2},"child":{"Model":"x","Folder":"/nosuch"}}`, "/nosuch: no such folder"},
		{`{"suite":"latency","options":[]}`, "options of latency: "},
	} {
		var out bytes.Buffer
		if err := Serve(context.Background(), strings.NewReader(c.in), &out, bench.WallClock); err != nil {
			t.Error(err)
		}
		var a Answer
		if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.Err() == nil || !strings.HasPrefix(a.Err().Error(), c.want) {
			t.Errorf("%s: %q, %v", c.in, out.String(), err)
		}
	}
	if err := Serve(context.Background(), strings.NewReader("{"), io.Discard, bench.WallClock); err == nil {
		t.Error("no order, no error")
	}
	if a := (Answer{Error: "x", Diverged: true}); !errors.Is(a.Err(), subject.ErrDiverged) || a.Err().Error() != "x" {
		t.Errorf("%v", a.Err())
	}
}
