//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/results"
)

// soakTest, when not empty, makes TestKill kill two hundred times and runs
// what follows here: make soak.
const soakTest = "SKETCHBENCH_SOAK"

// soaking skips a test that only make soak runs.
func soaking(t *testing.T) {
	t.Helper()
	if os.Getenv(soakTest) == "" {
		t.Skip("make soak runs it")
	}
}

// completes runs the scenario to its end and compares the records with those
// of a run in one go.
func completes(t *testing.T, dir string, env ...string) outcome {
	t.Helper()
	want, _ := uninterrupted(t)
	o := runProcess(t, dir, env, runEverything...)
	if o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	sameRecords(t, canonical(t, recordsIn(dir)), want)
	return o
}

// TestSoakDiskFull limits the size of files at many values: of those below the
// largest artefact each strikes another write of the cache, of those above
// another write of the records. The run tells the path, and goes on when there
// is room.
func TestSoakDiskFull(t *testing.T) {
	soaking(t)
	all, _ := uninterrupted(t)
	want, timed := apartFromTimes(all)
	whole := workplace(t)
	completes(t, whole)
	info, err := os.Stat(recordsIn(whole))
	if err != nil {
		t.Fatal(err)
	}
	limits := []int64{0, 1, 100, 1000}
	for _, size := range cacheSizes(t, whole) {
		limits = append(limits, size-1)
	}
	const steps = 40
	for i := range int64(steps) {
		limits = append(limits, info.Size()*(i+1)/(steps+1))
	}
	for _, limit := range limits {
		dir := workplace(t)
		o := runProcess(t, dir, []string{fileSizeLimit + "=" + strconv.FormatInt(limit, 10)}, runEverything...)
		if o.code != exitTool && o.code != exitFailed && o.code != exitUsage {
			t.Fatalf("limit %d: exit %d, want 1, 2 or 6: %s", limit, o.code, o.stderr)
		}
		if !strings.Contains(o.stderr, "file too large") {
			t.Errorf("limit %d: not told: %s", limit, o.stderr)
		}
		readable(t, dir)
		if o := runProcess(t, dir, nil, runEverything...); o.code != 0 {
			t.Fatalf("limit %d, then none: exit %d: %s", limit, o.code, o.stderr)
		}
		// A case that failed is timed by itself, in blocks of its own.
		got, done := apartFromTimes(canonical(t, recordsIn(dir)))
		sameRecords(t, got, want)
		if done != timed {
			t.Errorf("limit %d, then none: %d cases are timed, want %d", limit, done, timed)
		}
		noLeftovers(t, dir)
	}
}

// apartFromTimes drops the lines of the latency suite and counts its cells.
func apartFromTimes(lines []string) (others []string, cells int) {
	for _, l := range lines {
		if !strings.Contains(l, `"suite":"latency"`) {
			others = append(others, l)
		} else if strings.HasPrefix(l, `{"kind":"done"`) {
			cells++
		}
	}
	return others, cells
}

