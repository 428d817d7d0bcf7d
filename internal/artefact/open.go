package artefact

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// An Artefact is an open model. Its weights alias the memory map and are
// valid until Close.
type Artefact struct {
	dir      string // empty for a dense artefact
	manifest Manifest
	hash     string
	entries  map[string]*Entry
	tensors  *safetensors.Checkpoint
}

// Open opens the artefact in dir. It checks the manifest and the sizes of all
// files and tensors, but does not read the weights; see VerifyFiles.
func Open(dir string) (*Artefact, error) {
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &Artefact{dir: dir, hash: hashOf(b)}
	if err := readManifest(b, &a.manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := errors.Join(a.manifest.check(), a.manifest.checkFiles(dir)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if a.tensors, err = openFiles(dir, a.manifest.Files); err != nil {
		return nil, err
	}
	if err := a.index(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), a.Close())
	}
	return a, nil
}

// checkFiles compares the sizes of the listed files.
func (m *Manifest) checkFiles(dir string) error {
	var faults faults
	for _, f := range m.Files {
		if err := checkBase("files", f.Name); err != nil {
			faults.add("%w", err)
			continue
		}
		info, err := os.Stat(filepath.Join(dir, f.Name))
		switch {
		case err != nil:
			faults.add("%w", err)
		case info.Size() != f.Bytes:
			faults.add("file %s has %d bytes, want %d", f.Name, info.Size(), f.Bytes)
		}
	}
	return faults.err()
}

// openFiles maps the safetensors files among those listed.
func openFiles(dir string, files []File) (*safetensors.Checkpoint, error) {
	var open []*safetensors.File
	closeAll := func() (errs []error) {
		for _, f := range open {
			errs = append(errs, f.Close())
		}
		return errs
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name, ".safetensors") {
			continue
		}
		f, err := safetensors.Open(filepath.Join(dir, file.Name))
		if err != nil {
			return nil, errors.Join(append(closeAll(), err)...)
		}
		open = append(open, f)
	}
	c, err := safetensors.NewCheckpoint(open...)
	if err != nil {
		return nil, errors.Join(append(closeAll(), err)...)
	}
	return c, nil
}

// OpenDense makes an artefact of an uncompressed model that is open already,
// from a folder or from memory. Nothing is written: the manifest names the
// source files, and its hash stands for them. head.Source must list every
// file of the checkpoint, so that the hash depends on the weights. Close
// closes the checkpoint.
func OpenDense(head ManifestHead, c *safetensors.Checkpoint) (*Artefact, error) {
	a := &Artefact{manifest: Manifest{Format: Format, ManifestHead: head, Tensors: []Entry{}, Files: []File{}}, tensors: c}
	if err := head.check(); err != nil {
		return nil, fmt.Errorf("dense artefact: %w", err)
	}
	for _, f := range c.Files() {
		base := filepath.Base(f.Name())
		if !slices.ContainsFunc(head.Source, func(s File) bool { return s.Name == base }) {
			return nil, fmt.Errorf("dense artefact: source: file %s of the model is not listed", base)
		}
	}
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		e, part, err := untouched(t)
		if err != nil {
			return nil, err
		}
		e.addParts([]packed.Part{part})
		a.manifest.Tensors = append(a.manifest.Tensors, e)
	}
	var err error
	if _, a.hash, err = a.manifest.encode(); err != nil {
		return nil, err
	}
	return a, a.index()
}

