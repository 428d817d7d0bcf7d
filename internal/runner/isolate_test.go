package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/results"
)

// envRole makes the test binary a worker that ends as it says: "SUITE HOW".
const envRole = "SKETCHBENCH_RUNNER_TEST"

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		work(role)
	}
	os.Exit(m.Run())
}

// work does a worker's job; when it comes to the svd case and the suite of its
// role it ends as the role says.
func work(role string) {
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	var j Job
	if err := errors.Join(err, json.Unmarshal(line, &j)); err != nil {
		panic(err)
	}
	last := max(strings.LastIndex(role, " "), 0)
	suite, how := role[:last], role[last:]
	out := &gate{svd: strings.Contains(os.Getenv("SVD"), j.Case), suite: suite, how: how}
	if err := Work(context.Background(), j, out, plan.Settings{}, Options{Now: time.Now, Clock: bench.WallClock}); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// A gate passes messages on until a suite begins.
type gate struct {
	svd        bool
	suite, how string
}

func (g *gate) Write(b []byte) (int, error) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	n, err := os.Stdout.Write(b)
	if !g.svd || m.Step == nil || m.Step.Name != g.suite {
		return n, err
	}
	switch strings.TrimSpace(g.how) {
	case "panic":
		panic("boom")
	case "memory":
		fmt.Fprintln(os.Stderr, "fatal error: runtime: out of memory")
		os.Exit(2)
	case "stop":
		os.Exit(exitStopped)
	case "hang":
		time.Sleep(time.Minute)
	case "babble":
		fmt.Println("hello")
	}
	return n, err
}

const isolated = `name: x
model: demo
baseline: dense
methods:
  - dense
  - {name: svd, bits: 0.25, only: ["*.0.self_attn.q_proj.weight"]}
suites:
  - {name: approx, windows: 1, hessian: false}
  - {name: perplexity, recipe: gptq-16, corpus: demo, windows: 2}
`

// isolate are options that run workers of a role.
func isolate(t *testing.T, p *plan.Plan, path, role string) Options {
	o := options(t, path)
	o.Memory = func() int64 { return 1 << 40 }
	o.Worker = func() (*launch.Process, error) {
		return launch.Start(os.Args[0], append(os.Environ(), envRole+"="+role, "SVD="+p.Cases[1].ID))
	}
	return o
}

// values are the value lines of a records file, apart from when they were
// measured.
func values(t *testing.T, path string) map[string]float64 {
	t.Helper()
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]float64{}
	for _, r := range recs {
		if r.Kind == results.KindValue {
			key := fmt.Sprint(r.Case, r.Suite, r.Recipe, r.Metric, r.Item, r.Sample, r.Artefact, r.Device)
			if _, twice := m[key]; twice {
				t.Errorf("measured twice: %s", key)
			}
			m[key] = r.Value
		}
	}
	return m
}

// TestIsolate measures in worker processes what a run without them measures.
func TestIsolate(t *testing.T) {
	p := makePlan(t, isolated)
	here, there := filepath.Join(t.TempDir(), "a.jsonl"), filepath.Join(t.TempDir(), "b.jsonl")
	if out, err := Run(context.Background(), p, options(t, here)); err != nil || out.Complete != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	var steps []string
	o := isolate(t, p, there, "nothing")
	o.Progress = func(e Event) {
		if n := len(steps); n == 0 || steps[n-1] != e.Case+" "+e.Step {
			steps = append(steps, e.Case+" "+e.Step)
		}
	}
	out, err := Run(context.Background(), p, o)
	if err != nil || out.Complete != 2 || out.Measured != 4 {
		t.Fatalf("%+v, %v", out, err)
	}
	if a, b := kinds(t, here), kinds(t, there); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("lines %v\nwant %v", b, a)
	}
	if a, b := values(t, here), values(t, there); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("values %v\nwant %v", b, a)
	}
	if want := "dense approx"; len(steps) < 4 || steps[0] != want || !strings.Contains(steps[len(steps)-1], "perplexity") {
		t.Errorf("steps %q", steps)
	}
	if out, err = Run(context.Background(), p, o); err != nil || out.Measured != 0 || out.Dropped != 0 {
		t.Errorf("again: %+v, %v, want nothing to do", out, err)
	}
}

