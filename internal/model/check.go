package model

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// Tensors looks up the tensors of a checkpoint. *safetensors.Checkpoint and
// *safetensors.File are Tensors.
type Tensors interface {
	Names() []string
	Tensor(name string) (safetensors.Tensor, bool)
}

// dtypes are the stored types that the engine widens to float32.
var dtypes = []string{"F32", "F16", "BF16"}

// Check reports every tensor of the model that t lacks, or holds with another
// shape or in a type that is not F32, F16 or BF16, and every tensor of t that
// does not belong to the model, such as a bias that the config does not
// mention. The rotary_emb.inv_freq buffers of older checkpoints are ignored:
// they follow from the config.
//
// A tied model needs no lm_head.weight. Some checkpoints carry a copy of the
// embedding under that name: it is ignored when its bytes are the embedding's
// and refused otherwise, since programs differ in which of the two they use.
func Check(c Config, t Tensors) error {
	var faults []error
	bad := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf("tensor %s: %s", name, fmt.Sprintf(format, args...)))
	}
	known := make(map[string]bool)
	for _, spec := range c.Tensors() {
		known[spec.Name] = true
		got, ok := t.Tensor(spec.Name)
		if !ok {
			bad(spec.Name, "missing, want shape %v", spec.Shape)
			continue
		}
		if !slices.Equal(got.Shape, spec.Shape) {
			bad(spec.Name, "shape %v, want %v", got.Shape, spec.Shape)
		}
		if !slices.Contains(dtypes, got.DType) {
			bad(spec.Name, "type %s, want one of %v", got.DType, dtypes)
		}
	}
	names := slices.Sorted(slices.Values(t.Names()))
	for _, name := range names {
		switch {
		case known[name], strings.HasSuffix(name, ".rotary_emb.inv_freq"):
		case name == HeadName && c.Tied:
			if !sameTensor(t, HeadName, EmbeddingName) {
				bad(name, "differs from %s, but tie_word_embeddings is true", EmbeddingName)
			}
		default:
			bad(name, "not part of the model that config.json describes")
		}
	}
	return errors.Join(faults...)
}

func sameTensor(t Tensors, a, b string) bool {
	x, _ := t.Tensor(a)
	y, ok := t.Tensor(b)
	return ok && x.DType == y.DType && slices.Equal(x.Shape, y.Shape) && bytes.Equal(x.Data, y.Data)
}
