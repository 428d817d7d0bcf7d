package subject

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/asvd"
	"github.com/sketchbench/sketchbench/internal/compress/stbllm"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// ranksOf returns the ranks of all linear layers and their bytes.
func ranksOf(t *testing.T, s *Subject) (ranks map[string]int, bytes int64) {
	t.Helper()
	ranks = map[string]int{}
	for layer := range s.Env.Model.Config.Layers {
		for _, spec := range s.Env.Model.Config.Linears(layer) {
			w, err := s.Weights().Weight(spec.Name)
			if err != nil {
				t.Fatal(err)
			}
			ranks[spec.Name] = w.(*packed.LowRank).Rank
			bytes += w.Bytes()
		}
	}
	return ranks, bytes
}

// TestBudget: ranks that are shared take no more bytes than the plan says and
// than ranks of their own, and leave less of what each method minimises, summed
// over the model. A matrix that an override takes out keeps its own rank.
func TestBudget(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	const apart = "model.layers.0.mlp.up_proj.weight"
	h := newErrors(t, e, e.Gemm, *defaultCase(t, "svdllm").Calibration)
	for _, c := range []struct {
		shared, own *Case
		override    any
	}{
		{newCase(t, "svd", func(o *svd.Options) { o.Ranks = svd.Waterfill }), newCase(t, "svd", func(*svd.Options) {}), &svd.Options{Rank: 3, Ranks: svd.Uniform}},
		{newCase(t, "asvd", func(o *asvd.Options) { o.Ranks = svd.Waterfill }), newCase(t, "asvd", func(*asvd.Options) {}), &asvd.Options{Rank: 3, Ranks: svd.Uniform}},
		{newCase(t, "svdllm", func(o *svdllm.Options) { o.Ranks = svd.Waterfill }), newCase(t, "svdllm", func(*svdllm.Options) {}), &svdllm.Options{Rank: 3, Ranks: svd.Uniform}},
	} {
		shared, own := open(t, e, c.shared), open(t, e, c.own)
		ranks, bytes := ranksOf(t, shared)
		uniform, most := ranksOf(t, own)
		moved := false
		for name, r := range ranks {
			moved = moved || r != uniform[name]
		}
		if bytes > most || !moved {
			t.Errorf("%s: %d bytes of %d, ranks %v", c.shared.Label, bytes, most, ranks)
		}
		if plan := e.ArtefactBytes(c.shared); plan != e.ArtefactBytes(c.own) {
			t.Errorf("%s: the plan says %d bytes, without sharing %d", c.shared.Label, plan, e.ArtefactBytes(c.own))
		}
		weight, output := h.of(t, shared)
		weight0, output0 := h.of(t, own)
		if c.shared.Method.Name == "svd" && !(weight < weight0) || c.shared.Method.Name == "svdllm" && !(output < output0) {
			t.Errorf("%s: errors %v and %v, without sharing %v and %v", c.shared.Label, weight, output, weight0, output0)
		}
		c.shared.Overrides = []Override{{Tensors: apart, Options: c.override}}
		c.shared.Params["overrides"] = "one" // another artefact
		if ranks, _ := ranksOf(t, open(t, e, c.shared)); ranks[apart] != 3 {
			t.Errorf("%s: the matrix of the override has rank %d, want 3", c.shared.Label, ranks[apart])
		}
	}
}

// TestBudgetOfTarget: ranks are shared within the bytes of a target too.
func TestBudgetOfTarget(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	for _, shared := range []*Case{
		newCase(t, "svd", func(o *svd.Options) { o.Ranks = svd.Waterfill }),
		newCase(t, "asvd", func(o *asvd.Options) { o.Ranks = svd.Waterfill }),
		newCase(t, "svdllm", func(o *svdllm.Options) { o.Ranks = svd.Waterfill }),
	} {
		own := defaultCase(t, shared.Method.Name)
		for _, c := range []*Case{shared, own} {
			c.Target = &Target{Bits: 3}
			c.Params["bytes"] = 3.0
		}
		ranks, bytes := ranksOf(t, open(t, e, shared))
		uniform, most := ranksOf(t, open(t, e, own))
		moved := false
		for name, r := range ranks {
			moved = moved || r != uniform[name]
		}
		if bytes > most || !moved {
			t.Errorf("%s: %d bytes of %d, ranks %v, by themselves %v", shared.Method.Name, bytes, most, ranks, uniform)
		}
	}
}

