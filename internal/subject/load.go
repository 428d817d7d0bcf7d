package subject

import (
	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// load returns a linear layer as the method sees it, in memory that the next
// one takes over.
func (b *builder) load(spec model.LinearSpec, g calib.Group, shared shared) (Matrix, error) {
	m := b.described(spec, g, shared)
	var err error
	m.W, err = b.weights(spec)
	return m, err
}

// weights returns the weights of a linear layer, in memory that the next one
// takes over.
func (b *builder) weights(spec model.LinearSpec) ([]float32, error) {
	base, err := b.env.Model.Weights().Weight(spec.Name)
	if err != nil {
		return nil, err
	}
	if n := spec.Out * spec.In; cap(b.wide) < n {
		b.wide = make([]float32, n)
	}
	w := b.wide[:spec.Out*spec.In]
	b.widen(w, base, spec)
	return w, nil
}

// described is a linear layer as the method sees it, but for the weights.
func (b *builder) described(spec model.LinearSpec, g calib.Group, shared shared) Matrix {
	return Matrix{
		Spec: spec, Gemm: b.env.Gemm, Seed: matrixSeed(b.c.Seed, spec.Name),
		MeanSquare: g.MeanSquare, MeanAbs: g.MeanAbs,
		Factor: shared.factor, Root: shared.root, H: func() []float32 { return g.H },
		note: func(metric string, value float64) { b.notes.add(spec.Name, metric, value) },
	}
}

// widen sets dst to the values of base, a few rows to a goroutine.
func (b *builder) widen(dst []float32, base packed.Weight, spec model.LinearSpec) {
	const rows = 64
	b.env.Gemm.Parallel((spec.Out+rows-1)/rows, func(i int) {
		r0, r1 := i*rows, min((i+1)*rows, spec.Out)
		base.Dequantize(dst[r0*spec.In:r1*spec.In], r0, r1)
	})
}