// TestWorkerEnds: a worker that does not end well fails its suite, and the
// other suite and the other case are measured all the same.
func TestWorkerEnds(t *testing.T) {
	p := makePlan(t, isolated)
	before := filepath.Join(t.TempDir(), "dense.jsonl")
	dense := *p
	dense.Cases = p.Cases[:1]
	if out, err := Run(context.Background(), &dense, options(t, before)); err != nil || out.Complete != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	measured, err := os.ReadFile(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		role, suite, message string
		class                results.Class
		limit                time.Duration
	}{
		{role: "approx panic", suite: "approx", class: results.ClassCrash, message: "child process: exit status 2: panic: boom"},
		{role: "perplexity memory", suite: "perplexity", class: results.ClassResource, message: "out of memory"},
		{role: "perplexity stop", suite: "perplexity", class: results.ClassStopped, message: "stopped from outside"},
		{role: "perplexity babble", suite: "perplexity", class: results.ClassInput, message: `worker printed "hello\n"`},
		{role: "approx hang", class: results.ClassTimeout, limit: 2 * time.Second, message: "2s are over; --time-limit sets it"},
	} {
		path := filepath.Join(t.TempDir(), "r.jsonl")
		if err := os.WriteFile(path, measured, 0o644); err != nil {
			t.Fatal(err)
		}
		o := isolate(t, p, path, c.role)
		o.TimeLimit = c.limit
		out, err := Run(context.Background(), p, o)
		if err != nil {
			t.Fatalf("%s: %v", c.role, err)
		}
		recs, err := results.ReadFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		var failures []results.Record
		for _, r := range recs {
			switch r.Kind {
			case results.KindDone:
				done++
			case results.KindFailure:
				failures = append(failures, r)
			}
		}
		want := 3
		if c.suite == "" {
			want = 2
		}
		if len(failures) != 1 || done != want || out.Complete != 1 || len(out.Failed) != 1 {
			t.Errorf("%s: %d done, want %d; failures %+v; %+v", c.role, done, want, failures, out)
			continue
		}
		if f := failures[0]; f.Suite != c.suite || f.Class != c.class || !strings.Contains(f.Message, c.message) {
			t.Errorf("%s: %+v, want %s %q", c.role, f, c.class, c.message)
		}
	}
}

// TestWorkerEndsInWalk: a worker that ends in the walk of two suites fails both
// of them, and the third is measured all the same.
func TestWorkerEndsInWalk(t *testing.T) {
	p := makePlan(t, isolated+"  - divergence\n")
	path := filepath.Join(t.TempDir(), "r.jsonl")
	out, err := Run(context.Background(), p, isolate(t, p, path, "perplexity, divergence panic"))
	if err != nil || out.Complete != 1 || len(out.Failed) != 2 || out.Measured != 4 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, suite := range []string{"perplexity", "divergence"} {
		if f := out.Failed[i]; f.Suite != suite || classify(f.Err) != results.ClassCrash {
			t.Errorf("%+v, want a crash of %s", f, suite)
		}
	}
	if out, err = Run(context.Background(), p, isolate(t, p, path, "nothing")); err != nil || out.Complete != 2 || out.Measured != 2 {
		t.Errorf("again: %+v, %v", out, err)
	}
}

// TestAdmission does not begin what the memory does not suffice for.
func TestAdmission(t *testing.T) {
	p := makePlan(t, isolated)
	o := isolate(t, p, filepath.Join(t.TempDir(), "r.jsonl"), "nothing")
	o.Memory = func() int64 { return 100 << 20 }
	out, err := Run(context.Background(), p, o)
	if err != nil || len(out.Failed) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, f := range out.Failed {
		want := fmt.Sprintf("about %d bytes are wanted, %d are available", p.MemoryBytes(i), 100<<20)
		if classify(f.Err) != results.ClassResource || !strings.Contains(f.Err.Error(), want) {
			t.Errorf("%v, want %s", f.Err, want)
		}
	}
}

// TestIsolateStops asks a worker in work to stop, and nothing is lost.
func TestIsolateStops(t *testing.T) {
	p := makePlan(t, isolated)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := isolate(t, p, path, "nothing")
	o.Progress = func(e Event) {
		if e.Case != "dense" {
			cancel()
		}
	}
	if _, err := Run(ctx, p, o); !errors.Is(err, ErrStopped) {
		t.Fatalf("%v, want ErrStopped", err)
	}
	if n := kinds(t, path); n["failure"] != 0 || n["done approx"] != 1 || n["done perplexity"] != 1 {
		t.Errorf("lines %v", n)
	}
	o.Progress = nil
	if out, err := Run(context.Background(), p, o); err != nil || out.Complete != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestTimeLimit fails a case that takes too long in this process.
func TestTimeLimit(t *testing.T) {
	p := makePlan(t, isolated)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	o.TimeLimit = time.Nanosecond
	out, err := Run(context.Background(), p, o)
	if err != nil || len(out.Failed) != 2 || out.Complete != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if !errors.Is(out.Failed[0].Err, errTimeLimit) || classify(out.Failed[0].Err) != results.ClassTimeout {
		t.Errorf("%v", out.Failed[0].Err)
	}
}
