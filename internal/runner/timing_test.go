package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// hook is told of every step of a fake process: opening it is block -1. Its
// error is how the process dies.
type hook func(o suites.Order, process, block int) error

// here starts remotes in this process, numbered from 0.
func here(h hook) func(context.Context, suites.Order) (Remote, error) {
	n := 0
	return func(ctx context.Context, o suites.Order) (Remote, error) {
		r := &fake{order: o, process: n, hook: h}
		n++
		if err := r.step(-1); err != nil {
			return nil, err
		}
		r.session, r.opened = o.Open(ctx, bench.WallClock)
		return r, r.opened.Err()
	}
}

// fake is a Remote in this process.
type fake struct {
	order   suites.Order
	process int
	hook    hook
	session suites.Session
	opened  suites.Answer
}

func (f *fake) step(block int) error {
	if f.hook == nil {
		return nil
	}
	return f.hook(f.order, f.process, block)
}

func (f *fake) Opened() suites.Answer { return f.opened }
func (f *fake) Pid() int              { return 0 }
func (f *fake) Close() error          { return f.session.Close() }

func (f *fake) Block(ctx context.Context, block int) (suites.Answer, error) {
	if err := f.step(block); err != nil {
		return suites.Answer{}, errors.Join(err, f.session.Close())
	}
	a := suites.AnswerBlock(ctx, f.session, block, bench.WallClock)
	return a, a.Err()
}

// timingsOf returns the value lines of the latency suite.
func timingsOf(t *testing.T, path string) []results.Record {
	t.Helper()
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(recs, func(r results.Record) bool { return r.Suite != "latency" || r.Kind != results.KindValue })
}

// TestLaunches measures two cases and the control in two launches of three
// processes each; what the control measures stands in the baseline's cell.
func TestLaunches(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	perProcess := map[int][]int{}
	o.Launch = here(func(_ suites.Order, process, block int) error {
		perProcess[process] = append(perProcess[process], block)
		return nil
	})
	if out, err := Run(context.Background(), p, o); err != nil || out.Complete != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for process := range 6 {
		want := []int{-1, 0, 1, 2}
		if process >= 3 {
			want = []int{-1, 3, 4, 5}
		}
		if !slices.Equal(perProcess[process], want) {
			t.Errorf("process %d measured %v, want %v", process, perProcess[process], want)
		}
	}
	if len(perProcess) != 6 {
		t.Errorf("%d processes, want 6", len(perProcess))
	}
	count := map[string]int{}
	for _, r := range timingsOf(t, path) {
		count[r.Method+" "+r.Metric]++
		if r.Metric == "ttft" && r.Launch != r.Block/3 {
			t.Errorf("block %d in launch %d", r.Block, r.Launch)
		}
	}
	for what, want := range map[string]int{"dense ttft": 6, "dense itl": 6, "dense ttft_aa": 6, "dense itl_aa": 6, "svd ttft": 6, "svd ttft_aa": 0,
		"dense load": 2, "dense first_call": 2, "svd load": 2} {
		if count[what] != want {
			t.Errorf("%s: %d values, want %d", what, count[what], want)
		}
	}
}

// TestNotResident gives every block a process of its own when memory is short.
func TestNotResident(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	o.Memory = func() int64 { return 1 << 20 }
	n, open := 0, 0
	start := here(nil)
	o.Launch = func(ctx context.Context, order suites.Order) (Remote, error) {
		if n++; open > 0 {
			t.Errorf("%d other processes are there", open)
		}
		open++
		r, err := start(ctx, order)
		return closing{r, &open}, err
	}
	if out, err := Run(context.Background(), p, o); err != nil || out.Complete != 2 || n != 18 || open != 0 {
		t.Fatalf("%+v, %v: %d processes, %d open; want 3 × 6 in turn", out, err, n, open)
	}
	for _, r := range timingsOf(t, path) {
		if r.Metric == "itl" && r.Launch != r.Block {
			t.Errorf("block %d in launch %d", r.Block, r.Launch)
		}
	}
}

// closing counts the remotes that are open.
type closing struct {
	Remote
	open *int
}

func (c closing) Close() error {
	*c.open--
	return c.Remote.Close()
}

