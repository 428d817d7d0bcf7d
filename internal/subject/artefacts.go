package subject

import (
	"fmt"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// manifestHead says what a case's artefact is made of.
func (e *Env) manifestHead(c *Case) artefact.ManifestHead {
	h := artefact.ManifestHead{
		Method: c.Method.Name, Params: c.Params, Seed: c.Seed, Version: c.Method.Version, Source: e.Model.Sources,
	}
	if c.Source != nil {
		h.Import = c.Source.Files
	}
	if c.Calibration != nil {
		h.Calibration = c.Calibration.Describe(e.Model)
	}
	return h
}

// dense is the artefact of the uncompressed model. It shares the model's
// checkpoint and is never closed by itself.
func (e *Env) dense() (*artefact.Artefact, error) {
	head := artefact.ManifestHead{Method: "dense", Params: map[string]any{}, Version: 1, Source: e.Model.Sources}
	return artefact.OpenDense(head, e.Model.Tensors)
}

// ArtefactBytes estimates what a case's artefact takes in the cache.
func (e *Env) ArtefactBytes(c *Case) int64 {
	if c.Method.Dense() || e.Model.None() {
		return 0
	}
	cfg := e.Model.Config
	var n int64
	for _, t := range cfg.Tensors() {
		if ten, ok := e.Model.Tensors.Tensor(t.Name); ok {
			n += int64(len(ten.Data))
		}
	}
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			if c.Covers(s.Name) {
				if ten, ok := e.Model.Tensors.Tensor(s.Name); ok {
					n += c.fileBytes(s) - int64(len(ten.Data))
				}
			}
		}
	}
	for _, b := range e.Model.Small {
		n += int64(len(b))
	}
	return n
}

// fileBytes is StoredBytes in the artefact's files, which hold weights of
// declared bytes as they are.
func (c *Case) fileBytes(s model.LinearSpec) int64 {
	if c.Source != nil {
		l, _ := c.Source.files.Linear(s.Name)
		return l.Bytes
	}
	return c.StoredBytes(s)
}

// A LedgerEntry is what the tensors of one class store.
type LedgerEntry struct {
	Class       string // linear, embedding, head, norm
	Weights     int64
	StoredBytes int64   // or declared, for weights that another program stored
	NominalBits float64 // bits aimed at, over the whole class
	// Parts are bytes by what they are for: codes, tables, … and padding, which
	// is counted in bits. They sum to StoredBytes.
	Parts map[string]float64
}

// Ledger counts what the artefact stores for the tensors that the model uses,
// by tensor class in the order of the model.
func (s *Subject) Ledger() ([]LedgerEntry, error) {
	var ledger []LedgerEntry
	at := map[model.Class]int{}
	for _, spec := range s.Env.Model.Config.Tensors() {
		e, ok := s.Artefact.Entry(spec.Name)
		if !ok {
			return nil, fmt.Errorf("artefact: tensor %s is missing", spec.Name)
		}
		i, ok := at[spec.Class]
		if !ok {
			i = len(ledger)
			at[spec.Class] = i
			ledger = append(ledger, LedgerEntry{Class: string(spec.Class), Parts: map[string]float64{}})
		}
		l := &ledger[i]
		l.Weights += e.Count()
		l.NominalBits += e.NominalBits * float64(e.Count())
		if e.Declared > 0 {
			l.StoredBytes += e.Declared
			l.Parts[string(packed.ClassDeclared)] += float64(e.Declared)
			continue
		}
		l.StoredBytes += e.Bytes
		for class, n := range e.ClassBytes() {
			l.Parts[string(class)] += float64(n)
		}
		if err := l.padding(s, e); err != nil {
			return nil, err
		}
	}
	return ledger, nil
}

// padding moves the padding of a tensor to a class of its own.
func (l *LedgerEntry) padding(s *Subject, e artefact.Entry) error {
	if e.Meta == nil || e.Kind == packed.KindDense {
		return nil
	}
	w, err := s.Artefact.Weight(e.Name)
	if err != nil {
		return err
	}
	for class, bits := range packed.Padding(w) {
		l.Parts[string(class)] -= float64(bits) / 8
		l.Parts[string(packed.ClassPadding)] += float64(bits) / 8
	}
	return nil
}

// Size returns the bytes that the case asks for and those that it stores, over
// the matrices that it covers; ok is false for a case without a target.
func (s *Subject) Size() (target, reached int64, ok bool, err error) {
	if s.Case.Target == nil {
		return 0, 0, false, nil
	}
	cfg := s.Env.Model.Config
	for layer := range cfg.Layers {
		for _, spec := range cfg.Linears(layer) {
			if !s.Case.Covers(spec.Name) {
				continue
			}
			e, found := s.Artefact.Entry(spec.Name)
			if !found {
				return 0, 0, false, fmt.Errorf("artefact: tensor %s is missing", spec.Name)
			}
			target += s.Case.Target.bytes(spec.Name, spec.Out, spec.In)
			reached += e.Bytes
		}
	}
	return target, reached, true, nil
}

// ArtefactDir returns the artefact's folder, "" for the uncompressed model.
func (s *Subject) ArtefactDir() string { return s.dir }
