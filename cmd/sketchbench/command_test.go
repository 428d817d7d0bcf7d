package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/scenarios"
)

// TestExitCodes holds the precedence 2, 1, 75, 6 of protocol.md 3.1.
func TestExitCodes(t *testing.T) {
	faults := &scenarios.Faults{Path: "x", List: []scenarios.Fault{{Message: "m"}}}
	stopped := fmt.Errorf("%w: %w", runner.ErrStopped, errors.New("signal: interrupt"))
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("disk"), exitTool},
		{errors.Join(faults, errors.New("disk")), exitUsage},
		{fmt.Errorf("%w: flag", errUsage), exitUsage},
		{fmt.Errorf("%w: signal", runner.ErrStopped), exitStopped},
		{fmt.Errorf("%w: %w", runner.ErrStopped, errors.New("signal")), exitStopped},
		{errors.Join(fmt.Errorf("%w: 1; %w", errFailed, errTold), fmt.Errorf("%w; %w", stopped, errTold)), exitStopped},
		{errors.Join(stopped, errors.New("close")), exitTool},
		{fmt.Errorf("%w; %w", errors.Join(stopped, errors.New("close")), errTold), exitTool},
		{errors.Join(fmt.Errorf("%w: 2; %w", errFailed, errTold), errors.New("close")), exitTool},
		{fmt.Errorf("%w; %w", errors.New("disk"), errTold), exitTool},
		{fmt.Errorf("table: %w", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), exitTool},
		{fmt.Errorf("%w: %w; help", errUsage, errors.New("flag")), exitUsage},
		{fmt.Errorf("%w: 2", errFailed), exitFailed},
		{fmt.Errorf("%w: 2; %w", errFailed, errTold), exitFailed},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.want)
		}
	}
}

// TestReport counts the faults of several scenarios, and the other errors.
func TestReport(t *testing.T) {
	a := &scenarios.Faults{Path: "a", List: []scenarios.Fault{{Message: "one"}, {Message: "two"}}}
	b := &scenarios.Faults{Path: "b", List: []scenarios.Fault{{Message: "three"}}}
	var w strings.Builder
	report(&w, errors.Join(errors.Join(a, nil), b, errors.New("device")))
	const want = "a: one\na: two\nb: three\ndevice\n4 faults; nothing was run\n"
	if w.String() != want {
		t.Errorf("got %q, want %q", w.String(), want)
	}
	w.Reset()
	report(&w, errors.Join(errors.New("first"), errors.New("second")))
	if w.String() != "sketchbench: first; second\n" {
		t.Errorf("got %q, want one line", w.String())
	}
	w.Reset()
	told := fmt.Errorf("%w: 1; %w", errFailed, errTold)
	if code := report(&w, errors.Join(errors.Join(told, nil), errors.New("close"))); code != exitTool || w.String() != "sketchbench: close\n" {
		t.Errorf("exit %d, %q", code, w.String())
	}
	w.Reset()
	if code := report(&w, told); code != exitFailed || w.String() != "" {
		t.Errorf("exit %d, %q", code, w.String())
	}
	w.Reset()
	if code := report(&w, fmt.Errorf("%w: %w; help", errUsage, errors.New("flag"))); code != exitUsage || w.String() != "sketchbench: usage: flag; help\n" {
		t.Errorf("exit %d, %q", code, w.String())
	}
	w.Reset()
	if code := report(&w, nil); code != exitOK || w.String() != "" {
		t.Errorf("exit %d, %q", code, w.String())
	}
}

// TestEnd: what goes wrong while a run stops is told and decides the code.
func TestEnd(t *testing.T) {
	stopped := fmt.Errorf("%w: %w", runner.ErrStopped, errors.New("signal: interrupt"))
	for _, c := range []struct {
		err   error
		code  int
		words string
	}{
		{stopped, exitStopped, "x stopped after 1s; what was measured is in r.jsonl, and the same command goes on: sketchbench run x\n"},
		{errors.Join(stopped, errors.New("close r.jsonl: disk")), exitTool,
			"x could not go on after 1s: stopped: signal: interrupt; close r.jsonl: disk; what was written before is in r.jsonl, and the same command goes on\n"},
	} {
		var w strings.Builder
		a := &app{streams: streams{err: &w}, args: []string{"run", "x"}}
		p := &plan.Plan{Scenario: &scenarios.Scenario{Name: "x"}}
		err := a.sayEnd(ending{p: p, out: &runner.Outcome{}, path: "r.jsonl", took: time.Second, err: c.err})
		if code := report(&w, err); code != c.code || w.String() != c.words {
			t.Errorf("%v: exit %d, %q; want %d, %q", c.err, code, w.String(), c.code, c.words)
		}
	}
}

