package subject

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/stage"
)

// later is the environment of a process that comes later and has checked
// nothing yet; warnings go to the list.
func later(e *Env, warnings *[]string) *Env {
	cache := e.Cache
	cache.Warn = func(err error) { *warnings = append(*warnings, err.Error()) }
	return &Env{Model: e.Model, Cache: cache, Device: e.Device, Gemm: e.Gemm}
}

func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// damages are ways in which an artefact's files come to harm, and what is said
// of them.
var damages = []struct {
	name, says string
	do         func(t *testing.T, dir string)
}{
	{"a shorter file", "config.json: 10 bytes, want ", func(t *testing.T, dir string) {
		if err := os.Truncate(filepath.Join(dir, "config.json"), 10); err != nil {
			t.Fatal(err)
		}
	}},
	{"a flipped bit of a weight", "SHA-256", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "model-00001-of-00001.safetensors")) }},
	{"a flipped bit of the manifest", "manifest.json: SHA-256", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "manifest.json")) }},
	{"a file too many", "not in content.json: extra", func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, "extra"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}},
}

// TestDamagedArtefact: an artefact that is not as it was made is set aside with
// a warning and made again, with the same hash.
func TestDamagedArtefact(t *testing.T) {
	for _, d := range damages {
		e := newEnv(t, tinyModel(t), 1)
		c := defaultCase(t, "int4")
		s := open(t, e, c)
		d.do(t, s.ArtefactDir())
		var warnings []string
		again := open(t, later(e, &warnings), c)
		if again.Hit || again.Artefact.Hash() != s.Artefact.Hash() {
			t.Errorf("%s: hit %v, hash %.12s, want %.12s", d.name, again.Hit, again.Artefact.Hash(), s.Artefact.Hash())
		}
		aside, err := filepath.Glob(filepath.Join(e.Cache.Dir, "artefacts", "corrupt-*"))
		if err != nil || len(aside) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], aside[0]) || !strings.Contains(warnings[0], d.says) {
			t.Errorf("%s: set aside %v, warnings %q, want %q", d.name, aside, warnings, d.says)
		}
		if third := open(t, later(e, &warnings), c); !third.Hit || len(warnings) != 1 {
			t.Errorf("%s: the third time: hit %v, warnings %q", d.name, third.Hit, warnings)
		}
	}
}

// TestDamageStays: where nothing can be set aside, as in a cache that cannot be
// written, the error names the folder and what to do.
func TestDamageStays(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	c := defaultCase(t, "int4")
	entry := filepath.Dir(open(t, e, c).ArtefactDir())
	flip(t, filepath.Join(entry, "value", "manifest.json"))
	lock := entry + ".lock"
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o755)); err != nil { // root too cannot write it
		t.Fatal(err)
	}
	var warnings []string
	_, err := later(e, &warnings).Open(context.Background(), c, quiet)
	var step *StageError
	var damaged *stage.DamagedError
	if !errors.As(err, &step) || step.Stage != StageLoad || !errors.As(err, &damaged) || damaged.Path != entry ||
		!strings.Contains(err.Error(), "SHA-256") || !strings.Contains(err.Error(), "remove its folder") || len(warnings) > 0 {
		t.Errorf("got %v, warnings %q", err, warnings)
	}
}

// TestDamagedMoments: moments are read through on first use, set aside and made
// again, with the same values.
func TestDamagedMoments(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 1)
	spec := m.Config.Linears(0)[0]
	c := Calibration{Corpus: CorpusRef{Name: "demo-calibration"}, Sequences: 1, Length: 8}
	want, err := e.Hessian(context.Background(), c, spec)
	if err != nil {
		t.Fatal(err)
	}
	dir, ok := e.Cache.Lookup("moments", e.MomentsKey(c))
	if !ok {
		t.Fatal("moments are not in the cache")
	}
	flip(t, filepath.Join(dir, momentsFile(0, spec.Input)))
	var warnings []string
	other := later(e, &warnings)
	for range 2 {
		got, err := other.Hessian(context.Background(), c, spec)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("other moments, %v", err)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "corrupt-") || !strings.Contains(warnings[0], "SHA-256") {
		t.Errorf("warnings %q", warnings)
	}
}
