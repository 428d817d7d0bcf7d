//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/results"
)

// TestTwoRunsAtOnce: two processes that run the same scenario with files of
// their own make each artefact and the moments once between them, and record the
// same.
func TestTwoRunsAtOnce(t *testing.T) {
	dir := workplace(t)
	const suites = "approx,perplexity"
	files := []string{"one.jsonl", "two.jsonl"}
	type running struct {
		wait func() error
		err  *bytes.Buffer
	}
	var runs []running
	for _, f := range files {
		cmd := process(t, dir, nil, "run", "everything.yaml", "--progress", "none", "-v", "--suites", suites, "-o", f)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, running{cmd.Wait, &errOut})
	}
	for _, r := range runs {
		if err := r.wait(); err != nil {
			t.Fatalf("%v: %s", err, r.err)
		}
		if strings.Contains(r.err.String(), "WARN") {
			t.Errorf("warned: %s", r.err)
		}
	}
	made := map[string]int{}
	for _, f := range files {
		recs, _, err := results.Parse(f, read(t, filepath.Join(dir, f)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if hit, ok := r.Cached["artefact"]; ok && r.Method != "dense" {
				made[r.Case] += map[bool]int{false: 1, true: 0}[hit]
			}
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "cache", "artefacts", "*", "key.json"))
	if err != nil || len(entries) != len(made) {
		t.Errorf("%d artefacts of %d cases, %v", len(entries), len(made), err)
	}
	for id, n := range made {
		if n != 1 {
			t.Errorf("case %s was made %d times", id, n)
		}
	}
	if moments, err := filepath.Glob(filepath.Join(dir, "cache", "moments", "*", "key.json")); err != nil || len(moments) != 1 {
		t.Errorf("moments %v, %v", moments, err)
	}
	one, two := canonical(t, filepath.Join(dir, files[0])), canonical(t, filepath.Join(dir, files[1]))
	slices.Sort(one)
	slices.Sort(two)
	if !slices.Equal(one, two) {
		t.Errorf("%d and %d lines differ", len(one), len(two))
	}
}

// TestKilledFresh: what a killed run with --fresh leaves, the next run removes.
func TestKilledFresh(t *testing.T) {
	dir := workplace(t)
	cmd := process(t, dir, nil, append(runEverything, "--fresh")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	left := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "cache", "fresh-*", "artefacts"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for range 400 {
		if len(left()) > 0 {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if len(left()) != 1 {
		t.Fatal("no cache of its own")
	}
	other := []string{"run", "everything.yaml", "--progress", "none", "--cases", "dense", "--suites", "perplexity", "-o", "other.jsonl"}
	if o := runProcess(t, dir, nil, other...); o.code != 0 || len(left()) != 1 {
		t.Fatalf("exit %d: %s; the living run's cache: %v", o.code, o.stderr, left())
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := os.Remove(filepath.Join(dir, "other.jsonl")); err != nil {
		t.Fatal(err)
	}
	if o := runProcess(t, dir, nil, other...); o.code != 0 || len(left()) != 0 {
		t.Errorf("exit %d: %s; left: %v", o.code, o.stderr, left())
	}
}
