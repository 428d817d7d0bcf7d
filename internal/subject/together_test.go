package subject

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// TestTogether shares sketches among matrices: of the layer or of the model
// all have the same cells in memory, no other does; what the tensors are billed
// sums to the bytes of the file; a matrix is billed as foretold or less; and no
// weight reads greater than it is.
func TestTogether(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	var hashes []string
	for _, scope := range []string{ultrasketch.ScopeLayer, ultrasketch.ScopeModel, ultrasketch.ScopeModel} {
		c := newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Bits, o.Scope, o.Cell = 2, scope, 8 })
		if len(hashes) == 2 {
			e = newEnv(t, m, 1) // the third time on one thread, in another cache
		}
		s := open(t, e, c)
		hashes = append(hashes, s.Artefact.Hash())
		pools := map[*byte]string{}
		var billed int64
		for _, spec := range m.Config.Tensors() {
			entry, ok := s.Artefact.Entry(spec.Name)
			if !ok {
				t.Fatalf("no entry for %s", spec.Name)
			}
			billed += entry.Bytes
		}
		for layer := range m.Config.Layers {
			for _, spec := range m.Config.Linears(layer) {
				if !c.Covers(spec.Name) {
					continue
				}
				p, err := s.Artefact.Weight(spec.Name)
				if err != nil {
					t.Fatal(err)
				}
				w := p.(*packed.Cells)
				entry, _ := s.Artefact.Entry(spec.Name)
				if limit := c.StoredBytes(spec); w.Bytes() != entry.Bytes || entry.Bytes > limit || entry.Bytes < limit-400 {
					t.Errorf("%s: %s stores %d bytes, its entry says %d, at most %d were foretold", scope, spec.Name, w.Bytes(), entry.Bytes, limit)
				}
				if pools[&w.Codes[0]] = scope; scope == ultrasketch.ScopeModel && w.Shared.Total != int64(w.Layout().Row) {
					t.Errorf("%s: %d cells in a row of %d", spec.Name, w.Shared.Total, w.Layout().Row)
				}
				base := dequantized(t, m.Weights(), spec.Name, spec.Out, spec.In)
				for i, v := range dequantized(t, s.Weights(), spec.Name, spec.Out, spec.In) {
					if !(math.Abs(float64(v)) <= math.Abs(float64(base[i]))) {
						t.Fatalf("%s: %s: |ŵ[%d]| = |%v| exceeds |%v|", scope, spec.Name, i, v, base[i])
					}
				}
			}
		}
		if want := map[string]int{ultrasketch.ScopeLayer: m.Config.Layers, ultrasketch.ScopeModel: 1}[scope]; len(pools) != want {
			t.Errorf("%s: %d sets of cells in memory, want %d", scope, len(pools), want)
		}
		if stored := fileBytes(t, s.ArtefactDir()); billed != stored {
			t.Errorf("%s: %d bytes billed, %d in the file", scope, billed, stored)
		}
	}
	if hashes[0] == hashes[1] || hashes[1] != hashes[2] {
		t.Errorf("hashes of layer, model, model on one thread: %.12q", hashes)
	}
}

// fileBytes counts the tensors' bytes in the safetensors files of a folder.
func fileBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range f.Names() {
			ten, _ := f.Tensor(name)
			n += int64(len(ten.Data))
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestTogetherOverrides: options that differ in more than bits make a sketch of
// their own, and those with the scope of a matrix none that is shared.
func TestTogetherOverrides(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	c := newCase(t, "ultrasketch", func(o *ultrasketch.Options) { o.Bits, o.Scope = 2, ultrasketch.ScopeModel })
	override := func(pattern string, edit func(o *ultrasketch.Options)) {
		o := *c.Options.(*ultrasketch.Options)
		edit(&o)
		c.Overrides = append(c.Overrides, Override{pattern, &o})
	}
	override("*.q_proj.weight", func(o *ultrasketch.Options) { o.Bits = 3 })
	override("*.up_proj.weight", func(o *ultrasketch.Options) { o.Rows = 2 })
	override("*.down_proj.weight", func(o *ultrasketch.Options) { o.Scope = ultrasketch.ScopeMatrix })
	s := open(t, e, c)
	pools := map[string][]string{}
	for _, entry := range s.Artefact.Manifest().Tensors {
		i := slices.IndexFunc(entry.Parts, func(p artefact.Part) bool { return p.Name == "cells" })
		if i >= 0 {
			name := filepath.Ext(entry.Name[:len(entry.Name)-len(".weight")])
			if !slices.Contains(pools[entry.Parts[i].Pool], name) {
				pools[entry.Parts[i].Pool] = append(pools[entry.Parts[i].Pool], name)
			}
		}
	}
	want := map[string][]string{"pool.0": {".q_proj", ".k_proj", ".v_proj", ".gate_proj"}, "pool.1": {".up_proj"}, "": {".down_proj"}}
	for pool, names := range want {
		got := slices.Sorted(slices.Values(pools[pool]))
		if slices.Sort(names); !slices.Equal(got, names) {
			t.Errorf("pool %q holds %v, want %v", pool, got, names)
		}
	}
	if _, err := os.Stat(filepath.Join(s.ArtefactDir(), NotesFile)); err != nil {
		t.Error(err)
	}
}
