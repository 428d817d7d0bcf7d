package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// Weights supplies a model's tensors by their checkpoint names. An artefact
// is Weights; FromCheckpoint makes them of a plain checkpoint.
type Weights interface {
	// Weight returns a matrix: a linear layer, the embedding or the head. Its
	// data may alias mapped memory and must stay readable while the engine
	// is in use.
	Weight(name string) (packed.Weight, error)
	// Vector returns a norm's gain, widened to float32.
	Vector(name string) ([]float32, error)
}

// FromCheckpoint returns the tensors of a checkpoint as Weights: matrices as
// packed.Dense on the checkpoint's own bytes, nothing copied.
func FromCheckpoint(t model.Tensors) Weights { return checkpoint{t} }

type checkpoint struct{ tensors model.Tensors }

func (c checkpoint) Weight(name string) (packed.Weight, error) {
	t, ok := c.tensors.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %s: missing", name)
	}
	if len(t.Shape) != 2 {
		return nil, fmt.Errorf("tensor %s: shape %v, want two dimensions", name, t.Shape)
	}
	return &packed.Dense{Out: t.Shape[0], In: t.Shape[1], DType: t.DType, Data: t.Data}, nil
}

func (c checkpoint) Vector(name string) ([]float32, error) {
	t, ok := c.tensors.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %s: missing", name)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("tensor %s: shape %v, want one dimension", name, t.Shape)
	}
	x := make([]float32, t.Shape[0])
	return x, t.Float32(x)
}

// CheckFinite reads every tensor of the model once and reports, for each that
// holds a value that is not finite, the index of the first. Compressed
// matrices are held to their own packed.Weight.Check. When ctx ends it returns
// its error before the next tensor.
func CheckFinite(ctx context.Context, cfg model.Config, w Weights) error {
	var faults []error
	for _, spec := range cfg.Tensors() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := checkTensor(spec, w); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func checkTensor(spec model.TensorSpec, w Weights) error {
	if spec.Class == model.ClassNorm {
		x, err := w.Vector(spec.Name)
		if err != nil {
			return err
		}
		for i, v := range x {
			if !finite(v) {
				return fmt.Errorf("tensor %s: value [%d] is %v", spec.Name, i, v)
			}
		}
		return nil
	}
	m, err := w.Weight(spec.Name)
	if err != nil {
		return err
	}
	d, ok := m.(*packed.Dense)
	if !ok {
		if err := m.Check(); err != nil {
			return fmt.Errorf("tensor %s: %w", spec.Name, err)
		}
		return nil
	}
	if i, bad := (safetensors.Tensor{DType: d.DType, Data: d.Data}).FirstNonFinite(); bad {
		row := make([]float32, d.In)
		d.Dequantize(row, i/d.In, i/d.In+1)
		return fmt.Errorf("tensor %s: value [%d, %d] is %v", spec.Name, i/d.In, i%d.In, row[i%d.In])
	}
	return nil
}

// finite reports whether x is neither infinite nor NaN: only then is x-x 0.
func finite(x float32) bool { return x-x == 0 }
