package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/countmin"
	"github.com/sketchbench/sketchbench/internal/compress/countsketch"
	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/compress/hashednets"
	"github.com/sketchbench/sketchbench/internal/compress/minmax"
	"github.com/sketchbench/sketchbench/internal/compress/robe"
	"github.com/sketchbench/sketchbench/internal/compress/rzlinear"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// hashMethods share cells by hash, without an index (methods.md 4.9).
func hashMethods() []Method {
	return []Method{
		hashMethod("hashednets", hashednets.Version, hashednets.DefaultOptions(), hashednets.Options.Check, hashednets.Form,
			func(o *hashednets.Options, cells int) { o.Cells = cells }),
		hashMethod("robe", robe.Version, robe.DefaultOptions(), robe.Options.Check, robe.Form,
			func(o *robe.Options, cells int) { o.Cells = cells }),
		hashMethod("rzlinear", rzlinear.Version, rzlinear.DefaultOptions(), rzlinear.Options.Check, rzlinear.Form,
			func(o *rzlinear.Options, cells int) { o.Cells = cells }),
		hashMethod("countsketch", countsketch.Version, countsketch.DefaultOptions(), countsketch.Options.Check, countsketch.Form,
			func(o *countsketch.Options, cells int) { o.Cells = cells }),
		hashMethod("countmin", countmin.Version, countmin.DefaultOptions(), countmin.Options.Check, countmin.Form,
			func(o *countmin.Options, cells int) { o.Cells = cells }),
		hashMethod("minmax", minmax.Version, minmax.DefaultOptions(), minmax.Options.Check, minmax.Form,
			func(o *minmax.Options, cells int) { o.Cells = cells }),
	}
}

// hashMethod is a method whose options O make a form of each matrix.
func hashMethod[O any](name string, version int, defaults O, check func(O) []error,
	form func(o O, out, in int) hashed.Form, setCells func(o *O, cells int)) Method {
	of := func(o any, out, in int) hashed.Form { return form(*o.(*O), out, in) }
	return Method{
		Name: name, Version: version, Chance: true, Hashed: true, Knobs: []string{"bits", "cells"},
		New:         func() any { o := defaults; return &o },
		Check:       func(o any) []error { return check(*o.(*O)) },
		CheckShape:  func(o any, out, in int) error { return of(o, out, in).CheckShape() },
		Nominal:     func(o any) float64 { return of(o, 1, 1).Nominal() },
		StoredBytes: func(o any, out, in int) int64 { return of(o, out, in).StoredBytes() },
		Covers:      everything,
		Fit: func(o any, out, in int, target int64) (any, error) {
			cells, err := of(o, out, in).Fit(target)
			if err != nil {
				return nil, err
			}
			fitted := *o.(*O)
			setCells(&fitted, cells)
			return &fitted, nil
		},
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			w, d, err := hashed.Compress(m.Gemm, m.W, of(o, m.Spec.Out, m.Spec.In), m.Seed)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			m.Note("collision_rate", d.CollisionRate)
			m.Note("unoccupied_cells", d.Unoccupied)
			m.Note("cells_per_weight", d.CellsPerWeight)
			m.Note("lambda", d.Lambda)
			return w, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight { return of(o, out, in).Draw(rng) },
	}
}