// TestLatencyRun runs a timing suite, whose numbers vary: the table has all
// rows and columns, and the quality suites of two fresh runs agree.
func TestLatencyRun(t *testing.T) {
	const text = `name: timed
model: m
baseline: dense
methods: [dense, {name: int4, bits: 4, group: 32}]
suites:
  - {name: perplexity, recipe: gptq-32, corpus: demo, windows: 6}
  - {name: latency, prompt: [4, 8], new: 3, blocks: 6, max_blocks: 6, warmup: 50ms}
`
	dir := t.TempDir()
	copyTiny(t, filepath.Join(dir, "m"))
	t.Chdir(dir)
	o := command(dir, []byte(text), "run", "-", "--progress", "jsonl")
	if o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	for _, w := range []string{`TTFT \((ms|µs)\) at 4`, `TTFT \((ms|µs)\) at 8`, `ratio at 8 \[95 %\]`, "(ms|µs)/token at 8", "│ dense", "│ int4 bits=4 group=32", "6 randomised blocks"} {
		if !regexp.MustCompile(w).MatchString(o.stdout) {
			t.Errorf("the table lacks %q:\n%s", w, o.stdout)
		}
	}
	lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
	left := -1.0
	for _, l := range lines[:len(lines)-1] {
		var e struct {
			Step          string
			Block, Blocks int
			Elapsed       float64 `json:"elapsed_s"`
			Left          float64 `json:"left_s"`
		}
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		if e.Left < 0 || e.Elapsed < 0 || e.Step == "latency" && (e.Block < 1 || e.Block > e.Blocks || e.Blocks != 6) {
			t.Errorf("event %s", l)
		}
		left = e.Left
	}
	if left != 0 {
		t.Errorf("%v s left at the end", left)
	}
}

// TestDoctor checks the shape of what doctor says, which is different on every
// machine.
func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	o := command(dir, nil, "doctor", "--require", "generic")
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	want := []string{"processor", "features", "kernels", "caches", "memory", "clock", "governor", "load", "system", "gpu", "cache", "disk", "hub token"}
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), o.stdout)
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, want[i]+" ") || strings.TrimSpace(strings.TrimPrefix(l, want[i])) == "" {
			t.Errorf("line %d is %q, want %s and what it is", i, l, want[i])
		}
	}
	dev, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	first, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(lines[2], "kernels")), ",")
	if first, _, _ = strings.Cut(first, ";"); "cpu/"+first != dev.Name() {
		t.Errorf("%q is told to be used, the device is %s", first, dev.Name())
	}
	if !strings.Contains(o.stdout, "(from SKETCHBENCH_CACHE): not there yet") {
		t.Errorf("the cache is not told:\n%s", o.stdout)
	}
	o = command(dir, nil, "doctor", "--require", "quantum,generic")
	if o.code != exitTool || o.stderr != "sketchbench: missing on this machine or in this build: quantum\n" {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

// TestMachineState reads what Linux tells, in the forms that it has.
func TestMachineState(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const cpufreq = "sys/devices/system/cpu/cpu0/cpufreq/"
	root := fstest.MapFS{
		"proc/meminfo": file("MemTotal:       16384000 kB\nMemFree:          100000 kB\nMemAvailable:    8388608 kB\n"),
		"proc/cpuinfo": file("processor\t: 0\nmodel name\t: X\ncpu MHz\t\t: 2445.406\n\nprocessor\t: 1\ncpu MHz\t\t: 1500.000\n"),
	}
	if got := gibibytes(bench.AvailableMemory(root)); got != "8.0 GiB" {
		t.Errorf("available: %s", got)
	}
	if got := cpuClock(root); got != "2445 MHz now" {
		t.Errorf("clock: %s", got)
	}
	root[cpufreq+"scaling_cur_freq"], root[cpufreq+"cpuinfo_max_freq"] = file("1800000\n"), file("3600000\n")
	if got := cpuClock(root); got != "1800 MHz now, at most 3600" {
		t.Errorf("clock: %s", got)
	}
	if a, b := gibibytes(bench.AvailableMemory(fstest.MapFS{})), cpuClock(fstest.MapFS{}); a != "unknown" || b != "unknown" {
		t.Errorf("of nothing: %s, %s", a, b)
	}
}

// TestHubToken never tells the token itself.
func TestHubToken(t *testing.T) {
	s := hubToken(func(name string) string { return map[string]string{"HF_TOKEN": "secret"}[name] })
	if strings.Contains(s, "secret") || !strings.HasPrefix(s, "present") {
		t.Error(s)
	}
	empty := t.TempDir()
	s = hubToken(func(name string) string { return map[string]string{"HF_HOME": empty}[name] })
	if !strings.HasPrefix(s, "absent") {
		t.Error(s)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		o := command(t.TempDir(), nil, "completion", shell)
		if o.code != 0 || !strings.Contains(o.stdout, "sketchbench") || o.stderr != "" {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, o.code, len(o.stdout), o.stderr)
		}
	}
	if o := command(t.TempDir(), nil, "__complete", "run", ""); !strings.Contains(o.stdout, "demo\n") {
		t.Errorf("completing run gives %q, want the shipped scenarios", o.stdout)
	}
	o := command(t.TempDir(), nil, "completion", "bush")
	const want = "sketchbench: usage: completion: no shell \"bush\", want one of bash, zsh, fish, powershell; did you mean \"bash\"?\n"
	if o.code != exitUsage || o.stderr != want {
		t.Errorf("unknown shell: exit %d, %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestEnvironment reads the shared settings that have no flag.
func TestEnvironment(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"SKETCHBENCH_THREADS", "many", `usage: SKETCHBENCH_THREADS is "many", want a number of at least 1`},
		{"SKETCHBENCH_THREADS", "0", `usage: SKETCHBENCH_THREADS is "0", want a number of at least 1`},
		{"SKETCHBENCH_DEVICE", "cuda", `usage: device "cuda", want auto or cpu`},
	} {
		err := run(context.Background(), []string{"version"}, streams{nil, io.Discard, io.Discard},
			func(name string) string { return map[string]string{c.name: c.value}[name] })
		if err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.want)
		}
	}
}

