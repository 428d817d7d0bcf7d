package subject

import (
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Together is how a method compresses matrices that share what they store.
type Together struct {
	// Key is equal for the options of matrices that may be together.
	Key any
	// Layer keeps the matrices of each layer by themselves; else all of the
	// model are together.
	Layer bool
	// Compress compresses matrices that are together, in the order of the
	// model, with the options of each. They come without weights: weights
	// returns those of one at a time, in memory that the next takes over.
	Compress func(ms []Matrix, o []any, weights func(i int) ([]float32, error)) ([]packed.Sharer, error)
}

// togetherOf returns how a matrix is compressed with others, nil if it is not.
func (b *builder) togetherOf(spec model.LinearSpec) (*Together, any, error) {
	o, err := b.c.OptionsFor(spec)
	if err != nil || b.c.Method.Together == nil {
		return nil, o, err
	}
	return b.c.Method.Together(o), o, nil
}

// anyTogether reports whether any matrix of the case is compressed with others.
func (b *builder) anyTogether() (bool, error) {
	for layer := range b.env.Model.Config.Layers {
		for _, spec := range b.env.Model.Config.Linears(layer) {
			if !b.c.Covers(spec.Name) {
				continue
			}
			if t, _, err := b.togetherOf(spec); t != nil || err != nil {
				return t != nil, err
			}
		}
	}
	return false, nil
}

// A set is matrices that are compressed together.
type set struct {
	*Together
	matrices []Matrix
	options  []any
}

// together compresses the linear layers of a case of which some are together.
// One walk gathers the moments of all inputs; then the matrices come one at a
// time, so that no more than one is in memory with all its weights.
func (b *builder) together(base bool) error {
	groups := map[string]calib.Group{}
	err := b.visit(base, func(g calib.Group) (map[string]packed.Weight, error) {
		for _, spec := range g.Linears {
			groups[spec.Name] = g
		}
		return nil, b.ctx.Err()
	})
	if err != nil {
		return err
	}
	start := time.Now()
	defer func() { b.s.Seconds[StageCompress] += time.Since(start) }()
	type key struct {
		options any
		layer   int
	}
	sets := map[key]*set{}
	var order []*set
	cfg := b.env.Model.Config
	for layer := range cfg.Layers {
		for _, spec := range cfg.Linears(layer) {
			t, o, err := b.togetherOf(spec)
			if !b.c.Covers(spec.Name) || t == nil && err == nil {
				if _, err := b.matrix(spec, groups[spec.Name], shared{}); err != nil {
					return &StageError{StageCompress, fmt.Errorf("tensor %s: %w", spec.Name, err)}
				}
				continue
			}
			if err != nil {
				return &StageError{StageCompress, fmt.Errorf("tensor %s: %w", spec.Name, err)}
			}
			k := key{t.Key, -1}
			if t.Layer {
				k.layer = layer
			}
			if sets[k] == nil {
				sets[k] = &set{Together: t}
				order = append(order, sets[k])
			}
			m := b.described(spec, groups[spec.Name], shared{})
			sets[k].matrices, sets[k].options = append(sets[k].matrices, m), append(sets[k].options, o)
		}
	}
	for i, s := range order {
		if err := b.compressSet(fmt.Sprintf("pool.%d", i), s); err != nil {
			return err
		}
		b.progress(StageCompress, i+1, len(order))
	}
	return nil
}

// compressSet compresses a set and stores it as a pool.
func (b *builder) compressSet(pool string, s *set) error {
	made, err := s.Compress(s.matrices, s.options, func(i int) ([]float32, error) {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		return b.weights(s.matrices[i].Spec)
	})
	if err != nil {
		return &StageError{StageCompress, err}
	}
	for i, m := range s.matrices {
		if err := b.out.AddPooled(pool, m.Spec.Name, made[i], b.c.NominalBits(m.Spec)); err != nil {
			return &StageError{StageCompress, err}
		}
	}
	return nil
}
