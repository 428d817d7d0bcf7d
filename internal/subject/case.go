package subject

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path"
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
	// Target is the size that the case aims at; nil for the size that its
	// options give.
	Target *Target
	// Only and Except choose tensors by pattern; Overrides change options.
	Only, Except []string
	Overrides    []Override
	// Calibration is nil for methods that look at no text.
	Calibration *Calibration
	// Source is what the weights are taken from; nil for methods that compress
	// the model's own.
	Source *Source
}

// A Target is a size in stored bytes: those of another method's options, or so
// many bits per weight.
type Target struct {
	Method       *Method // nil where Bits says it
	Options      any
	Only, Except []string
	Overrides    []Override
	Source       *Source
	// Bits are bits per weight of the matrices that the case covers.
	Bits float64
	// WholeModel lets matrices share: what one leaves of its bytes another may
	// take, as long as all together keep within the sum.
	WholeModel bool
	scale      float64 // by which it is raised, see SpreadTarget; 0 for not
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

// covers reports whether a tensor is compressed: by the method's own rule, its
// source, only and except.
func covers(m *Method, source *Source, only, except []string, tensor string) bool {
	if m.Dense() || !m.Covers(tensor) || !source.covers(tensor) || matchesAny(except, tensor) {
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
	if t := c.Target; t != nil && t.Method != nil && !covers(t.Method, t.Source, t.Only, t.Except, tensor) {
		return false
	}
	return covers(c.Method, c.Source, c.Only, c.Except, tensor)
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
