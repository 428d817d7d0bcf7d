package suites

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/memory"
)

// TestMemory: the ledger adds up to the artefact, the child is told what to
// open, and its figures become records.
func TestMemory(t *testing.T) {
	e := newEnv(t, demo.Model)
	const up = "model.layers.0.mlp.up_proj.weight"
	methods := []string{"int4", "dense", "sketchtune", "svd", "ultrasketch"}
	if testing.Short() {
		methods = methods[:2]
	}
	for _, method := range methods {
		s := openCase(t, e, method, nil, up)
		var calls [][]string
		e.Child = func(_ context.Context, args ...string) ([]byte, error) {
			calls = append(calls, args)
			return json.Marshal(memory.Peak{Anon: 10 * int64(len(calls)), VmHWM: 7, Samples: 2})
		}
		o := &memoryOptions{Prompt: 5, New: 2, Runs: 3}
		p := measure(t, "memory", &Context{Env: e}, s, o)
		want := []string{ChildCommand, "--model", "demo", "--folder", "", "--threads", "2", "--prompt", "5", "--new", "2"}
		if method != "dense" {
			want = append(want, "--artefact", s.ArtefactDir())
		}
		if len(calls) != 3 || !slices.Equal(calls[0], want) {
			t.Errorf("%s: called %q, want %q", method, calls, want)
		}
		stored, parts, peaks := map[string]float64{}, map[string]float64{}, []float64{}
		for _, r := range p.records {
			class, _, _ := strings.Cut(r.Item, "/")
			switch r.Metric {
			case "stored_bytes":
				stored[class] = r.Value
			case "part_bytes":
				parts[class] += r.Value
			case "peak_anon":
				peaks = append(peaks, r.Value)
			}
		}
		var file int64
		for _, entry := range s.Artefact.Manifest().Tensors {
			file += entry.Bytes
		}
		var sum float64
		for class, n := range stored {
			sum += n
			if parts[class] != n {
				t.Errorf("%s: %s: parts of %v bytes, stored %v", method, class, parts[class], n)
			}
		}
		// Tied: embedding, linear, norm.
		if sum != float64(file) || len(stored) != 3 || len(parts) != 3 {
			t.Errorf("%s: classes %v, file %d bytes", method, stored, file)
		}
		if !slices.Equal(peaks, []float64{10, 20, 30}) {
			t.Errorf("%s: peaks %v", method, peaks)
		}
		checkParts(t, method, p.records, s)
	}
}

// checkParts compares the bytes of one compressed matrix among dense ones.
func checkParts(t *testing.T, method string, records []results.Record, s *subject.Subject) {
	t.Helper()
	want := map[string][]string{
		"dense": {"dense"}, "int4": {"dense", "codes", "scales"}, "sketchtune": {"dense", "codes", "tables"},
		"svd": {"dense", "factors"}, "ultrasketch": {"dense", "cells", "indices", "seeds"},
	}[method]
	var got []string
	for _, r := range records {
		if part, ok := strings.CutPrefix(r.Item, "linear/"); ok {
			got = append(got, part)
			// 4 bits of 768×256 weights; 16 centroids of 2 bytes for 768 rows.
			if part == "codes" && r.Value != 768*256/2 || part == "tables" && r.Value != 768*16*2 {
				t.Errorf("%s: %s take %v bytes", method, part, r.Value)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: parts %v, want %v", method, got, want)
	}
}

func TestMemoryFaults(t *testing.T) {
	e := newEnv(t, demo.Model)
	s := openCase(t, e, "dense", nil)
	boom := errors.New("boom")
	for _, c := range []struct {
		answer string
		err    error
		want   string
	}{
		{"", boom, "boom"},
		{"Segmentation fault", nil, `child process printed "Segmentation fault"`},
	} {
		e.Child = func(context.Context, ...string) ([]byte, error) { return []byte(c.answer), c.err }
		err := runMemory(context.Background(), &Context{Env: e}, s, memorySuite.New(), (&tape{}).out(t, "memory"))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("got %v, want %s…", err, c.want)
		}
	}
}

// TestMeasureMemory runs the child's work in this process.
func TestMeasureMemory(t *testing.T) {
	if _, _, err := memory.Status(); err != nil {
		t.Skip(err)
	}
	e := newEnv(t, demo.Model)
	s := openCase(t, e, "int4", nil, "model.layers.0.mlp.up_proj.weight")
	for _, dir := range []string{"", s.ArtefactDir()} {
		child := subject.Child{Model: demo.Model, Artefact: dir, Threads: 1}
		p, err := MeasureMemory(context.Background(), child, 8, 3)
		if err != nil || p.Anon < 1<<20 || p.VmHWM < p.Anon || p.Samples < 2 {
			t.Errorf("%q: %+v, %v", dir, p, err)
		}
	}
	if _, err := MeasureMemory(context.Background(), subject.Child{Model: "x", Folder: "/nosuch", Threads: 1}, 8, 3); err == nil || !strings.Contains(err.Error(), "/nosuch") {
		t.Errorf("got %v", err)
	}
}
