package engine_test

import (
	"context"
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// testdata holds llama-tied and llama-untied of ../shared/reference/architectures,
// made by its gen/architectures.py, so that a clone alone tests the engine.

// checkpoint is a model folder opened for a test.
type checkpoint struct {
	cfg     model.Config
	tensors *safetensors.Checkpoint
	weights engine.Weights
}

func openCheckpoint(t testing.TB, dir string) checkpoint {
	t.Helper()
	cfg, err := model.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := model.Check(cfg, c); err != nil {
		t.Fatal(err)
	}
	return checkpoint{cfg, c, engine.FromCheckpoint(c)}
}

// onDevices runs f with the portable kernels and with the machine's best.
func onDevices(t *testing.T, f func(t *testing.T, dev kernels.Device)) {
	seen := map[string]bool{}
	for _, isa := range []gemm.ISA{gemm.Generic, gemm.Auto} {
		dev, err := cpu.New(cpu.Options{ISA: isa})
		if err != nil {
			t.Fatal(err)
		}
		if seen[dev.Name()] {
			continue
		}
		seen[dev.Name()] = true
		t.Run(dev.Name(), func(t *testing.T) { f(t, dev) })
	}
}

func newEngine(t testing.TB, dev kernels.Device, c checkpoint, opts engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.New(dev, c.cfg, c.weights, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// reference is what another program computed for one prompt.
type reference struct {
	prompt []int
	logits [][]float32 // float64 arithmetic, rounded at the end
	greedy []int       // after the first cut tokens of prompt
	cut    int
}

func readReference(t *testing.T, path, prompt string, cut, vocab int) reference {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	get := func(name string) safetensors.Tensor {
		x, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("%s: no tensor %s", path, name)
		}
		return x
	}
	flat := get("logits_f64_as_f32")
	values := make([]float32, len(flat.Data)/4)
	if err := flat.Float32(values); err != nil {
		t.Fatal(err)
	}
	r := reference{prompt: int64s(get(prompt).Data), greedy: int64s(get("greedy_ids").Data), cut: cut}
	for row := range slices.Chunk(values, vocab) {
		r.logits = append(r.logits, row)
	}
	if len(r.logits) != len(r.prompt) {
		t.Fatalf("%s: %d rows of logits for %d tokens", path, len(r.logits), len(r.prompt))
	}
	return r
}

func int64s(b []byte) []int {
	var ids []int
	for ; len(b) > 0; b = b[8:] {
		ids = append(ids, int(binary.LittleEndian.Uint64(b)))
	}
	return ids
}

// compare holds rows of logits to the tolerance of reference/README.md,
// 2e-5 of the largest: float32 of another program in another order of
// summation is up to 7.2e-6 away (sections 1 and 2), and no two orders are
// further apart than their distances from float64 together.
func compare(t *testing.T, what string, got, want [][]float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	var worst, largest float64
	for i := range want {
		for j, w := range want[i] {
			largest = max(largest, math.Abs(float64(w)))
			worst = max(worst, math.Abs(float64(got[i][j])-float64(w))) // NaN stays
		}
	}
	if !(worst <= 2e-5*largest) {
		t.Errorf("%s: off by %.2g of the largest logit, want at most 2e-5", what, worst/largest)
	}
}

// testReference compares all ways to run a prompt with a reference.
func testReference(t *testing.T, dev kernels.Device, c checkpoint, r reference) {
	ctx := context.Background()
	n := len(r.prompt)
	chunks := []int{n, 7, 1}
	if testing.Short() {
		chunks = []int{7}
	}
	for _, chunk := range chunks {
		e := newEngine(t, dev, c, engine.Options{MaxTokens: n, Chunk: chunk})
		if err := e.Forward(ctx, r.prompt); err != nil {
			t.Fatal(err)
		}
		rows, err := e.Logits(0, n)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "forward", rows, r.logits)
		if rows, err = e.Logits(n/3, n/2); err != nil {
			t.Fatal(err)
		}
		compare(t, "forward, a block", rows, r.logits[n/3:n/2])
	}
	e := newEngine(t, dev, c, engine.Options{Chunk: 5})
	const prefix = 13 // two whole chunks and a part
	row, err := e.Prefill(ctx, r.prompt[:prefix])
	for i := prefix; err == nil && i < n; i++ {
		compare(t, "prefill, decode", [][]float32{row}, r.logits[i-1:i])
		row, err = e.Decode(ctx, r.prompt[i])
	}
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "decode, last", [][]float32{row}, r.logits[n-1:])

	// The two best logits are never closer than 1.4e-3 of the largest.
	ids, err := e.Generate(ctx, r.prompt[:r.cut], len(r.greedy))
	if err != nil || !slices.Equal(ids, r.greedy) {
		t.Errorf("generate: got %v, %v\nwant %v", ids, err, r.greedy)
	}
}

// TestCommitted runs the two checkpoints of testdata.
func TestCommitted(t *testing.T) {
	for _, name := range []string{"llama-tied", "llama-untied"} {
		t.Run(name, func(t *testing.T) { testArchitecture(t, filepath.Join("testdata", name)) })
	}
}

// TestArchitectures runs the other Llama checkpoints of the reference data.
func TestArchitectures(t *testing.T) {
	for _, name := range []string{"llama-headdim", "llama-bf16", "llama-f16", "llama-sharded"} {
		t.Run(name, func(t *testing.T) {
			testArchitecture(t, sharedtest.Dir(t, "reference", "architectures", name))
		})
	}
}

func testArchitecture(t *testing.T, dir string) {
	c := openCheckpoint(t, dir)
	r := readReference(t, filepath.Join(dir, "reference.safetensors"), "input_ids", 64, c.cfg.Vocab)
	onDevices(t, func(t *testing.T, dev kernels.Device) { testReference(t, dev, c, r) })
}

// TestTrained runs the demo model and the three story models.
func TestTrained(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector needs a minute for these")
	}
	for _, m := range []struct {
		name         string
		model, truth []string
		cut          int
	}{
		{"demo", []string{"assets", "demo-6m"}, []string{"reference", "demo"}, 16},
		{"stories260K", []string{"data", "stories260K", "hf"}, []string{"reference", "stories", "stories260K"}, 64},
		{"llama2xs-280K", []string{"data", "llama2xs-280K", "hf"}, []string{"reference", "stories", "llama2xs-280K"}, 64},
		{"aidreams260K", []string{"data", "aidreams260K", "hf"}, []string{"reference", "stories", "aidreams260K"}, 64},
	} {
		t.Run(m.name, func(t *testing.T) {
			c := openCheckpoint(t, sharedtest.Dir(t, m.model...))
			path := filepath.Join(sharedtest.Dir(t, m.truth...), "reference.safetensors")
			r := readReference(t, path, "prompt_ids", m.cut, c.cfg.Vocab)
			onDevices(t, func(t *testing.T, dev kernels.Device) { testReference(t, dev, c, r) })
		})
	}
}
