package subject

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/stage"
)

// Tiny has a matrix of every kind of shape: square, flat, and an odd number of
// input channels that is no multiple of 8 or 128 (172 = 4·43).
var Tiny = model.Config{
	HiddenSize: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16, Intermediate: 172, Vocab: 4096,
	NormEps: 1e-5, RopeTheta: 1e4, Tied: true, MaxPositions: 256,
}

// WriteModel writes a Llama of random weights in Hugging Face layout, with the
// demo model's tokenizer (4096 tokens), as bfloat16. Edit may change a tensor
// before it is written.
func WriteModel(t testing.TB, dir string, c model.Config, edit func(name string, w []float32)) {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "hidden_act": "silu",
		"hidden_size": c.HiddenSize, "num_hidden_layers": c.Layers, "num_attention_heads": c.Heads,
		"num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim, "intermediate_size": c.Intermediate,
		"vocab_size": c.Vocab, "rms_norm_eps": c.NormEps, "rope_theta": c.RopeTheta,
		"tie_word_embeddings": c.Tied, "max_position_embeddings": c.MaxPositions, "bos_token_id": 0, "eos_token_id": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "config.json"), config)
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		writeFile(t, filepath.Join(dir, name), demo.ModelFiles()[name])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var tensors []safetensors.Tensor
	for _, spec := range c.Tensors() {
		n := 1
		for _, d := range spec.Shape {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			if w[i] = 1; len(spec.Shape) == 2 {
				// Variance 1/in, so that activations keep their size.
				w[i] = float32((rng.Float64() - 0.5) * math.Sqrt(12/float64(spec.Shape[1])))
			}
		}
		if edit != nil {
			edit(spec.Name, w)
		}
		data := make([]byte, 2*n)
		for i, v := range w {
			binary.LittleEndian.PutUint16(data[2*i:], packed.F32ToBF16(v))
		}
		tensors = append(tensors, safetensors.Tensor{Name: spec.Name, DType: "BF16", Shape: spec.Shape, Data: data})
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), tensors, nil); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tinyModel opens a Tiny of its own.
func tinyModel(t testing.TB) *Model {
	t.Helper()
	dir := t.TempDir()
	WriteModel(t, dir, Tiny, nil)
	return openModel(t, dir)
}

func openModel(t testing.TB, dir string) *Model {
	t.Helper()
	m, err := OpenModel(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// newEnv is an environment with a cache of its own.
func newEnv(t testing.TB, m *Model, threads int) *Env {
	t.Helper()
	dev, cfg, err := OpenDevice("cpu", threads)
	if err != nil {
		t.Fatal(err)
	}
	return &Env{Model: m, Device: dev, Gemm: cfg, Cache: stage.Cache{Dir: t.TempDir(), Warn: func(err error) { t.Error(err) }}}
}

// newCase makes a case of a method with default options, changed by edit if
// that is not nil, and a small calibration where the method wants one.
func newCase[O any](t testing.TB, method string, edit func(o *O)) *Case {
	t.Helper()
	m, ok := LookupMethod(method)
	if !ok {
		t.Fatalf("no method %s", method)
	}
	o := m.New()
	if edit != nil {
		edit(o.(*O))
	}
	c := &Case{Label: method, Method: m, Options: o, Params: Params(o)}
	if m.Moments != NoMoments {
		c.Calibration = &Calibration{Corpus: CorpusRef{Name: "demo-calibration"}, Sequences: 3, Length: 48, Seed: 0}
	}
	return c
}

// defaultCase makes a case of a method with default options.
func defaultCase(t testing.TB, method string) *Case { return newCase[noOptions](t, method, nil) }

func quiet(Stage, int, int) {}

// open opens a case; it is closed at the end of the test.
func open(t testing.TB, e *Env, c *Case) *Subject {
	t.Helper()
	s, err := e.Open(context.Background(), c, quiet)
	if err != nil {
		t.Fatalf("%s: %v", c.Label, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
