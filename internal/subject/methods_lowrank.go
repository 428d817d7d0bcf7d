package subject

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/asvd"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// lowrankMethods store a product of two thin matrices (methods.md 4.6).
func lowrankMethods() []Method {
	plain := lowrank(
		func(o *svd.Options, rank int) *svd.Options { s := *o; s.Rank = rank; return &s },
		func(m Matrix, _ *svd.Options) ([]float32, error) { return m.W, nil },
		func(m Matrix, o *svd.Options) (*packed.LowRank, float64, error) {
			return svd.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, o.Size().RankOf(m.Spec.Out, m.Spec.In), m.Seed)
		})
	plain.Name, plain.Version = "svd", svd.Version
	plain.New = func() any { o := svd.DefaultOptions(); return &o }
	plain.Check = func(o any) []error { return o.(*svd.Options).Size().Check() }

	scaled := lowrank(
		func(o *asvd.Options, rank int) *asvd.Options { s := *o; s.Rank = rank; return &s },
		func(m Matrix, o *asvd.Options) ([]float32, error) { return asvd.Scale(m.W, m.MeanAbs, o.Alpha), nil },
		func(m Matrix, o *asvd.Options) (*packed.LowRank, float64, error) {
			return asvd.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, m.MeanAbs, o.Size().RankOf(m.Spec.Out, m.Spec.In), *o, m.Seed)
		})
	scaled.Name, scaled.Version, scaled.Moments = "asvd", asvd.Version, MeanSquares
	scaled.New = func() any { o := asvd.DefaultOptions(); return &o }
	scaled.Check = func(o any) []error { return o.(*asvd.Options).Check() }

	whitened := lowrank(
		func(o *svdllm.Options, rank int) *svdllm.Options { s := *o; s.Rank = rank; return &s },
		func(m Matrix, _ *svdllm.Options) ([]float32, error) {
			root, err := m.Root()
			if err != nil {
				return nil, err
			}
			return svdllm.Whiten(m.Gemm, m.W, m.Spec.Out, m.Spec.In, root), nil
		},
		func(m Matrix, o *svdllm.Options) (*packed.LowRank, float64, error) {
			root, err := m.Root()
			if err != nil {
				return nil, 0, err
			}
			m.Note("whitening_shift", root.Shift)
			m.Note("whitening_condition", root.Condition)
			return svdllm.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, root, o.Size().RankOf(m.Spec.Out, m.Spec.In), m.Seed)
		})
	whitened.Name, whitened.Version, whitened.Moments = "svdllm", svdllm.Version, SecondMoments
	// Fewer inputs than that span fewer directions: the rest of the rank would be zeros.
	whitened.Tokens = func(o any, out, in int) int { return o.(*svdllm.Options).Size().RankOf(out, in) }
	whitened.BaseInputs = func(o any) bool { return !o.(*svdllm.Options).TrueSequential }
	whitened.New = func() any { o := svdllm.DefaultOptions(); return &o }
	whitened.Check = func(o any) []error { return o.(*svdllm.Options).Size().Check() }
	return []Method{plain, scaled, whitened}
}

// lowrank is what the low-rank methods share. O is the type of their options;
// setRank returns a copy of options with a rank, weigh the matrix whose
// singular values are the error, compress also the share of its energy that is
// kept.
func lowrank[O any, P interface {
	*O
	Size() svd.Size
}](setRank func(o P, rank int) P, weigh func(m Matrix, o P) ([]float32, error), compress func(m Matrix, o P) (*packed.LowRank, float64, error)) Method {
	return Method{
		Chance: true, Decomposes: true, Knobs: []string{"bits", "rank"}, Covers: everything,
		CheckShape:  func(o any, out, in int) error { return o.(P).Size().CheckShape(out, in) },
		Nominal:     func(o any) float64 { return o.(P).Size().Nominal() },
		StoredBytes: func(o any, out, in int) int64 { return o.(P).Size().StoredBytes(out, in) },
		Fit: func(o any, out, in int, target int64) (any, error) {
			rank, err := svd.Fit(target, out, in)
			if err != nil {
				return nil, err
			}
			fitted := setRank(o.(P), rank)
			return fitted, nil
		},
		Budget: func(o any) *Budget {
			if o.(P).Size().Ranks != svd.Waterfill {
				return nil
			}
			return shareRanks(setRank, weigh)
		},
		Passes: func(o any) float64 {
			if o.(P).Size().Ranks == svd.Waterfill {
				return 2 // the spectra of all matrices come first
			}
			return 1
		},
		Compress: func(m Matrix, o any) (packed.Weight, error) {
			p, energy, err := compress(m, o.(P))
			if err != nil {
				return nil, err
			}
			m.Note("rank", float64(p.Rank))
			m.Note("energy_kept", energy)
			return p, nil
		},
		Draw: func(o any, out, in int, rng *rand.Rand) packed.Weight {
			return svd.Draw(out, in, o.(P).Size().RankOf(out, in), rng)
		},
	}
}

// shareRanks gives every matrix the rank at which together they leave least of
// what weigh measures, in the bytes that they would take by themselves.
func shareRanks[P interface{ Size() svd.Size }](setRank func(o P, rank int) P, weigh func(m Matrix, o P) ([]float32, error)) *Budget {
	var spectra []svd.Spectrum
	var names []string
	var own []P
	var bytes int64
	return &Budget{
		See: func(m Matrix, o any) error {
			p, out, in := o.(P), m.Spec.Out, m.Spec.In
			if p.Size().Ranks != svd.Waterfill {
				return nil
			}
			a, err := weigh(m, p)
			if err != nil {
				return err
			}
			rank := p.Size().RankOf(out, in)
			s, err := svd.SpectrumOf(m.Gemm, a, out, in, rank, m.Seed)
			if err != nil {
				return err
			}
			spectra, names, own = append(spectra, s), append(names, m.Spec.Name), append(own, p)
			bytes += svd.Bytes(rank, out, in)
			return nil
		},
		Settle: func() map[string]any {
			settled := map[string]any{}
			for i, rank := range svd.Share(spectra, bytes) {
				settled[names[i]] = setRank(own[i], rank)
			}
			return settled
		},
	}
}
