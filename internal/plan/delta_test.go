package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/scenarios"
)

const pair = `name: x
model: demo
methods: [{name: sketchtune, bits: 4}]
calibration: {corpus: demo-calibration, sequences: 1, length: 8}
suites:
  - {name: approx, delta: {tuned: TUNED}}
`

// tunedFolder is a checkpoint with one matrix.
func tunedFolder(t *testing.T, name string, shape ...int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tuned")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tensor := safetensors.Tensor{Name: name, DType: "BF16", Shape: shape, Data: make([]byte, 2*shape[0]*shape[1])}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), []safetensors.Tensor{tensor}, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTuned: the lock names a tuned checkpoint by its bytes, which decide the
// recipe; one that does not fit the model is refused, unless there is no model
// to tell.
func TestTuned(t *testing.T) {
	with := func(tuned string) string { return strings.Replace(pair, "TUNED", tuned, 1) }
	const k = "model.layers.2.self_attn.k_proj.weight"
	embedded, folder := planOf(t, with(demo.Tuned)), planOf(t, with(tunedFolder(t, k, 128, 256)))
	if a, b := string(embedded.Lock()), string(folder.Lock()); !strings.Contains(a, `checkpoint: "demo-tuned@5cb7a020b196"}`) || !strings.Contains(b, "/tuned@") {
		t.Errorf("locks\n%s\n%s", a, b)
	}
	if embedded.Suites[0].RecipeHash == folder.Suites[0].RecipeHash {
		t.Error("two checkpoints have one recipe")
	}
	dir := tunedFolder(t, k, 256, 128)
	for model, want := range map[string]string{
		"demo":    "x.yaml:6:35: suites[0].delta.tuned: " + dir + ": tensor " + k + ": shape [256 128], the model's is 128×256",
		"nowhere": "x.yaml:2:8: model: nowhere: no such folder; want demo or a folder with config.json and *.safetensors",
	} {
		text := strings.Replace(with(dir), "model: demo", "model: "+model, 1)
		s, err := scenarios.Parse([]byte(text), "x.yaml", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Make(s, Settings{Cache: t.TempDir(), Threads: 1}); err == nil || err.Error() != want {
			t.Errorf("model %s: got\n%v\nwant\n%s", model, err, want)
		}
	}
}

// TestDrawn: drawn matrices need no model, and no case is opened for them.
func TestDrawn(t *testing.T) {
	text := strings.NewReplacer("model: demo", "model: none", "calibration: {corpus: demo-calibration, sequences: 1, length: 8}\n", "",
		"tuned: TUNED", "eta: [0.1, 0.2], size: [16, 32]").Replace(pair)
	p := planOf(t, text)
	if !p.Suites[0].DrawsWeights() || p.CacheBytes() != 0 || p.MemoryBytes(0) < spare {
		t.Errorf("draws %v, cache %d, memory %d", p.Suites[0].DrawsWeights(), p.CacheBytes(), p.MemoryBytes(0))
	}
	for _, s := range p.Steps() {
		if (s.Suite == "") != (s.Guess == 0) {
			t.Errorf("step %+v", s)
		}
	}
}
