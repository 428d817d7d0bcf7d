//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/results"
)

// everything is a scenario with every method and every suite; -short, which
// the race detector's tests have, leaves methods out.
func everything() string {
	methods := `
  - {name: int4, bits: 4, group: 32}
  - {name: svd, match: int4}
  - {name: ultrasketch, bits: 0.5, seeds: [1, 2]}`
	if testing.Short() {
		methods = ""
	}
	return `name: everything
model: m
baseline: dense
methods:
  - dense
  - {name: sketchtune, bits: 3, gpr: 1}` + methods + `
calibration: {corpus: demo-calibration, sequences: 2, length: 32}
suites:
  - {name: approx, windows: 1}
  - {name: perplexity, recipe: gptq-64, corpus: demo, windows: 8}
  - divergence
  - {name: latency, prompt: 8, new: 4, blocks: 6, max_blocks: 6, launches: 2, runs: 2, warmup: 50ms}
  - {name: memory, prompt: 8, new: 2, runs: 1}
`
}

// workplace is a folder with the scenario and its model.
func workplace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copyTiny(t, filepath.Join(dir, "m"))
	write(t, filepath.Join(dir, "everything.yaml"), []byte(everything()))
	return dir
}

func recordsIn(dir string) string { return filepath.Join(dir, "everything.records.jsonl") }

// process prepares the program as a process of its own in dir.
func process(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asMain+"=1", "SKETCHBENCH_THREADS=2", "SKETCHBENCH_CACHE="+filepath.Join(dir, "cache"))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// runProcess runs the program to its end.
func runProcess(t *testing.T, dir string, env []string, args ...string) outcome {
	t.Helper()
	cmd := process(t, dir, env, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

var runEverything = []string{"run", "everything.yaml", "--progress", "none"}

// canonical is what a records file says apart from what differs from run to
// run: who ran when, how long it took, and the values of times and peaks. Case
// and recipe lines, which every process writes anew, count once.
func canonical(t *testing.T, path string) []string {
	t.Helper()
	recs, torn, err := results.Parse(path, read(t, path))
	if err != nil || torn {
		t.Fatalf("%s: torn %v, %v", path, torn, err)
	}
	var lines []string
	once := map[string]bool{}
	for _, r := range recs {
		if r.Kind == results.KindRun {
			continue
		}
		r.Run, r.At, r.Seconds, r.Cached = "-", "-", nil, nil
		if r.Suite == "latency" || r.Metric == "peak_anon" || r.Metric == "vmhwm" {
			r.Value, r.Flags = 0, nil
		}
		if r.Suite == "latency" && r.Kind == results.KindDone {
			r.Message = "" // tells of warm-ups, which take their time
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		line := string(b)
		repeats := r.Kind == results.KindCase || r.Kind == results.KindRecipe
		if !repeats || !once[line] {
			lines = append(lines, line)
		}
		once[line] = true
	}
	slices.Sort(lines)
	return lines
}

func sameRecords(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("not in the uninterrupted run: %s", l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("missing: %s", l)
		}
	}
	t.Fatalf("%d lines, want %d", len(got), len(want))
}

// noLeftovers checks that nothing unfinished lies in the cache.
func noLeftovers(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"cache/*/tmp-*", "cache/*/corrupt-*", "cache/fresh-*", "*.tmp-*"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			t.Errorf("left behind: %v", found)
		}
	}
}

// inOneGo is the run that others are compared with, made by the first test
// that wants it.
var inOneGo struct {
	records []string
	took    time.Duration
}

// uninterrupted runs the scenario in one go and returns its records and the
// time that it took.
func uninterrupted(t *testing.T) ([]string, time.Duration) {
	t.Helper()
	if inOneGo.records != nil {
		return inOneGo.records, inOneGo.took
	}
	dir := workplace(t)
	start := time.Now()
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	took := time.Since(start)
	want := canonical(t, recordsIn(dir))
	noLeftovers(t, dir)

	before := read(t, recordsIn(dir))
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 || !strings.Contains(o.lastLine(), "nothing to do") {
		t.Errorf("second run: exit %d, %q", o.code, o.lastLine())
	}
	if !bytes.Equal(before, read(t, recordsIn(dir))) {
		t.Error("the second run changed the records")
	}
	inOneGo.records, inOneGo.took = want, took
	return want, took
}

// TestKill kills a run at random moments and starts the same command again,
// ten times and then to the end: the records are those of a run in one go.
// Every second run has its cases in processes of their own. A
// run that ends before its moment is compared and begun anew.
func TestKill(t *testing.T) {
	want, took := uninterrupted(t)
	rng := rand.New(rand.NewPCG(7, 0))
	dir := workplace(t)
	kills := 10
	if testing.Short() {
		kills = 4
	}
	if os.Getenv(soakTest) != "" {
		kills = 200
	}
	for killed := 0; killed < kills; {
		args := runEverything
		if killed%2 == 1 {
			args = append(slices.Clone(args), "--isolate")
		}
		cmd := process(t, dir, nil, args...)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(took)))):
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
			killed++
			readable(t, dir)
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %s", err, errOut.String())
			}
			sameRecords(t, canonical(t, recordsIn(dir)), want)
			dir = workplace(t)
		}
	}
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	sameRecords(t, canonical(t, recordsIn(dir)), want)
	noLeftovers(t, dir)
}