// index makes the lookup by name and checks the manifest's tensors against
// the files' in both directions.
func (a *Artefact) index() error {
	a.entries = make(map[string]*Entry, len(a.manifest.Tensors))
	used := map[string]bool{}
	pooled := map[string]int64{} // bytes billed
	var faults faults
	for i := range a.manifest.Tensors {
		e := &a.manifest.Tensors[i]
		if a.entries[e.Name] != nil {
			faults.add("tensors[%d]: %q stands twice", i, e.Name)
			continue
		}
		a.entries[e.Name] = e
		for _, p := range e.Parts {
			used[e.tensor(p)] = true
			if p.Pool != "" {
				pooled[e.tensor(p)] += p.Bytes
			}
		}
		if err := a.checkEntry(e); err != nil {
			faults.add("tensor %q: %w", e.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pooled)) {
		if t, ok := a.tensors.Tensor(name); ok && int64(len(t.Data)) != pooled[name] {
			faults.add("tensor %q: shares of %d bytes, want the %d of its file", name, pooled[name], len(t.Data))
		}
	}
	for _, name := range a.tensors.Names() {
		if !used[name] {
			faults.add("tensor %q is in a file, but not in the manifest", name)
		}
	}
	return faults.err()
}

// checkEntry compares an entry's parts with what the files hold.
func (a *Artefact) checkEntry(e *Entry) error {
	if (e.Kind == KindVector) != (e.Meta == nil) {
		return fmt.Errorf("kind %q with meta %v", e.Kind, e.Meta)
	}
	if m := e.Meta; m != nil && (m.Out < 1 || m.In < 1 || m.Out > math.MaxInt32 || m.In > math.MaxInt32) {
		return fmt.Errorf("dimensions %d×%d", m.Out, m.In)
	}
	if e.Declared < 0 || e.Declared > 0 && e.Kind != packed.KindDense {
		return fmt.Errorf("kind %q with %d bytes declared", e.Kind, e.Declared)
	}
	asIs := e.Kind == KindVector || e.Kind == packed.KindDense
	if asIs && (len(e.Parts) != 1 || e.Parts[0].Name != "" || e.Parts[0].Pool != "") {
		return fmt.Errorf("kind %q with %d parts, want one without a name or a pool", e.Kind, len(e.Parts))
	}
	var sum int64
	for _, p := range e.Parts {
		t, ok := a.tensors.Tensor(e.tensor(p))
		if !ok {
			return fmt.Errorf("part %q is in no file", p.Name)
		}
		if p.Pool != "" && (p.Bytes < 0 || p.Bytes > int64(len(t.Data))) {
			return fmt.Errorf("part %q: a share of %d bytes of %d", p.Name, p.Bytes, len(t.Data))
		}
		if t.DType != p.DType || !slices.Equal(t.Shape, p.Shape) || p.Pool == "" && int64(len(t.Data)) != p.Bytes {
			return fmt.Errorf("part %q is %s %v of %d bytes in its file, want %s %v of %d bytes",
				p.Name, t.DType, t.Shape, len(t.Data), p.DType, p.Shape, p.Bytes)
		}
		sum += p.Bytes
	}
	if sum != e.Bytes {
		return fmt.Errorf("parts hold %d bytes, want %d", sum, e.Bytes)
	}
	return nil
}

// Manifest returns the description: of every tensor what it is, what it is
// said to take and what it takes. It must not be changed. Numbers in maps
// that were read from a file are of type json.Number.
func (a *Artefact) Manifest() *Manifest { return &a.manifest }

// Hash returns the SHA-256 of the manifest as 64 hex digits.
func (a *Artefact) Hash() string { return a.hash }

// Entry looks a tensor's description up.
func (a *Artefact) Entry(name string) (Entry, bool) {
	e, ok := a.entries[name]
	if !ok {
		return Entry{}, false
	}
	return *e, true
}

// Weight returns a matrix, compressed or not, by the tensor's name. It
// aliases the memory map where byte order and alignment allow, and is checked
// in full as packed.FromParts does.
func (a *Artefact) Weight(name string) (packed.Weight, error) {
	e, ok := a.entries[name]
	if !ok {
		return nil, fmt.Errorf("artefact: no tensor %q", name)
	}
	if e.Meta == nil {
		return nil, fmt.Errorf("artefact: tensor %q is a %s %v, want a matrix", name, e.Kind, e.Parts[0].Shape)
	}
	parts := make(map[string]packed.Part, len(e.Parts))
	for _, p := range e.Parts {
		t, _ := a.tensors.Tensor(e.tensor(p))
		parts[p.Name] = packed.Part{Name: p.Name, Class: p.Class, DType: t.DType, Shape: t.Shape, Data: t.Data}
	}
	w, err := packed.FromParts(e.Kind, *e.Meta, parts)
	if err != nil {
		return nil, fmt.Errorf("artefact: tensor %q: %w", name, err)
	}
	return w, nil
}

// Vector returns a tensor of one dimension, widened to float32.
func (a *Artefact) Vector(name string) ([]float32, error) {
	t, err := a.Tensor(name)
	if err != nil {
		return nil, err
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("artefact: tensor %q has the shape %v, want one dimension", name, t.Shape)
	}
	v := make([]float32, t.Len())
	if err := t.Float32(v); err != nil {
		return nil, fmt.Errorf("artefact: %w", err)
	}
	return v, nil
}

// Tensor returns a tensor that is stored as it is.
func (a *Artefact) Tensor(name string) (safetensors.Tensor, error) {
	e, ok := a.entries[name]
	if !ok {
		return safetensors.Tensor{}, fmt.Errorf("artefact: no tensor %q", name)
	}
	if e.Kind != KindVector && e.Kind != packed.KindDense {
		return safetensors.Tensor{}, fmt.Errorf("artefact: tensor %q is stored as %s", name, e.Kind)
	}
	t, _ := a.tensors.Tensor(name)
	return t, nil
}

// VerifyFiles reads all files again and compares their hashes. For a dense
// artefact, which has no files of its own, use Verify with the folder of the
// source and Manifest().Source.
func (a *Artefact) VerifyFiles() error { return Verify(a.dir, a.manifest.Files) }

// Close unmaps the files. Weights must not be used afterwards.
func (a *Artefact) Close() error { return a.tensors.Close() }
