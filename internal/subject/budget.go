package subject

import (
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// A Budget is the first phase of a method whose matrices share their bytes: it
// sees all that a case compresses before the first is compressed.
type Budget struct {
	// See is called for every matrix in the order of the model, with the
	// moments of the uncompressed model that the method asks for and the
	// options that the matrix would have by itself.
	See func(m Matrix, o any) error
	// Settle is called after the last and returns the options that matrices
	// have instead, by tensor name. Together they store at most what the
	// options that See was given would.
	Settle func() map[string]any
}

// budget runs the first phase of the case's method, if it has one.
func (b *builder) budget() error {
	b.visits = 1
	phase, err := b.firstPhase()
	if phase == nil || err != nil {
		return err
	}
	b.visits = 2
	err = b.visit(true, func(g calib.Group) (map[string]packed.Weight, error) {
		start := time.Now()
		defer func() { b.s.Seconds[StageCompress] += time.Since(start) }()
		shared := b.share(g)
		for _, spec := range g.Linears {
			if !b.c.Covers(spec.Name) {
				continue
			}
			m, err := b.load(spec, g, shared)
			if err != nil {
				return nil, err
			}
			o, err := b.c.OptionsFor(spec)
			if err == nil {
				err = phase.See(m, o)
			}
			if err != nil {
				return nil, &StageError{StageCompress, fmt.Errorf("tensor %s: %w", spec.Name, err)}
			}
		}
		return nil, b.ctx.Err()
	})
	b.settled = phase.Settle()
	return err
}

// firstPhase returns the phase that the options of the first matrix that has
// one ask for; options may differ by tensor.
func (b *builder) firstPhase() (*Budget, error) {
	if b.c.Method.Budget == nil {
		return nil, nil
	}
	for layer := range b.env.Model.Config.Layers {
		for _, spec := range b.env.Model.Config.Linears(layer) {
			if !b.c.Covers(spec.Name) {
				continue
			}
			o, err := b.c.OptionsFor(spec)
			if err != nil {
				return nil, err
			}
			if phase := b.c.Method.Budget(o); phase != nil {
				return phase, nil
			}
		}
	}
	return nil, nil
}

// optionsFor returns the options of a matrix after the first phase.
func (b *builder) optionsFor(m Matrix) (any, error) {
	if o, ok := b.settled[m.Spec.Name]; ok {
		return o, nil
	}
	return b.c.OptionsFor(m.Spec)
}