// TestBaseInputs: the second moments that a method gets are those of the
// uncompressed model, or with true-sequential of the layers before as they are
// compressed; the first group sees the same.
func TestBaseInputs(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	base := newCase(t, "svdllm", func(*svdllm.Options) {})
	sequential := newCase(t, "svdllm", func(o *svdllm.Options) { o.TrueSequential = true })
	seen := map[bool][]float64{}
	for _, c := range []*Case{base, sequential} {
		s := open(t, e, c)
		notes, err := s.Notes()
		if err != nil {
			t.Fatal(err)
		}
		var conditions []float64
		for _, spec := range e.Model.Config.Linears(0) {
			conditions = append(conditions, notes[spec.Name]["whitening_condition"])
			if c != base {
				continue
			}
			h, err := e.Hessian(context.Background(), *c.Calibration, spec)
			if err != nil {
				t.Fatal(err)
			}
			root, err := svdllm.NewRoot(h, spec.In, c.Calibration.Sequences*c.Calibration.Length)
			if err != nil {
				t.Fatal(err)
			}
			if root.Condition != notes[spec.Name]["whitening_condition"] || root.Shift != notes[spec.Name]["whitening_shift"] {
				t.Errorf("%s: condition and shift %v, of the uncompressed model's moments %v and %v", spec.Name, notes[spec.Name], root.Condition, root.Shift)
			}
		}
		seen[c == base] = conditions
	}
	first, last := 0, len(seen[true])-1
	if seen[true][first] != seen[false][first] || seen[true][last] == seen[false][last] {
		t.Errorf("conditions of the layers %v, true-sequential %v: want equal ones at first and others at last", seen[true], seen[false])
	}
}

// TestCachedMoments: an artefact is the same whether its moments come from a walk
// or from the cache, where an error measured before has left them: H, and for
// the first phase of stbllm the mean squares, which are summed in float64.
func TestCachedMoments(t *testing.T) {
	m := tinyModel(t)
	c := newCase(t, "svdllm", func(o *svdllm.Options) { o.Ranks = svd.Waterfill })
	walked := open(t, newEnv(t, m, 2), c)
	e := newEnv(t, m, 2)
	if found, err := e.cachedMoments(context.Background(), *c.Calibration, nil); found || err != nil {
		t.Fatalf("an empty cache has moments: %v", err)
	}
	if _, err := e.Hessian(context.Background(), *c.Calibration, m.Config.Linears(0)[0]); err != nil {
		t.Fatal(err)
	}
	read := open(t, e, c)
	if walked.Artefact.Hash() != read.Artefact.Hash() {
		t.Errorf("hash %.12s from a walk, %.12s from the cache", walked.Artefact.Hash(), read.Artefact.Hash())
	}
	type moments struct{ square, abs []float64 }
	var seen [2][]moments
	for i, env := range []*Env{newEnv(t, m, 2), e} {
		c := newCase(t, "stbllm", func(*stbllm.Options) {})
		method := *c.Method
		method.Budget = func(any) *Budget {
			return &Budget{
				See: func(m Matrix, _ any) error {
					seen[i] = append(seen[i], moments{slices.Clone(m.MeanSquare), slices.Clone(m.MeanAbs)})
					return nil
				},
				Settle: func() map[string]any { return nil },
			}
		}
		c.Method = &method
		open(t, env, c)
	}
	if len(seen[0]) == 0 || !reflect.DeepEqual(seen[0], seen[1]) {
		t.Errorf("%d matrices, whose mean squares and magnitudes differ between a walk and the cache", len(seen[0]))
	}
}
