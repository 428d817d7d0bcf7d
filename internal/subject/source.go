package subject

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/foreign"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// A Source is a checkpoint that a case takes its weights from, opened and
// compared with the model. It is open until the Env is closed.
type Source struct {
	files *foreign.Checkpoint
	// Files describes every file that decides the weights.
	Files []SourceFile
	path  string
}

// OpenSource opens the files that options of a method name, relative paths
// from dir. It reports every fault at once, of an option with the option's
// name before it.
func (e *Env) OpenSource(m *Method, o any, dir string) (*Source, error) {
	from, err := m.Source(o)
	if err != nil {
		return nil, err
	}
	from.Path, from.Trained = resolve(dir, from.Path), resolve(dir, from.Trained)
	if s, ok := e.sources[from]; ok {
		return s, nil
	}
	ckpt, err := foreign.Open(from, e.specs())
	if err != nil {
		return nil, err
	}
	s := &Source{files: ckpt, path: from.Path}
	var faults []error
	for _, p := range ckpt.Paths {
		hashed, err := artefact.HashFiles(filepath.Dir(p), filepath.Base(p))
		faults = append(faults, err)
		s.Files = append(s.Files, hashed...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, ckpt.Close())
	}
	if e.sources == nil {
		e.sources = map[foreign.Source]*Source{}
	}
	e.sources[from] = s
	return s, nil
}

// resolve makes a path of a scenario one of the working folder.
func resolve(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// specs lists the tensors of the model and what they take.
func (e *Env) specs() []foreign.Spec {
	var list []foreign.Spec
	for _, t := range e.Model.Config.Tensors() {
		s := foreign.Spec{Name: t.Name, Shape: t.Shape, Linear: t.Class == model.ClassLinear}
		if ten, ok := e.Model.Tensors.Tensor(t.Name); ok {
			s.Bytes = int64(len(ten.Data))
		}
		list = append(list, s)
	}
	return list
}

// hash identifies the files by their bytes.
func (s *Source) hash() string { return hashOfFiles(s.Files) }

// hashOfFiles identifies files by their bytes and base names.
func hashOfFiles(files []SourceFile) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s %d %s\n", f.SHA256, f.Bytes, f.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Describe puts what was opened into the parameters of a case: its format, and
// in place of the path the last element of it with the first 12 digits of the
// hash of all files.
func (s *Source) Describe(params map[string]any) {
	params["path"] = filepath.Base(s.path) + "@" + s.hash()[:12]
	if _, ok := params["format"]; ok {
		params["format"] = s.files.Format
	}
	if trained, ok := params["trained"].(string); ok && trained != "" {
		params["trained"] = filepath.Base(trained)
	}
}

// covers reports whether the files hold a linear layer compressed; a nil Source
// has nothing against it.
func (s *Source) covers(tensor string) bool {
	if s == nil {
		return true
	}
	_, ok := s.files.Linear(tensor)
	return ok
}

// tensor returns what the files hold uncompressed in place of the model's own.
// A value that is not finite is an error.
func (s *Source) tensor(name string) (t safetensors.Tensor, ok bool, err error) {
	if s == nil {
		return t, false, nil
	}
	if t, ok = s.files.Tensor(name); ok {
		if i, bad := t.FirstNonFinite(); bad {
			err = fmt.Errorf("%s: tensor %s: value %d is not finite", s.path, name, i)
		}
	}
	return t, ok, err
}

// imported stores a linear layer of the case's source.
func (b *builder) imported(spec model.LinearSpec) (packed.Weight, error) {
	base, err := b.env.Model.Weights().Weight(spec.Name)
	if err != nil {
		return nil, err
	}
	l, _ := b.c.Source.files.Linear(spec.Name)
	what, err := b.c.Source.files.Weight(spec.Name, base)
	if err != nil {
		return nil, err
	}
	if l.Declared > 0 {
		return what, b.out.AddDeclared(spec.Name, what.(*packed.Dense), l.Bits, l.Declared)
	}
	return what, b.out.Add(spec.Name, what, l.Bits)
}