// TestKilledProcess: the case whose process dies fails with the class of its
// end, the others go on; a control that dies is told as a doubt.
func TestKilledProcess(t *testing.T) {
	oom := &launch.Exit{Code: -1, Signal: "killed", OutOfMemory: true}
	for _, c := range []struct {
		name  string
		die   func(o suites.Order, process, block int) bool
		err   error
		fails string
		class results.Class
	}{
		{"in a block", func(o suites.Order, _, block int) bool { return o.Child.Artefact != "" && block == 4 }, &launch.Exit{Code: 2}, "svd", results.ClassCrash},
		{"while it opens", func(o suites.Order, _, block int) bool { return o.Child.Artefact != "" && block == -1 }, oom, "svd", results.ClassResource},
		{"the baseline", func(o suites.Order, _, block int) bool { return o.Child.Artefact == "" && block == 1 }, oom, "dense", results.ClassResource},
	} {
		p := makePlan(t, text)
		path := filepath.Join(t.TempDir(), "r.jsonl")
		o := options(t, path)
		died := false
		o.Launch = here(func(order suites.Order, process, block int) error {
			if !died && c.die(order, process, block) {
				died = true
				return c.err
			}
			return nil
		})
		out, err := Run(context.Background(), p, o)
		if err != nil || out.Complete+len(out.Failed) != 2 {
			t.Fatalf("%s: %+v, %v", c.name, out, err)
		}
		recs, err := results.ReadFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Kind == results.KindFailure && (r.Method != c.fails || r.Class != c.class || r.Suite != "latency") {
				t.Errorf("%s: failure %+v", c.name, r)
			}
			if r.Kind == results.KindValue && r.Suite == "latency" && r.Method == c.fails && len(out.Failed) > 0 {
				t.Errorf("%s: a value of the case that failed: %+v", c.name, r)
			}
		}
		// Both processes of the baseline are alike to the fake: the one that
		// died first may be the control.
		if len(out.Failed) == 0 {
			i := slices.IndexFunc(recs, func(r results.Record) bool {
				return r.Kind == results.KindDone && strings.Contains(r.Message, "the A/A control failed in block 2")
			})
			if c.fails != "dense" || i < 0 || recs[i].Method != "dense" {
				t.Errorf("%s: nothing failed, no doubt is told", c.name)
			}
		}
	}
}

// TestTimingFailsFast ends with the first process that dies; no block of the
// suite is kept.
func TestTimingFailsFast(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	o.FailFast = true
	died := false
	o.Launch = here(func(order suites.Order, _, block int) error {
		if died && block >= 0 {
			t.Errorf("block %d after the failure", block+1)
		}
		if died = order.Child.Artefact != "" && block == 1; died {
			return &launch.Exit{Code: 2}
		}
		return nil
	})
	out, err := Run(context.Background(), p, o)
	if err != nil || len(out.Failed) != 1 || out.Complete != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if values := timingsOf(t, path); len(values) > 0 {
		t.Errorf("%d values", len(values))
	}
}

// TestFurtherBlocks adds blocks until the medians are known, or a ceiling is
// reached, which is told.
func TestFurtherBlocks(t *testing.T) {
	for _, c := range []struct {
		spread float64 // between even and odd blocks
		budget string
		blocks int
		unmet  string
	}{
		{0, "1h", 6, ""},
		{0.5, "1h", 8, "relative half-width of the median's 95 % interval: 20 %, want at most 1 %, when 8 blocks were spent (8 blocks)"},
		{0.5, "1ns", 6, "relative half-width of the median's 95 % interval: 20 %, want at most 1 %, when 1ns were spent (6 blocks)"},
	} {
		p := makePlan(t, strings.Replace(text, "max_blocks: 6", "max_blocks: 8, budget: "+strings.Replace(c.budget, "1ns", "0.000000001s", 1), 1))
		path := filepath.Join(t.TempDir(), "r.jsonl")
		o := options(t, path)
		o.Launch = func(_ context.Context, order suites.Order) (Remote, error) { return scripted{c.spread}, nil }
		if out, err := Run(context.Background(), p, o); err != nil || out.Complete != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		blocks := 0
		for _, r := range timingsOf(t, path) {
			blocks = max(blocks, r.Block+1)
		}
		recs, err := results.ReadFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Kind == results.KindDone && r.Suite == "latency" && r.Message != c.unmet {
				t.Errorf("spread %v, budget %s: %q, want %q", c.spread, c.budget, r.Message, c.unmet)
			}
		}
		if blocks != c.blocks {
			t.Errorf("spread %v, budget %s: %d blocks, want %d", c.spread, c.budget, blocks, c.blocks)
		}
	}
}