// readable checks that what a killed run left are records, the last line
// perhaps torn.
func readable(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(recordsIn(dir))
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		_, _, err = results.Parse("records", b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMended goes on after damage that a kill can do: a torn last line, and
// unfinished work in the cache and beside the records.
func TestMended(t *testing.T) {
	dir := workplace(t)
	want, _ := uninterrupted(t)
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	sameRecords(t, canonical(t, recordsIn(dir)), want) // of two fresh runs
	b := read(t, recordsIn(dir))
	lines := bytes.SplitAfter(b, []byte("\n"))
	half := bytes.Join(lines[:len(lines)/2], nil)
	torn := append(half, lines[len(lines)/2][:20]...)
	write(t, recordsIn(dir), torn)
	write(t, recordsIn(dir)+".tmp-1", torn[:50]) // killed while the file was mended
	entries, _ := filepath.Glob(filepath.Join(dir, "cache/artefacts/*/value"))
	if len(entries) == 0 {
		t.Fatal("no artefacts")
	}
	entry := filepath.Dir(entries[0])
	tmp := filepath.Join(dir, "cache/artefacts", "tmp-"+filepath.Base(entry)+"-1")
	if err := os.Rename(entry, tmp); err != nil {
		t.Fatal(err)
	}
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	sameRecords(t, canonical(t, recordsIn(dir)), want)
	noLeftovers(t, dir)
}

// TestSignals stops a run by signals: it ends with whole lines, exit 75 and
// the command that goes on, which then completes the records.
func TestSignals(t *testing.T) {
	dir := workplace(t)
	args := []string{"run", "everything.yaml", "--progress", "plain", "--suites", "approx,perplexity,divergence,latency,memory"}
	for _, s := range []struct {
		signal os.Signal
		after  string // what the run is doing when it comes
	}{{os.Interrupt, "perplexity"}, {syscall.SIGTERM, "calibrate"}, {syscall.SIGUSR2, "latency"}} {
		cmd := process(t, dir, nil, args...)
		pipe, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var o outcome
		sent := false
		for sc := bufio.NewScanner(pipe); sc.Scan(); {
			o.stderr += sc.Text() + "\n"
			if !sent && strings.Contains(sc.Text(), s.after) {
				sent = true
				if err := cmd.Process.Signal(s.signal); err != nil {
					t.Fatal(err)
				}
			}
		}
		err = cmd.Wait()
		if !sent || cmd.ProcessState.ExitCode() != exitStopped {
			t.Fatalf("%v: sent %v, %v, want exit 75:\n%s", s.signal, sent, err, o.stderr)
		}
		const goesOn = "the same command goes on: sketchbench run everything.yaml --progress plain --suites approx,perplexity,divergence,latency,memory"
		if !strings.HasSuffix(o.lastLine(), goesOn) || !strings.Contains(o.lastLine(), "stopped after") {
			t.Errorf("last line %q", o.lastLine())
		}
		if b := read(t, recordsIn(dir)); len(b) == 0 || b[len(b)-1] != '\n' {
			t.Errorf("%v: the records do not end in a whole line", s.signal)
		}
	}
	if o := runProcess(t, dir, nil, args...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	want, _ := uninterrupted(t)
	sameRecords(t, canonical(t, recordsIn(dir)), want)
}

// TestCacheFull has no room for a compressed model: that case fails, by path,
// the uncompressed one is measured, and nothing unfinished is left.
func TestCacheFull(t *testing.T) {
	dir := workplace(t)
	write(t, filepath.Join(dir, "two.yaml"), []byte(`name: two
model: m
baseline: dense
methods: [dense, {name: int4, bits: 4, group: 32}]
suites: [{name: perplexity, recipe: gptq-32, corpus: demo, windows: 6}]
`))
	o := runProcess(t, dir, []string{fileSizeLimit + "=60000"}, "run", "two.yaml", "--progress", "none")
	if o.code != exitFailed || !strings.Contains(o.lastLine(), "1 part failed, 1 of 2 cases complete") {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	const want = "int4 bits=4 group=32 failed in compress (resource): "
	if !strings.Contains(o.stdout, want) || !strings.Contains(o.stdout, "file too large") {
		t.Errorf("the table does not say %q:\n%s", want, o.stdout)
	}
	noLeftovers(t, dir)
}

// TestDiskFull fills the disk while records are written, by a limit on the
// size of files: the run ends with exit 1 and the path, what was measured
// stays, and the same command goes on when there is room.
func TestDiskFull(t *testing.T) {
	want, _ := uninterrupted(t)
	dir := workplace(t)
	// Larger than any artefact of the tiny model, smaller than the records.
	o := runProcess(t, dir, []string{fileSizeLimit + "=130000"}, runEverything...)
	if o.code != exitTool {
		t.Fatalf("exit %d, want 1: %s", o.code, o.stderr)
	}
	for _, w := range []string{"could not go on", "everything.records.jsonl: wrote ", " bytes at ", "the same command goes on"} {
		if !strings.Contains(o.lastLine(), w) {
			t.Errorf("last line %q lacks %q", o.lastLine(), w)
		}
	}
	done := 0
	for _, l := range canonical(t, recordsIn(dir)) {
		if strings.Contains(l, `"kind":"done"`) {
			done++
		}
	}
	if done == 0 {
		t.Error("nothing that was measured is in the file")
	}
	if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	sameRecords(t, canonical(t, recordsIn(dir)), want)
}