// cacheSizes lists the sizes of the files in the cache, of each size one.
func cacheSizes(t *testing.T, dir string) []int64 {
	t.Helper()
	seen := map[int64]bool{}
	var sizes []int64
	err := filepath.WalkDir(filepath.Join(dir, "cache"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 && !seen[info.Size()] {
			seen[info.Size()] = true
			sizes = append(sizes, info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestSoakTorn cuts the records at random bytes and goes on.
func TestSoakTorn(t *testing.T) {
	soaking(t)
	rng := rand.New(rand.NewPCG(11, 0))
	dir := workplace(t)
	completes(t, dir)
	whole := read(t, recordsIn(dir))
	for range 50 {
		write(t, recordsIn(dir), whole[:rng.IntN(len(whole))])
		completes(t, dir)
	}
}

// TestSoakDamagedCache truncates, alters or removes every file of the cache in
// turn: the entry is set aside and made anew, with a warning.
func TestSoakDamagedCache(t *testing.T) {
	soaking(t)
	damages := map[string]func(b []byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"altered":   func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b },
		"emptied":   func([]byte) []byte { return nil },
	}
	dir := workplace(t)
	completes(t, dir)
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, "cache"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/value/") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		for name, damage := range damages {
			whole := read(t, path)
			write(t, path, damage(bytes.Clone(whole)))
			if err := os.Remove(recordsIn(dir)); err != nil {
				t.Fatal(err)
			}
			o := completes(t, dir)
			if !strings.Contains(o.stderr, "set aside") {
				t.Errorf("%s %s: no warning: %s", path, name, o.stderr)
			}
			if again := read(t, path); !bytes.Equal(again, whole) {
				t.Errorf("%s %s: made anew with other bytes", path, name)
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "cache/*/corrupt-*"))
			for _, a := range aside {
				if err := os.RemoveAll(a); err != nil {
					t.Fatal(err)
				}
			}
			if len(aside) == 0 {
				t.Errorf("%s %s: nothing was set aside", path, name)
			}
		}
	}
}

// TestSoakReadOnly runs as an ordinary user on a cache that it may only read:
// a whole one is used, and an empty one is refused before any work.
func TestSoakReadOnly(t *testing.T) {
	soaking(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	// The program must lie where others may run it.
	bin := filepath.Join(open(t, t.TempDir()), "sketchbench")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, read(t, exe), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, full := range []bool{true, false} {
		dir := workplace(t)
		open(t, dir)
		if full {
			completes(t, dir)
			if err := os.Remove(recordsIn(dir)); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Mkdir(filepath.Join(dir, "cache"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := process(t, dir, nil, runEverything...)
		cmd.Path = bin
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		b, err := cmd.CombinedOutput()
		switch {
		case full && err != nil:
			t.Errorf("a whole cache: %v: %s", err, b)
		case full:
			want, _ := uninterrupted(t)
			sameRecords(t, canonical(t, recordsIn(dir)), want)
		case cmd.ProcessState.ExitCode() != exitTool || !bytes.Contains(b, []byte("cannot be written")) || !bytes.Contains(b, []byte("--cache DIR")):
			t.Errorf("an empty cache: %v: %s", err, b)
		}
	}
}

// open lets everybody use a folder of a test, and pass the folders above it
// that are the test's own.
func open(t *testing.T, dir string) string {
	t.Helper()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", d, err))
		}
	}
	return dir
}

// TestSoakKernels kills a run of the suite that needs no model, which cannot
// be among the others: every case is measured once.
func TestSoakKernels(t *testing.T) {
	soaking(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "small.yaml"), []byte(`name: small
model: none
baseline: dense
methods: [dense, {name: int4, bits: 4, group: 32}]
suites: [{name: kernelspeed, shapes: [64x64], batch: [1], cache: cold, blocks: 6, samples: 3, time: 1ms}]
`))
	args := []string{"run", "small.yaml", "--progress", "none"}
	start := time.Now()
	if o := runProcess(t, dir, nil, append(args, "-o", "whole.jsonl")...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	took := time.Since(start)
	rng := rand.New(rand.NewPCG(13, 0))
	for range 20 {
		cmd := process(t, dir, nil, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(took))))
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, or done before
	}
	if o := runProcess(t, dir, nil, args...); o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	// That done lines count the values that stand there is what verify checks.
	if o := runProcess(t, dir, nil, "verify", "small.records.jsonl"); o.code != 0 {
		t.Errorf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	recs, _, err := results.Parse("small", read(t, filepath.Join(dir, "small.records.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	for _, r := range recs {
		if r.Kind == results.KindDone {
			done[r.Method]++
		}
	}
	if len(done) != 2 || done["dense"] != 1 || done["int4"] != 1 {
		t.Errorf("done lines %v", done)
	}
}
