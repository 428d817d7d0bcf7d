package subject

import (
	"bytes"
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestOpenModel: a folder and the embedded model, told apart by content.
func TestOpenModel(t *testing.T) {
	m := tinyModel(t)
	var names []string
	for _, f := range m.Sources {
		names = append(names, f.Name)
	}
	if want := []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}; !slices.Equal(names, want) {
		t.Errorf("sources %v, want %v", names, want)
	}
	if err := artefact.Verify(m.Dir, m.Sources); err != nil {
		t.Error(err)
	}
	if m.Config.Vocab != Tiny.Vocab || m.Tokenizer.VocabSize() != Tiny.Vocab || len(m.Small) != 3 {
		t.Errorf("vocabulary %d and %d, %d small files", m.Config.Vocab, m.Tokenizer.VocabSize(), len(m.Small))
	}
	if want := m.Dir + "@" + m.SourcesHash()[:12]; m.Name != want {
		t.Errorf("name %s, want %s", m.Name, want)
	}
	slash, err := OpenModel(m.Dir+"/", m.Dir)
	if err != nil || slash.Name != m.Name {
		t.Errorf("with a slash: %v, %v", slash, err)
	}
	if err := slash.Close(); err != nil {
		t.Error(err)
	}
	if err := slash.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}

	d, err := OpenModel(demo.Model, "ignored")
	if err != nil {
		t.Fatal(err)
	}
	if d.Dir != "" || !strings.HasPrefix(d.Name, "demo@") || len(d.Sources) != len(demo.ModelFiles()) {
		t.Errorf("%s in %q, %d sources", d.Name, d.Dir, len(d.Sources))
	}
	for _, f := range d.Sources {
		if f != artefact.FileOf(f.Name, demo.ModelFiles()[f.Name]) {
			t.Errorf("source %+v", f)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestShards: the index is one of a model's sources.
func TestShards(t *testing.T) {
	m := tinyModel(t)
	const index = "model.safetensors.index.json"
	var members []string
	for _, name := range m.Tensors.Names() {
		members = append(members, `"`+name+`": "model-00001-of-00001.safetensors"`)
	}
	dir := t.TempDir()
	for name, b := range folder(t, m.Dir) {
		if name = strings.TrimPrefix(name, "/"); name == "model.safetensors" {
			name = "model-00001-of-00001.safetensors"
		}
		writeFile(t, filepath.Join(dir, name), b)
	}
	writeFile(t, filepath.Join(dir, index), []byte(`{"metadata": {}, "weight_map": {`+strings.Join(members, ",")+`}}`))
	s := openModel(t, dir)
	if !slices.ContainsFunc(s.Sources, func(f artefact.File) bool { return f.Name == index }) {
		t.Errorf("sources %v lack the index", s.Sources)
	}
}

// TestOpenModelFaults: all that is wrong with a folder is told at once.
func TestOpenModelFaults(t *testing.T) {
	good := tinyModel(t).Dir
	damage := func(edit func(files map[string][]byte)) string {
		files := map[string][]byte{}
		for name, b := range folder(t, good) {
			files[strings.TrimPrefix(name, "/")] = b
		}
		edit(files)
		dir := t.TempDir()
		for name, b := range files {
			writeFile(t, filepath.Join(dir, name), b)
		}
		return dir
	}
	replace := func(files map[string][]byte, name, old, with string) {
		if !bytes.Contains(files[name], []byte(old)) {
			t.Fatalf("%s has no %s", name, old)
		}
		files[name] = bytes.Replace(files[name], []byte(old), []byte(with), 1)
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	for _, c := range []struct {
		name, dir string
		want      []string
	}{
		{"absent", "/nosuch", []string{"/nosuch: no such folder; want demo or a folder"}},
		{"a file", file, []string{file + ": a file, want a folder"}},
		{"no config", damage(func(f map[string][]byte) { delete(f, "config.json") }), []string{"config.json: missing"}},
		{"no weights, and a bad config", damage(func(f map[string][]byte) {
			delete(f, "model.safetensors")
			replace(f, "config.json", `"model_type":"llama"`, `"model_type":"mamba"`)
		}), []string{"mamba", "model.safetensors"}},
		{"no tokenizer, and tensors of another shape", damage(func(f map[string][]byte) {
			delete(f, "tokenizer.json")
			replace(f, "config.json", `"intermediate_size":172`, `"intermediate_size":176`)
		}), []string{"tokenizer", "model.layers.0.mlp.gate_proj.weight", "model.layers.1.mlp.down_proj.weight"}},
		{"a tokenizer with more tokens than the model", damage(func(f map[string][]byte) {
			replace(f, "config.json", `"vocab_size":4096`, `"vocab_size":4000`)
		}), []string{"config.json: vocab_size is 4000, but the tokenizer has 4096 tokens", "model.embed_tokens.weight"}},
	} {
		m, err := OpenModel(c.dir, c.dir)
		if err == nil {
			t.Errorf("%s: opened %s", c.name, m.Name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want …%s", c.name, err, want)
			}
		}
	}
}

func TestOpenDevice(t *testing.T) {
	for _, name := range []string{"auto", "cpu"} {
		dev, cfg, err := OpenDevice(name, 1)
		if err != nil || cfg.Threads != 1 || cfg.ISA == gemm.Auto {
			t.Errorf("%s: %+v, %v", name, cfg, err)
			continue
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := OpenDevice("cuda", 1); err == nil || err.Error() != `device "cuda", want auto or cpu` {
		t.Errorf("got %v", err)
	}
}

// TestEngines: an engine is opened once, and again for a longer context; the
// base is the uncompressed model.
func TestEngines(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	s := open(t, e, defaultCase(t, "ultrasketch"))
	dense := open(t, e, defaultCase(t, "dense"))
	a, err := s.Engine(16)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Engine(8); err != nil || b != a {
		t.Errorf("opened again for less: %v", err)
	}
	if b, err := s.Engine(32); err != nil || b == a || b.MaxTokens() != 32 {
		t.Errorf("not opened again for more: %v", err)
	}
	if _, err := s.Engine(1000); err == nil || !strings.Contains(err.Error(), "a context of 1000 tokens") {
		t.Errorf("got %v", err)
	}
	logits := func(open func(int) (run, error)) []float32 {
		r, err := open(16)
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Prefill(context.Background(), []int{0, 99, 5})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(row)
	}
	want := logits(func(n int) (run, error) { return dense.Engine(n) })
	if !slices.Equal(logits(func(n int) (run, error) { return s.Base(n) }), want) {
		t.Error("the base differs from the uncompressed model")
	}
	if slices.Equal(logits(func(n int) (run, error) { return s.Engine(n) }), want) {
		t.Error("the sketch is the uncompressed model")
	}
	s.CloseEngines()
	if s.engine != nil || s.base != nil {
		t.Error("still open")
	}
}

// A run is what the test needs of an engine.
type run interface {
	Prefill(ctx context.Context, tokens []int) ([]float32, error)
}

// TestLedgerMissing: a ledger without one of the model's tensors is an error,
// not a smaller sum.
func TestLedgerMissing(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	s := open(t, e, defaultCase(t, "int4"))
	m := *e.Model
	m.Config.Layers++
	env := *e
	env.Model = &m
	s.Env = &env
	if _, err := s.Ledger(); err == nil || !strings.Contains(err.Error(), "tensor model.layers.2.input_layernorm.weight is missing") {
		t.Errorf("got %v", err)
	}
}

// TestExtraTensors: what a checkpoint holds besides the model, a copy of the
// tied head and the rotary buffers of older ones, is neither billed nor copied.
func TestExtraTensors(t *testing.T) {
	plain := tinyModel(t)
	var tensors []safetensors.Tensor
	for _, name := range plain.Tensors.Names() {
		x, _ := plain.Tensors.Tensor(name)
		tensors = append(tensors, x)
	}
	head, _ := plain.Tensors.Tensor(model.EmbeddingName)
	head.Name = model.HeadName
	const rotary = "model.layers.0.self_attn.rotary_emb.inv_freq"
	tensors = append(tensors, head, safetensors.Tensor{Name: rotary, DType: "F32", Shape: []int{8}, Data: make([]byte, 32)})
	dir := t.TempDir()
	for name, b := range plain.Small {
		writeFile(t, filepath.Join(dir, name), b)
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), tensors, nil); err != nil {
		t.Fatal(err)
	}
	without, with := newEnv(t, plain, 1), newEnv(t, openModel(t, dir), 1)
	for _, name := range []string{"dense", "int4"} {
		a, b := open(t, without, defaultCase(t, name)), open(t, with, defaultCase(t, name))
		la, errA := a.Ledger()
		lb, errB := b.Ledger()
		if errA != nil || errB != nil || !reflect.DeepEqual(la, lb) {
			t.Errorf("%s: ledger %+v with them, %+v without, %v %v", name, lb, la, errA, errB)
		}
		if _, ok := b.Artefact.Entry(rotary); ok && name != "dense" {
			t.Errorf("%s: holds %s", name, rotary)
		}
	}
}
