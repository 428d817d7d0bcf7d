package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// ultrasketchMethods store hashed cells of least magnitude (methods.md 3).
func ultrasketchMethods() []Method {
	return []Method{{
		Name: "ultrasketch", Version: ultrasketch.Version, Chance: true, Moments: MeanSquares, Hashed: true, Knobs: []string{"bits"},
		New:   func() any { o := ultrasketch.DefaultOptions(); return &o },
		Check: func(o any) []error { return o.(*ultrasketch.Options).Check() },
		CheckShape: func(o any, out, in int) error {
			return ultrasketch.CheckShape(*o.(*ultrasketch.Options), out, in)
		},
		Nominal: func(o any) float64 { return o.(*ultrasketch.Options).Nominal() },
		StoredBytes: func(o any, out, in int) int64 {
			return ultrasketch.StoredBytes(*o.(*ultrasketch.Options), out, in)
		},
		Fit: func(o any, out, in int, target int64) (any, error) {
			fitted, err := ultrasketch.Fit(*o.(*ultrasketch.Options), out, in, target)
			return &fitted, err
		},
		Together: sketchTogether,
		Covers:   ultrasketch.Compresses,
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			w, d, err := ultrasketch.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, *o.(*ultrasketch.Options), m.Seed)
			if err != nil {
				return nil, err
			}
			d.Note(m.Note)
			return w, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return ultrasketch.Draw(*o.(*ultrasketch.Options), out, in, rng)
		},
	}}
}

// sketchTogether shares a sketch among the matrices of a layer or of the model.
// Their options may differ in the bits, by which each brings more or fewer cells.
func sketchTogether(o any) *Together {
	key := *o.(*ultrasketch.Options)
	if key.Scope == ultrasketch.ScopeMatrix {
		return nil
	}
	key.Bits = 0
	return &Together{Key: key, Layer: key.Scope == ultrasketch.ScopeLayer, Compress: compressSketch}
}

func compressSketch(ms []Matrix, o []any, weights func(i int) ([]float32, error)) ([]packed.Sharer, error) {
	members := make([]ultrasketch.Member, len(ms))
	for i, m := range ms {
		members[i] = ultrasketch.Member{Out: m.Spec.Out, In: m.Spec.In, Importance: m.MeanSquare, Bits: o[i].(*ultrasketch.Options).Bits}
	}
	s, err := ultrasketch.NewShared(*o[0].(*ultrasketch.Options), members, ms[0].Seed)
	if err != nil {
		return nil, err
	}
	for i, m := range ms {
		w, err := weights(i)
		if err == nil {
			err = s.Insert(m.Gemm, i, w)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", m.Spec.Name, err)
		}
	}
	made := make([]packed.Sharer, len(ms))
	for i, c := range s.Finish(ms[0].Gemm) {
		made[i] = c
	}
	for i, d := range s.Diagnostics() {
		d.Note(ms[i].Note)
	}
	return made, nil
}
