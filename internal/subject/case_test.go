package subject

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/stage"
)

// TestKey changes one thing at a time: the identity of a case changes with
// what decides its result, and with nothing else.
func TestKey(t *testing.T) {
	dir, copied, other := t.TempDir(), t.TempDir(), t.TempDir()
	WriteModel(t, dir, Tiny, nil)
	WriteModel(t, copied, Tiny, nil)
	WriteModel(t, other, Tiny, func(name string, w []float32) { w[len(w)-1] += 0.5 })
	env := newEnv(t, openModel(t, dir), 1)
	text, _ := demo.Corpus("demo-calibration")
	texts := [3]string{}
	for i, content := range []string{text, text, text + "One more line .\n"} {
		texts[i] = filepath.Join(t.TempDir(), "text.raw")
		writeFile(t, texts[i], []byte(content))
	}

	hash := func(e *Env, edit func(c *Case)) string {
		t.Helper()
		c := defaultCase(t, "sketchtune")
		c.Calibration.Corpus = CorpusRef{File: texts[0]}
		if edit != nil {
			edit(c)
		}
		h, _, err := stage.Key("case", e.Key(c))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash(env, nil)
	set := func(k string, v any) func(*Case) { return func(c *Case) { c.Params[k] = v } }
	for _, c := range []struct {
		name    string
		changes bool
		env     *Env
		edit    func(c *Case)
	}{
		{"nothing", false, env, nil},
		{"label and place in the table", false, env, func(c *Case) { c.Label, c.Baseline, c.ID = "other", true, "x" }},
		{"threads and cache", false, newEnv(t, env.Model, 2), nil},
		{"the model's folder", false, newEnv(t, openModel(t, copied), 1), nil},
		{"the folder of the calibration text", false, env, func(c *Case) { c.Calibration.Corpus.File = texts[1] }},

		{"one weight of every tensor", true, newEnv(t, openModel(t, other), 1), nil},
		{"method", true, env, func(c *Case) { c.Method, _ = LookupMethod("svd") }},
		{"method version", true, env, func(c *Case) {
			m := *c.Method
			m.Version++
			c.Method = &m
		}},
		{"bits", true, env, set("bits", int64(3))},
		{"damp", true, env, set("damp", 0.01)},
		{"act-order", true, env, set("act-order", false)},
		{"start", true, env, set("start", "exact")},
		{"tensors", true, env, set("tensors", "only:*")},
		{"match", true, env, set("match", "int4")},
		{"seed", true, env, func(c *Case) { c.Seed = 1 }},
		{"largest seed", true, env, func(c *Case) { c.Seed = 1<<53 - 1 }},
		{"no calibration", true, env, func(c *Case) { c.Calibration = nil }},
		{"sequences", true, env, func(c *Case) { c.Calibration.Sequences++ }},
		{"length", true, env, func(c *Case) { c.Calibration.Length++ }},
		{"calibration seed", true, env, func(c *Case) { c.Calibration.Seed++ }},
		{"calibration text", true, env, func(c *Case) { c.Calibration.Corpus.File = texts[2] }},
		{"its name", true, env, func(c *Case) { c.Calibration.Corpus = CorpusRef{Name: "demo-calibration"} }},
	} {
		if got := hash(c.env, c.edit) != base; got != c.changes {
			t.Errorf("%s: changes the identity: %v, want %v", c.name, got, c.changes)
		}
	}
}

// TestKeyText: a text that has gone is described by its name, without a hash.
func TestKeyText(t *testing.T) {
	m := tinyModel(t)
	path := filepath.Join(t.TempDir(), "text.raw")
	writeFile(t, path, []byte("A line .\n"))
	c := &Calibration{Corpus: CorpusRef{File: path}, Sequences: 1, Length: 2}
	// sha256sum of the nine bytes.
	const want = "0d02f8d4812685d0a0782cd50b5163a097f47bf04409ebb268bc8cb91c4ede0a"
	d := c.Describe(m)
	if d["corpus"] != "text.raw" || d["tokenizer_sha256"] != m.Tokenizer.Hash() {
		t.Errorf("described as %v", d)
	}
	if d["text_sha256"] != want {
		t.Errorf("text hash %v, want %s", d["text_sha256"], want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if d := c.Describe(m); d["text_sha256"] != nil {
		t.Errorf("described as %v", d)
	}
}

// TestCheckModel finds every fault of a case on a model once.
func TestCheckModel(t *testing.T) {
	int4Method, _ := LookupMethod("int4")
	few := svd.Options{Bits: 0.25}
	for _, c := range []struct {
		name string
		c    *Case
		want []string
	}{
		{"dense", defaultCase(t, "dense"), nil},
		{"fine", defaultCase(t, "ultrasketch"), nil},
		{"gpr", newCase(t, "sketchtune", func(o *sketchtune.Options) { o.GPR = 7 }),
			[]string{"gpr: 7 does not divide the 64 input channels", "gpr: 7 does not divide the 172 input channels"}},
		// 16·(32+64)/(32·64) = 0.75 bits for rank 1 of k and v, 0.5 of q and o, 0.343 of the MLP.
		{"bits", newCase(t, "svd", func(o *svd.Options) { *o = few }), []string{"64×64 matrix, which takes 0.5", "32×64 matrix, which takes 0.75", "172×64 matrix", "64×172 matrix"}},
		{"nothing left", func() *Case {
			c := defaultCase(t, "int4")
			c.Except = []string{"*"}
			return c
		}(), []string{"compresses none"}},
		{"target too small", func() *Case {
			c := defaultCase(t, "svd")
			c.Target = &Target{Method: int4Method, Options: &int4.Options{Bits: 4}, Only: []string{"*q_proj*", "*k_proj*"}}
			c.Target.Overrides = []Override{{"*k_proj*", &int4.Options{Bits: 2, Group: 0}}}
			return c
		}(), nil}, // 32·(16+2)+8 = 584 bytes ≥ 2·96
		{"target of svd too small", func() *Case {
			c := defaultCase(t, "svd")
			m, _ := LookupMethod("svd")
			c.Target = &Target{Method: m, Options: &few, Only: []string{"*q_proj*"}}
			return c
		}(), []string{"bits: 0.25 are too few"}},
	} {
		errs := c.c.CheckModel(Tiny)
		if len(errs) != len(c.want) {
			t.Errorf("%s: %v, want %q", c.name, errs, c.want)
			continue
		}
		for i, err := range errs {
			if !strings.Contains(err.Error(), c.want[i]) {
				t.Errorf("%s: %v, want …%s", c.name, err, c.want[i])
			}
		}
	}
}

// TestCovers: what a method covers by itself, less what the scenario leaves
// out; a pattern that is none matches nothing.
func TestCovers(t *testing.T) {
	const q, o = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.o_proj.weight"
	for _, c := range []struct {
		method       string
		only, except []string
		q, o         bool
	}{
		{"dense", nil, nil, false, false},
		{"int4", nil, nil, true, true},
		{"ultrasketch", nil, nil, true, false},
		{"ultrasketch", []string{"*o_proj*"}, nil, false, false},
		{"int4", []string{"*o_proj*", "*q_proj*"}, nil, true, true},
		{"int4", []string{"*o_proj*"}, []string{"*layers.0*"}, false, false},
		{"int4", nil, []string{"*q_proj*"}, false, true},
		{"int4", []string{"["}, nil, false, false},
	} {
		x := defaultCase(t, c.method)
		x.Only, x.Except = c.only, c.except
		if x.Covers(q) != c.q || x.Covers(o) != c.o {
			t.Errorf("%+v: got %v, %v", c, x.Covers(q), x.Covers(o))
		}
	}
}
