package linalg

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// tensor is one array of a safetensors file, widened to float64.
type tensor struct {
	shape []int
	data  []float64
}

// readReference reads the F32 and F64 tensors of reference/quant/NAME, or
// skips the test.
func readReference(t *testing.T, name string) map[string]tensor {
	t.Helper()
	b, err := os.ReadFile(sharedtest.Dir(t, "reference", "quant", name))
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		DType   string
		Shape   []int
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+size], &header); err != nil {
		t.Fatal(err)
	}
	out := map[string]tensor{}
	for name, h := range header {
		data := b[8+int(size)+h.Offsets[0] : 8+int(size)+h.Offsets[1]]
		x := tensor{shape: h.Shape}
		switch h.DType {
		case "F32":
			for ; len(data) > 0; data = data[4:] {
				x.data = append(x.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
			}
		case "F64":
			for ; len(data) > 0; data = data[8:] {
				x.data = append(x.data, math.Float64frombits(binary.LittleEndian.Uint64(data)))
			}
		}
		out[name] = x
	}
	return out
}

// narrow rounds to float32.
func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// distance is ‖got − want‖/‖want‖.
func distance(got []float32, want []float64) float64 {
	var d, w float64
	for i, v := range want {
		d += (float64(got[i]) - v) * (float64(got[i]) - v)
		w += v * v
	}
	return math.Sqrt(d / w)
}