// scripted is a Remote whose even blocks take 1 s and whose odd ones more.
type scripted struct{ spread float64 }

func (scripted) Opened() suites.Answer { return suites.Answer{} }
func (scripted) Pid() int              { return 0 }
func (scripted) Close() error          { return nil }

func (s scripted) Block(_ context.Context, block int) (suites.Answer, error) {
	v := 1 + s.spread*float64(block%2)
	return suites.Answer{Values: []results.Record{{Metric: "ttft", Item: "b1,ctx2", Value: v}, {Metric: "itl", Item: "b1,d2", Value: v}}}, nil
}

// TestStoppedTiming ends in the middle of a block, keeps nothing of it, and
// goes on from the start of the suite.
func TestStoppedTiming(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	ctx, cancel := context.WithCancelCause(context.Background())
	o := options(t, path)
	o.Launch = here(func(_ suites.Order, _, block int) error {
		if block == 2 {
			cancel(errors.New("enough"))
		}
		return nil
	})
	out, err := Run(ctx, p, o)
	if !errors.Is(err, ErrStopped) || len(out.Failed) > 0 || out.Measured != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if n := len(timingsOf(t, path)); n > 0 {
		t.Errorf("%d values of a suite that is not done", n)
	}
	o.Launch = here(nil)
	if out, err := Run(context.Background(), p, o); err != nil || out.Complete != 2 || out.Measured != 2 {
		t.Errorf("going on: %+v, %v", out, err)
	}
}

// TestFits: four processes of the embedded model (11.6 MB of weights, 6 layers)
// and little beside take less than 1 GiB, half of two.
func TestFits(t *testing.T) {
	p := makePlan(t, text)
	r := &run{p: p, o: Options{}}
	s, err := p.Env.Open(context.Background(), p.Cases[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tm := &timings{r: r, layout: suites.Layout{Tokens: 512}}
	for range 4 {
		tm.cases = append(tm.cases, &timed{s: s})
	}
	for _, c := range []struct {
		memory int64
		want   bool
	}{{0, true}, {2 << 30, true}, {800 << 20, false}} {
		r.o.Memory = func() int64 { return c.memory }
		if got := tm.fits(); got != c.want {
			t.Errorf("%d bytes: %v", c.memory, got)
		}
	}
}

// TestFlags marks the values of the block whose clock was low, and records
// what the machine did.
func TestFlags(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	r := &run{p: p, o: options(t, path), done: map[results.Cell]bool{}, doubts: map[results.Cell][]string{}}
	var err error
	if r.w, err = results.Append(path, "20260102T030405Z-00000a", time.Now); err != nil {
		t.Fatal(err)
	}
	s, err := p.Env.Open(context.Background(), p.Cases[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tm := &timings{r: r, su: p.Suites[1], cases: []*timed{{s: s}}}
	for block, reading := range []bench.Reading{{Clock: 3e9}, {Clock: 2e9, Foreign: 0.2}, {Clock: 3e9, Steal: 0.1}} {
		tm.keep(tm.cases[0], suites.Answer{Values: []results.Record{{Metric: "ttft", Item: "b1,ctx2", Value: 1, Block: block}}}, reading)
	}
	if err := errors.Join(tm.write(), r.w.Close()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range timingsOf(t, path) {
		got = append(got, fmt.Sprintf("%s %d %g %v", v.Metric, v.Block, v.Value, v.Flags))
	}
	want := []string{"ttft 0 1 []", "cpu_clock 0 3e+09 []", "foreign_load 0 0 []", "steal 0 0 []",
		"ttft 1 1 [foreign-process throttled]", "cpu_clock 1 2e+09 [foreign-process throttled]", "foreign_load 1 0.2 [foreign-process throttled]", "steal 1 0 [foreign-process throttled]",
		"ttft 2 1 [foreign-process]", "cpu_clock 2 3e+09 [foreign-process]", "foreign_load 2 0 [foreign-process]", "steal 2 0.1 [foreign-process]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
