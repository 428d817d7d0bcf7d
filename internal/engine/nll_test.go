package engine_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/kernels"
)

// TestWindows scores the first windows of a trained model's token stream, in
// the recipe of GPTQ, against transformers' negative log-likelihoods
// (reference/README.md section 2: float32 is at most 1.2e-6 from float64, 1e-5
// is the tolerance).
func TestWindows(t *testing.T) {
	windows := 6
	if testing.Short() {
		windows = 1
	}
	for _, m := range []struct {
		name   string
		length int
	}{{"stories260K", 256}, {"aidreams260K", 128}} {
		t.Run(m.name, func(t *testing.T) {
			c := openCheckpoint(t, sharedtest.Dir(t, "data", m.name, "hf"))
			dir := sharedtest.Dir(t, "reference", "stories", m.name)
			stream := append([]int{c.cfg.BOS}, readStream(t, filepath.Join(dir, "streams.safetensors"), "rows")...)
			want := readNLL(t, filepath.Join(dir, "windows.jsonl"), fmt.Sprintf("gptq-%d", m.length))
			onDevices(t, func(t *testing.T, dev kernels.Device) {
				e := newEngine(t, dev, c, engine.Options{MaxTokens: m.length})
				for i := range windows {
					got := windowNLL(t, e, stream[i*m.length:(i+1)*m.length])
					if !(math.Abs(got-want[i]) <= 1e-5*want[i]) {
						t.Errorf("window %d: %v nats, want %v", i, got, want[i])
					}
				}
			})
		})
	}
}

func windowNLL(t *testing.T, e *engine.Engine, tokens []int) float64 {
	t.Helper()
	if err := e.Forward(context.Background(), tokens); err != nil {
		t.Fatal(err)
	}
	rows, err := e.Logits(0, len(tokens)-1)
	if err != nil {
		t.Fatal(err)
	}
	var nll float64
	for i, row := range rows {
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v))
		}
		nll += math.Log(sum) - float64(row[tokens[i+1]])
	}
	return nll
}

func readStream(t *testing.T, path, name string) []int {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, ok := f.Tensor(name)
	if !ok || x.DType != "U16" {
		t.Fatalf("%s: tensor %s: %t, %s", path, name, ok, x.DType)
	}
	var ids []int
	for b := x.Data; len(b) > 0; b = b[2:] {
		ids = append(ids, int(binary.LittleEndian.Uint16(b)))
	}
	return ids
}

// readNLL returns the windows' nll of one recipe in order.
func readNLL(t *testing.T, path, recipe string) []float64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var nll []float64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row struct {
			Recipe string
			NLL    float64
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if row.Recipe == recipe {
			nll = append(nll, row.NLL)
		}
	}
	return nll
}
