package subject

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/billm"
	"github.com/sketchbench/sketchbench/internal/compress/binarize"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/onebit"
	"github.com/sketchbench/sketchbench/internal/compress/pbllm"
	"github.com/sketchbench/sketchbench/internal/compress/stbllm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// binaryMethods store signs, masks and scales (methods.md 4.7).
func binaryMethods() []Method {
	return []Method{billmMethod, pbllmMethod, stbllmMethod, onebitMethod}
}

var billmMethod = Method{
	Name: "billm", Version: billm.Version, Moments: SecondMoments, Covers: everything,
	New:         func() any { o := billm.DefaultOptions(); return &o },
	Check:       func(o any) []error { return billm.Check(*o.(*billm.Options)) },
	CheckShape:  func(any, int, int) error { return nil },
	Nominal:     func(o any) float64 { return billm.Nominal(*o.(*billm.Options)) },
	StoredBytes: func(o any, out, in int) int64 { return billm.StoredBytes(*o.(*billm.Options), out, in) },
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		b := *o.(*billm.Options)
		f, err := binaryFactor(m, b.FactorOptions())
		if err != nil {
			return nil, err
		}
		return noteBinary(m)(billm.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, f, b))
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return billm.Draw(*o.(*billm.Options), out, in, rng)
	},
}

var pbllmMethod = Method{
	Name: "pbllm", Version: pbllm.Version, Moments: SecondMoments, Covers: everything, Knobs: []string{"salient"},
	New:         func() any { o := pbllm.DefaultOptions(); return &o },
	Check:       func(o any) []error { return pbllm.Check(*o.(*pbllm.Options)) },
	CheckShape:  func(any, int, int) error { return nil },
	Nominal:     func(o any) float64 { return pbllm.Nominal(*o.(*pbllm.Options)) },
	StoredBytes: func(o any, out, in int) int64 { return pbllm.StoredBytes(*o.(*pbllm.Options), out, in) },
	Fit: func(o any, out, in int, target int64) (any, error) {
		fitted, err := pbllm.Fit(*o.(*pbllm.Options), out, in, target)
		return &fitted, err
	},
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		b := *o.(*pbllm.Options)
		f, err := binaryFactor(m, b.FactorOptions())
		if err != nil {
			return nil, err
		}
		p, d, err := pbllm.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, f, b)
		if err != nil {
			return nil, err
		}
		m.Note("salient_share", d.Salient)
		return p, nil
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return pbllm.Draw(*o.(*pbllm.Options), out, in, rng)
	},
}

var stbllmMethod = Method{
	Name: "stbllm", Version: stbllm.Version, Moments: SecondMoments, Covers: everything, Knobs: []string{"keep", "layers"},
	New:         func() any { o := stbllm.DefaultOptions(); return &o },
	Check:       func(o any) []error { return stbllm.Check(*o.(*stbllm.Options)) },
	CheckShape:  func(any, int, int) error { return nil },
	Nominal:     func(o any) float64 { return stbllm.Nominal(*o.(*stbllm.Options)) },
	StoredBytes: func(o any, out, in int) int64 { return stbllm.StoredBytes(*o.(*stbllm.Options), out, in) },
	Fit: func(o any, out, in int, target int64) (any, error) {
		fitted, err := stbllm.Fit(*o.(*stbllm.Options), out, in, target)
		return &fitted, err
	},
	Budget: func(o any) *Budget {
		if o.(*stbllm.Options).Layers != stbllm.ByOutliers {
			return nil
		}
		return shareKept()
	},
	Compress: func(m Matrix, o any) (packed.Weight, error) {
		b := *o.(*stbllm.Options)
		f, err := binaryFactor(m, b.FactorOptions())
		if err != nil {
			return nil, err
		}
		return noteBinary(m)(stbllm.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, f, b))
	},
	Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
		return stbllm.Draw(*o.(*stbllm.Options), out, in, rng)
	},
}

var onebitMethod = Method{
	Name: "onebit", Version: onebit.Version, Covers: everything,
	New:         func() any { return &onebit.Options{} },
	Check:       func(any) []error { return nil },
	CheckShape:  func(any, int, int) error { return nil },
	Nominal:     func(any) float64 { return onebit.Nominal },
	StoredBytes: func(_ any, out, in int) int64 { return onebit.StoredBytes(out, in) },
	Compress: func(m Matrix, _ any) (packed.Weight, error) {
		return onebit.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In)
	},
	Draw: func(_ any, out, in int, rng *rand.Rand) packed.Weight { return onebit.Draw(out, in, rng) },
}

// shareKept gives layers with more outliers more weights of every 8.
func shareKept() *Budget {
	var layers stbllm.Layers
	var names []string
	return &Budget{
		See: func(m Matrix, o any) error {
			s, layer := *o.(*stbllm.Options), 0
			if s.Layers != stbllm.ByOutliers {
				return nil
			}
			if _, err := fmt.Sscanf(m.Spec.Name, "model.layers.%d.", &layer); err != nil {
				return fmt.Errorf("layers: no number of a layer in the tensor's name")
			}
			layers.Add(m.Gemm, layer, m.W, m.Spec.Out, m.Spec.In, m.MeanSquare, s)
			names = append(names, m.Spec.Name)
			return nil
		},
		Settle: func() map[string]any {
			settled := map[string]any{}
			for i, o := range layers.Settle() {
				settled[names[i]] = &o
			}
			return settled
		},
	}
}

// binaryFactor returns the factor of the second moments and keeps what was done
// to them.
func binaryFactor(m Matrix, o compensate.FactorOptions) (*compensate.Factor, error) {
	f, err := m.Factor(o)
	if err != nil {
		return nil, err
	}
	m.Note("damping", f.Damping)
	m.Note("dead_channels", float64(f.DeadChannels()))
	return f, nil
}

// noteBinary keeps the diagnostics of a binarised matrix.
func noteBinary(m Matrix) func(p *packed.Binary, d binarize.Diagnostics, err error) (packed.Weight, error) {
	return func(p *packed.Binary, d binarize.Diagnostics, err error) (packed.Weight, error) {
		if err != nil {
			return nil, err
		}
		m.Note("salient_share", d.Salient)
		if p.Keep < packed.PatternWidth {
			m.Note("kept_of_8", float64(p.Keep))
		}
		return p, nil
	}
}
