package subject

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/ultrasketch"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestMatch: with another method's bytes as target no matrix stores more, each
// has the largest rank that fits, and what the target leaves alone stays.
func TestMatch(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	int4Method, _ := LookupMethod("int4")
	ultra, _ := LookupMethod("ultrasketch")
	o := int4.DefaultOptions()
	two := int4.Options{Bits: 2, Group: 32}
	u := ultrasketch.DefaultOptions()
	u.Bits = 3
	for _, target := range []*Target{
		{Method: int4Method, Options: &o, Except: []string{"*.down_proj.weight"}, Overrides: []Override{{"*.q_proj.weight", &two}}},
		{Method: ultra, Options: &u},
	} {
		c := newCase[svd.Options](t, "svd", nil)
		c.Target = target
		c.Params["match"] = target.Method.Name
		s := open(t, e, c)
		covered := 0
		for layer := range m.Config.Layers {
			for _, spec := range m.Config.Linears(layer) {
				w, err := s.Artefact.Weight(spec.Name)
				if err != nil {
					t.Fatal(err)
				}
				if !covers(target.Method, nil, target.Only, target.Except, spec.Name) {
					if w.Kind() != "dense" || c.Covers(spec.Name) {
						t.Errorf("%s: %s is %s, the target leaves it alone", target.Method.Name, spec.Name, w.Kind())
					}
					continue
				}
				covered++
				limit := target.Method.StoredBytes(optionsFor(target.Options, target.Overrides, spec.Name), spec.Out, spec.In)
				rank1 := int64(2 * (spec.Out + spec.In))
				if got := w.Bytes(); w.Kind() != "lowrank" || got > limit || got+rank1 <= limit {
					t.Errorf("%s: %s stores %d bytes, the target %d, a rank %d", target.Method.Name, spec.Name, got, limit, rank1)
				}
				if c.StoredBytes(spec) != w.Bytes() {
					t.Errorf("%s: %s: %d bytes foretold, %d stored", target.Method.Name, spec.Name, c.StoredBytes(spec), w.Bytes())
				}
				if bits := 8 * float64(limit) / (float64(spec.Out) * float64(spec.In)); c.NominalBits(spec) != bits {
					t.Errorf("%s: nominal bits %v, want %v", spec.Name, c.NominalBits(spec), bits)
				}
			}
		}
		if covered == 0 {
			t.Errorf("%s: nothing compressed", target.Method.Name)
		}
	}
}

// TestSelection: only, except and overrides choose by pattern, and what is
// not chosen is stored as it was.
func TestSelection(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	c := newCase[int4.Options](t, "int4", nil)
	c.Only = []string{"model.layers.0.*"}
	c.Except = []string{"*.o_proj.weight"}
	c.Overrides = []Override{
		{"*.mlp.*", &int4.Options{Bits: 8, Group: 0}},
		{"*.up_proj.weight", &int4.Options{Bits: 3, Group: 64}},
	}
	c.Params["tensors"] = "some"
	s := open(t, e, c)
	for layer := range m.Config.Layers {
		for _, spec := range m.Config.Linears(layer) {
			want := "grid"
			if layer == 1 || strings.Contains(spec.Name, "o_proj") {
				want = "dense"
			}
			entry, _ := s.Artefact.Entry(spec.Name)
			if string(entry.Kind) != want {
				t.Errorf("%s is stored as %s, want %s", spec.Name, entry.Kind, want)
				continue
			}
			if want == "dense" {
				got, _ := s.Artefact.Tensor(spec.Name)
				was, _ := m.Tensors.Tensor(spec.Name)
				if !bytes.Equal(got.Data, was.Data) {
					t.Errorf("%s: bytes changed", spec.Name)
				}
				continue
			}
			bits := 4
			switch {
			case strings.Contains(spec.Name, "up_proj"):
				bits = 3 // the last override that fits
			case strings.Contains(spec.Name, ".mlp."):
				bits = 8
			}
			if entry.Meta.Bits != bits || entry.NominalBits != float64(bits) || entry.Bytes != c.StoredBytes(spec) {
				t.Errorf("%s: %+v, want %d bits and %d bytes", spec.Name, entry, bits, c.StoredBytes(spec))
			}
		}
	}
}

