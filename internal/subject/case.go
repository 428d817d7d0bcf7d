package subject

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path"

	"github.com/sketchbench/sketchbench/internal/model"
)

// A Case is one configuration of one method on one model.
type Case struct {
	ID       string // first 12 hex digits of Hash
	Hash     string // SHA-256 over canonical JSON of model, method, parameters, seed, calibration
	Label    string // "sketchtune bits=4 gpr=1", unique in its scenario
	Method   *Method
	Options  any            // the method's options
	Params   map[string]any // complete, defaults filled in
	Seed     uint64
	Baseline bool
	// Target is the case whose bytes this one matches; nil without match.
	Target *Target
	// Only and Except choose tensors by pattern; Overrides change options.
	Only, Except []string
	Overrides    []Override
	// Calibration is nil for methods that look at no text.
	Calibration *Calibration
}

// A Target is the method and options whose stored bytes are matched.
type Target struct {
	Method       *Method
	Options      any
	Only, Except []string
	Overrides    []Override
}

// An Override gives other options to the tensors of a pattern.
type Override struct {
	Tensors string
	Options any
}

// A Calibration is the text that a method may look at.
type Calibration struct {
	Corpus    CorpusRef
	Sequences int
	Length    int // tokens
	Seed      uint64
}

var errNothing = errors.New("compresses none of the model's linear layers; check only and except")

// covers reports whether a tensor is compressed: by the method's own rule,
// only and except.
func covers(m *Method, only, except []string, tensor string) bool {
	if m.Compress == nil || !m.Covers(tensor) || matchesAny(except, tensor) {
		return false
	}
	return len(only) == 0 || matchesAny(only, tensor)
}

func matchesAny(patterns []string, tensor string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, tensor); ok && err == nil {
			return true
		}
	}
	return false
}

func optionsFor(base any, overrides []Override, tensor string) any {
	for _, o := range overrides {
		if matchesAny([]string{o.Tensors}, tensor) {
			base = o.Options
		}
	}
	return base
}

// Covers reports whether the case compresses a tensor. A case that matches
// another method leaves alone what that method leaves alone.
func (c *Case) Covers(tensor string) bool {
	if t := c.Target; t != nil && !covers(t.Method, t.Only, t.Except, tensor) {
		return false
	}
	return covers(c.Method, c.Only, c.Except, tensor)
}

// OptionsFor returns the options that apply to a tensor: the last override
// whose pattern fits, else the case's own.
func (c *Case) OptionsFor(tensor string) any { return optionsFor(c.Options, c.Overrides, tensor) }

// TargetBytes returns the bytes to match for a matrix, 0 without match.
func (c *Case) TargetBytes(s model.LinearSpec) int64 {
	if t := c.Target; t != nil {
		return t.Method.StoredBytes(optionsFor(t.Options, t.Overrides, s.Name), s.Out, s.In, 0)
	}
	return 0
}

// NominalBits returns the bits per weight that the case aims at for a matrix.
func (c *Case) NominalBits(s model.LinearSpec) float64 {
	if target := c.TargetBytes(s); target > 0 {
		return 8 * float64(target) / (float64(s.Out) * float64(s.In))
	}
	return c.Method.Nominal(c.OptionsFor(s.Name))
}

// StoredBytes returns the bytes that the case stores for a matrix that it
// covers; a case that matches others stores at most its target.
func (c *Case) StoredBytes(s model.LinearSpec) int64 {
	return c.Method.StoredBytes(c.OptionsFor(s.Name), s.Out, s.In, c.TargetBytes(s))
}

// CheckModel returns the faults of the case on a model's linear layers: one
// for each distinct message. With a target, its method's faults count too.
func (c *Case) CheckModel(cfg model.Config) []error {
	var errs []error
	seen := map[string]bool{}
	add := func(err error) {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			errs = append(errs, err)
		}
	}
	covered := false
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			if !c.Covers(s.Name) {
				continue
			}
			covered = true
			var target int64
			if t := c.Target; t != nil {
				o := optionsFor(t.Options, t.Overrides, s.Name)
				if err := t.Method.CheckShape(o, s.Out, s.In, 0); err != nil {
					add(err)
					continue
				}
				target = c.TargetBytes(s)
			}
			add(c.Method.CheckShape(c.OptionsFor(s.Name), s.Out, s.In, target))
		}
	}
	if !covered && c.Method.Compress != nil {
		add(errNothing)
	}
	return errs
}

// matrixSeed derives the seed of one matrix, so that matrices of a case do
// not share hash functions and the order of work does not matter.
func matrixSeed(seed uint64, tensor string) uint64 {
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	h.Write([]byte(tensor))
	return binary.LittleEndian.Uint64(h.Sum(nil))
}
