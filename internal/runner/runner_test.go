package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

// text has two cases that need no work to open, and both kinds of suites.
const text = `name: x
model: demo
baseline: dense
methods:
  - dense
  - {name: svd, bits: 0.25, only: ["*.0.self_attn.q_proj.weight"]}
suites:
  - {name: perplexity, recipe: gptq-16, corpus: demo, windows: 2}
  - {name: latency, prompt: 2, new: 2, blocks: 6, max_blocks: 6, launches: 2, runs: 1, warmup: 1ms}
`

func makePlan(t *testing.T, text string) *plan.Plan {
	t.Helper()
	s, err := scenarios.Parse([]byte(text), "x.yaml", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(s, plan.Settings{Cache: t.TempDir(), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// options of a run whose clock stands still but for what a test moves.
func options(t *testing.T, path string) Options {
	t.Helper()
	return Options{
		Records: path, RunID: "20260102T030405Z-00000a", Now: time.Now, Clock: bench.WallClock, Tool: "devel",
		Environment: json.RawMessage(`{}`), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Launch: here(nil),
	}
}

// kinds counts the lines of a records file by kind and suite.
func kinds(t *testing.T, path string) map[string]int {
	t.Helper()
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, r := range recs {
		n[strings.TrimSpace(string(r.Kind)+" "+r.Suite)]++
	}
	return n
}

// TestResumeTimings measures a timing suite for all cases or for none: with
// the done line of one case lost, both are timed again, in one run, and the
// quality suites are not.
func TestResumeTimings(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	out, err := Run(context.Background(), p, options(t, path))
	if err != nil || out.Measured != 4 || len(out.Failed) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	whole := kinds(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lost := slices.IndexFunc(lines, func(l []byte) bool {
		return bytes.Contains(l, []byte(`"done"`)) && bytes.Contains(l, []byte("latency"))
	})
	if err := os.WriteFile(path, bytes.Join(slices.Delete(lines, lost, lost+1), nil), 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(t, path)
	o.RunID = "20260102T030405Z-00000b"
	if out, err = Run(context.Background(), p, o); err != nil || out.Measured != 2 || out.Dropped == 0 {
		t.Fatalf("%+v, %v, want 2 cells measured again", out, err)
	}
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if r.Suite == "latency" && r.Kind != results.KindRecipe && r.Run != o.RunID {
			t.Errorf("a line of the first timing is left: %+v", r)
		}
		if r.Suite == "perplexity" && r.Kind == results.KindValue && r.Run == o.RunID {
			t.Errorf("perplexity was measured again: %+v", r)
		}
	}
	for k, n := range kinds(t, path) {
		if strings.HasPrefix(k, "value") && n != whole[k] {
			t.Errorf("%d lines %s, want %d", n, k, whole[k])
		}
	}
	if out, err = Run(context.Background(), p, o); err != nil || out.Measured != 0 || out.Dropped != 0 {
		t.Errorf("a third run: %+v, %v, want nothing to do", out, err)
	}
}

// TestFailedTimings tries a case that failed again by itself: the times of the
// others stay, as does the failure of a case that this run does not plan.
func TestFailedTimings(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	o.Launch = here(func(order suites.Order, _, _ int) error {
		if order.Child.Artefact != "" {
			return errors.New("boom")
		}
		return nil
	})
	for range 2 {
		out, err := Run(context.Background(), p, o)
		if err != nil || len(out.Failed) != 1 || out.Complete != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		// Two launches with load and first call, six blocks of ttft with its
		// two parts and itl, and those of ttft and itl of the control.
		if n := kinds(t, path); n["value latency"] != 2*2+6*(4+2) || n["done latency"] != 1 || n["failure latency"] != 1 {
			t.Fatalf("lines %v", n)
		}
	}
	other := makePlan(t, strings.Replace(text, "name: x", "name: y", 1))
	if _, err := Run(context.Background(), other, options(t, path)); err != nil {
		t.Fatal(err)
	}
	if n := kinds(t, path); n["failure latency"] != 1 || n["done latency"] != 3 {
		t.Errorf("after another scenario: %v", n)
	}
	out, err := Run(context.Background(), p, options(t, path))
	if err != nil || out.Measured != 1 || out.Complete != 2 {
		t.Errorf("once it works: %+v, %v", out, err)
	}
}

// TestInputsChanged measures cells whose key is another than the done line's
// again, and keeps those of other scenarios.
func TestInputsChanged(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if _, err := Run(context.Background(), p, options(t, path)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := run{p: p}
	key := r.key(0, p.Suites[0])
	if bytes.Count(b, []byte(key)) != 1 {
		t.Fatalf("key %s is there %d times", key, bytes.Count(b, []byte(key)))
	}
	b = bytes.Replace(b, []byte(key), []byte("000000000000"), 1)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	other := makePlan(t, strings.Replace(text, "name: x", "name: y", 1))
	if out, err := Run(context.Background(), other, options(t, path)); err != nil || out.Measured != 4 {
		t.Fatalf("another scenario in the same file: %+v, %v", out, err)
	}
	if out, err := Run(context.Background(), p, options(t, path)); err != nil || out.Measured != 1 {
		t.Fatalf("%+v, %v, want the one cell whose inputs changed", out, err)
	}
	if out, err := Run(context.Background(), other, options(t, path)); err != nil || out.Measured != 0 {
		t.Fatalf("%+v, %v, want nothing to do", out, err)
	}
}

// TestStopped keeps what was measured when the context ends, and says so.
func TestStopped(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	ctx, cancel := context.WithCancelCause(context.Background())
	o := options(t, path)
	o.Progress = func(e Event) {
		if e.Step == "perplexity" && e.Index == 2 {
			cancel(errors.New("enough"))
		}
	}
	out, err := Run(ctx, p, o)
	if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "enough") || out.Measured != 1 || len(out.Failed) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if n := kinds(t, path); n["done perplexity"] != 1 || n["failure"] != 0 {
		t.Errorf("lines %v", n)
	}
	o.Progress = nil
	if out, err := Run(context.Background(), p, o); err != nil || out.Measured != 3 {
		t.Errorf("going on: %+v, %v", out, err)
	}
}

// TestFailures records the suite that fails, and the run goes on; with
// FailFast it ends.
func TestFailures(t *testing.T) {
	for _, fast := range []bool{false, true} {
		p := makePlan(t, text)
		path := filepath.Join(t.TempDir(), "r.jsonl")
		calls := 0
		was := p.Suites[0].Run
		p.Suites[0].Run = func(ctx context.Context, c *suites.Context, s *subject.Subject, opts any, out suites.Out) error {
			if calls++; calls == 1 {
				return fmt.Errorf("window 3: %w", subject.ErrDiverged)
			}
			return was(ctx, c, s, opts, out)
		}
		o := options(t, path)
		o.FailFast = fast
		out, err := Run(context.Background(), p, o)
		if err != nil || len(out.Failed) != 1 || out.Failed[0].Case != "dense" || out.Failed[0].Suite != "perplexity" {
			t.Fatalf("fail-fast %v: %+v, %v", fast, out, err)
		}
		recs, err := results.ReadFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(recs, func(r results.Record) bool { return r.Kind == results.KindFailure })
		if i < 0 || recs[i].Class != results.ClassDiverged || recs[i].Stage != "suite" || !strings.Contains(recs[i].Message, "window 3") {
			t.Errorf("fail-fast %v: failure line %+v", fast, recs)
		}
		want := 3 // the other case's perplexity, and both timings
		if fast {
			want = 0
		}
		if out.Measured != want || out.Complete != map[bool]int{true: 0, false: 1}[fast] {
			t.Errorf("fail-fast %v: %+v, want %d cells", fast, out, want)
		}
	}
}

// TestRefusedRecords leaves a file alone that holds no records.
func TestRefusedRecords(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(path, []byte("notes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := Run(context.Background(), p, options(t, path))
	if out != nil || err == nil || !strings.Contains(err.Error(), "r.jsonl:1: ") {
		t.Errorf("%+v, %v", out, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "notes\n" {
		t.Errorf("the file is now %q", b)
	}
}

// TestTwoRuns lets only one run at a time write to a file, also after the file
// was mended.
func TestTwoRuns(t *testing.T) {
	p := makePlan(t, text)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(path, []byte(`{"kind":"run"`), 0o644); err != nil { // torn
		t.Fatal(err)
	}
	o, tried := options(t, path), false
	o.Progress = func(e Event) {
		if tried {
			return
		}
		tried = true
		_, err := Run(context.Background(), makePlan(t, text), options(t, path))
		if runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "r.jsonl: another run is writing to it")) {
			t.Errorf("a second run: %v", err)
		}
	}
	if out, err := Run(context.Background(), p, o); err != nil || out.Measured != 4 || !tried {
		t.Errorf("the first run: %+v, %v, second tried %v", out, err, tried)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want results.Class
	}{
		{fmt.Errorf("x: %w", subject.ErrDiverged), results.ClassDiverged},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, results.ClassResource},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, results.ClassResource},
		{fmt.Errorf("child: %w", &launch.Exit{Code: 2}), results.ClassCrash},
		{&launch.Exit{Code: -1, Signal: "killed", OutOfMemory: true}, results.ClassResource},
		{errors.New("bits"), results.ClassInput},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v: class %s, want %s", c.err, got, c.want)
		}
	}
}
