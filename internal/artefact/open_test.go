package artefact

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// TestDamaged changes the folder in ways that Open must see, each undone by
// writing anew.
func TestDamaged(t *testing.T) {
	shard := "model-00001-of-00001.safetensors"
	replace := func(name, old, new string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%s does not hold %q", name, old)
			}
			b = bytes.Replace(b, []byte(old), []byte(new), 1)
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"no shard", func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, shard)) }, "no such file"},
		{"cut", func(t *testing.T, dir string) { _ = os.Truncate(filepath.Join(dir, shard), 100) }, "has 100 bytes, want"},
		{"no manifest", func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, ManifestFile)) }, "no such file"},
		{"manifest cut", func(t *testing.T, dir string) { _ = os.Truncate(filepath.Join(dir, ManifestFile), 50) }, "unexpected EOF"},
		{"format", replace(ManifestFile, `"format": 1`, `"format": 2`), "format 2, want 1"},
		{"unknown field", replace(ManifestFile, `"format": 1`, `"format": 1, "x": 2`), `unknown field "x"`},
		{"path", replace(ManifestFile, `"config.json"`, `"../config.json"`), "want a name without a folder"},
		{"renamed tensor", replace(ManifestFile, `"name": "l.grid.weight"`, `"name": "l.other.weight"`), `tensor "l.other.weight": part "codes" is in no file`},
		{"twice", replace(ManifestFile, `"name": "l.grid.weight"`, `"name": "l.cells.weight"`), `"l.cells.weight" stands twice`},
		{"bytes", replace(ManifestFile, `"bytes": 95`, `"bytes": 94`), `tensor "l.codebook.weight": parts hold 95 bytes, want 94`},
		{"dtype", replace(shard, `"dtype":"F16","shape":[5,1,8]`, `"dtype":"I16","shape":[5,1,8]`), `part "table" is I16 [5 1 8]`},
		{"kind", replace(ManifestFile, `"kind": "vector"`, `"kind": "matrix"`), `kind "matrix" with meta`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, 0)
			c.damage(t, dir)
			a, err := Open(dir)
			if err == nil {
				_ = a.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%v, want %q and the folder", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	write(t, dir, 0)
	replace(ManifestFile, `"bits": 3`, `"bits": 4`)(t, dir)
	if _, err := open(t, dir).Weight("l.codebook.weight"); err == nil || !strings.Contains(err.Error(), "l.codebook.weight") {
		t.Errorf("wrong meta: %v", err)
	}
	dir = t.TempDir()
	write(t, dir, 0)
	replace("config.json", "{}", "[]")(t, dir)
	if err := open(t, dir).VerifyFiles(); err == nil || !strings.Contains(err.Error(), "config.json: SHA-256") {
		t.Errorf("changed content: %v", err)
	}
}

// TestDense opens the demo model as an artefact: every tensor comes back as
// the checkpoint has it, and the hash depends on the source's.
func TestDense(t *testing.T) {
	dir := sharedtest.Dir(t, "assets", "demo-6m")
	src, err := HashFiles(dir, "config.json", "model.safetensors", "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(dir, src); err != nil {
		t.Error(err)
	}
	dense := func(h ManifestHead) (*Artefact, error) {
		c, err := safetensors.OpenCheckpoint(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return OpenDense(h, c)
	}
	a, err := dense(ManifestHead{Method: "dense", Source: src})
	if err != nil {
		t.Fatal(err)
	}
	var count int64
	for _, e := range a.Manifest().Tensors {
		count += e.Count()
		if e.Kind == KindVector {
			if _, err := a.Vector(e.Name); err != nil {
				t.Error(err)
			}
			continue
		}
		w, err := a.Weight(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := a.tensors.Tensor(e.Name)
		if d := w.(*packed.Dense); &d.Data[0] != &x.Data[0] || w.Bytes() != e.Bytes {
			t.Errorf("%s is not the checkpoint's", e.Name)
		}
	}
	if count != 5770496 { // reference/README.md 2b
		t.Errorf("%d parameters, want 5770496", count)
	}
	src[1].SHA256 = strings.Repeat("0", 64)
	b, err := dense(ManifestHead{Method: "dense", Source: src})
	if err != nil || b.Hash() == a.Hash() {
		t.Errorf("another source, the same hash; %v", err)
	}
	if err := Verify(dir, src); err == nil || !strings.Contains(err.Error(), "model.safetensors: SHA-256") {
		t.Errorf("wrong hash: %v", err)
	}
	if _, err := dense(ManifestHead{Method: "dense", Source: src[:1]}); err == nil {
		t.Error("a model file that the head does not name passed")
	}
	if _, err := a.Weight("model.norm.weight"); err == nil {
		t.Error("a vector passed as a matrix")
	}
	if _, err := a.Weight("absent"); err == nil {
		t.Error("an absent tensor passed")
	}
}