// TestOverridesOfFactor gives matrices of one group different damping: each
// must have the bytes of a case that damps all of them so.
func TestOverridesOfFactor(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	strong := sketchtune.DefaultOptions()
	strong.Damp = 10
	mixed := defaultCase(t, "sketchtune")
	mixed.Only = []string{"model.layers.0.self_attn.[qkv]_proj.weight"}
	mixed.Overrides = []Override{{"*.k_proj.weight", &strong}}
	mixed.Params["tensors"] = "mixed"
	weak := defaultCase(t, "sketchtune")
	weak.Only = mixed.Only
	weak.Params["tensors"] = "weak"
	all := newCase(t, "sketchtune", func(o *sketchtune.Options) { *o = strong })
	all.Only = mixed.Only
	got, a, b := open(t, e, mixed), open(t, e, weak), open(t, e, all)
	for _, letter := range []string{"q", "k", "v"} {
		name := "model.layers.0.self_attn." + letter + "_proj.weight"
		want, other := a, b
		if letter == "k" {
			want, other = b, a
		}
		if !slices.Equal(partData(t, got, name), partData(t, want, name)) || slices.Equal(partData(t, got, name), partData(t, other, name)) {
			t.Errorf("%s: not as damped for it", name)
		}
	}
}

func partData(t *testing.T, s *Subject, name string) []byte {
	t.Helper()
	w, err := s.Artefact.Weight(name)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, p := range w.Parts() {
		b = append(b, p.Data...)
	}
	return b
}

// TestSeeds: another seed changes the weights of methods that say so, and of
// no other; the two layers do not share hash seeds.
func TestSeeds(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	const q0, q1 = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight"
	cases := compressing(t)
	for _, c := range cases[:len(cases)-1] { // the last is sketchtune again
		other := *c
		other.Seed = 1
		a, b := open(t, e, c), open(t, e, &other)
		same := slices.Equal(partData(t, a, q0), partData(t, b, q0))
		// Of methods with chance some may give the same: a decomposition is
		// random only where the rank is small beside the matrix.
		if !c.Method.Chance && !same || c.Method.Hashed && same {
			t.Errorf("%s: equal weights under another seed: %v", c.Label, same)
		}
		if a.Artefact.Hash() == b.Artefact.Hash() {
			t.Errorf("%s: two seeds, one hash", c.Label)
		}
	}
	u := open(t, e, defaultCase(t, "ultrasketch"))
	var hash [2][]uint64
	for i, name := range []string{q0, q1} {
		w, err := u.Artefact.Weight(name)
		if err != nil {
			t.Fatal(err)
		}
		hash[i] = w.(*packed.Cells).Seeds
	}
	if slices.Equal(hash[0], hash[1]) {
		t.Errorf("both layers hash by %v", hash[0])
	}
	if matrixSeed(0, q0) == matrixSeed(0, q1) || matrixSeed(0, q0) == matrixSeed(1, q0) {
		t.Error("matrices or seeds share a derived seed")
	}
	c := defaultCase(t, "int4")
	c.Seed = 1 << 53
	if _, err := e.Open(context.Background(), c, quiet); err == nil || !strings.Contains(err.Error(), "seed: 9007199254740992, want below 2^53") {
		t.Errorf("seed 2^53: %v", err)
	}
}

// TestEarlierLayers: sketchtune sees what earlier layers became, ultrasketch
// the uncompressed model: leaving the first layer alone changes the second of
// the one, and nothing of the other's.
func TestEarlierLayers(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	const second = "model.layers.1.mlp.up_proj.weight"
	for _, c := range []struct {
		method string
		same   bool
	}{{"sketchtune", false}, {"ultrasketch", true}, {"int4", true}, {"svd", true}} {
		all, one := defaultCase(t, c.method), defaultCase(t, c.method)
		one.Only = []string{second}
		one.Params["tensors"] = "only:" + second
		if same := slices.Equal(partData(t, open(t, e, all), second), partData(t, open(t, e, one), second)); same != c.same {
			t.Errorf("%s: the second layer is the same: %v, want %v", c.method, same, c.same)
		}
	}
}