// TestPlainProgress prints a line when a step begins and every five seconds.
func TestPlainProgress(t *testing.T) {
	var w strings.Builder
	p := &plainLines{w: &w}
	for _, e := range []runner.Event{
		{Case: "a", Index: 1, Of: 2, Step: "approx"},
		{Case: "a", Index: 1, Of: 2, Step: "approx", Done: 1, Total: 9, Elapsed: 2 * time.Second},
		{Case: "a", Index: 1, Of: 2, Step: "approx", Done: 5, Total: 9, Elapsed: 5 * time.Second, Left: 70 * time.Second},
		{Case: "b", Index: 2, Of: 2, Step: "approx", Elapsed: 6 * time.Second, Left: 2 * time.Hour},
		{Case: "b", Index: 2, Of: 2, Step: "latency", Elapsed: 7 * time.Second, Block: 1, Blocks: 6},
		{Case: "a", Index: 1, Of: 2, Step: "latency", Elapsed: 8 * time.Second, Block: 1, Blocks: 6},
		{Case: "a", Index: 1, Of: 2, Step: "latency", Elapsed: 9 * time.Second, Block: 2, Blocks: 6},
	} {
		p.event(e)
	}
	const want = `[1/2] a: approx; 0:00 so far
[1/2] a: approx 5/9; 0:05 so far, about 1:10 left
[2/2] b: approx; 0:06 so far, about 2:00:00 left
[block 1/6] b: latency; 0:07 so far
[block 2/6] a: latency; 0:09 so far
`
	if w.String() != want {
		t.Errorf("got\n%s\nwant\n%s", w.String(), want)
	}
}

// TestBar draws and closes; what it looks like is mpb's.
func TestBar(t *testing.T) {
	var w bytes.Buffer
	b := newBar(&w)
	b.event(runner.Event{Case: "a", Index: 1, Of: 2, Step: "approx", Elapsed: time.Second, Left: time.Second})
	time.Sleep(500 * time.Millisecond)
	b.event(runner.Event{Case: "a", Index: 1, Of: 2, Step: "approx", Elapsed: 2 * time.Second})
	fmt.Fprintln(b.log(), "a line of the log")
	b.close()
	if !strings.Contains(w.String(), "0:01 so far") || !strings.Contains(w.String(), "a line of the log\n") {
		t.Errorf("drew %q", w.String())
	}
}

func TestCommandLine(t *testing.T) {
	a := &app{args: []string{"run", "my file.yaml", "--cases", "int4*", "it's"}}
	if got, want := a.commandLine(), `sketchbench run 'my file.yaml' --cases 'int4*' 'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
