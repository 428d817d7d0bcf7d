package export

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
)

// openCase opens a case of the demo model: method with its defaults.
func openCase(t *testing.T, method string) *subject.Subject {
	t.Helper()
	dev, cfg, err := subject.OpenDevice("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	m, err := subject.OpenModel(demo.Model, "")
	if err != nil {
		t.Fatal(err)
	}
	e := &subject.Env{Model: m, Device: dev, Gemm: cfg, Cache: stage.Cache{Dir: t.TempDir(), Warn: func(err error) { t.Error(err) }}}
	how, _ := subject.LookupMethod(method)
	o := how.New()
	s, err := e.Open(context.Background(), &subject.Case{Label: method, Method: how, Options: o, Params: subject.Params(o)}, func(subject.Stage, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exportOf(s *subject.Subject) Model {
	return Model{Config: s.Env.Model.Config, Weights: s.Weights(), Files: s.Env.Model.Small, About: map[string]string{"case": s.Case.Label}}
}

// logits runs a prompt on the model's engine.
func logits(t *testing.T, s *subject.Subject, cfg model.Config, w engine.Weights) []float32 {
	t.Helper()
	e, err := engine.New(s.Env.Device, cfg, w, engine.Options{MaxTokens: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	row, err := e.Prefill(context.Background(), []int{0, 17, 300, 4000, 5})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(row)
}

// nearest rounds to bf16 by the definition: of the two neighbours the nearer,
// of equally near ones the even. It shares no code with packed.F32ToBF16.
func nearest(x float32) float32 {
	below := math.Float32frombits(math.Float32bits(x) &^ 0xffff) // toward zero
	above := math.Float32frombits(math.Float32bits(below) + 0x10000)
	down, up := math.Abs(float64(x)-float64(below)), math.Abs(float64(above)-float64(x))
	if up < down || up == down && math.Float32bits(below)&0x10000 != 0 {
		return above
	}
	return below
}

// rounded are weights whose every value is rounded by nearest.
type rounded struct{ engine.Weights }

func (r rounded) Weight(name string) (packed.Weight, error) {
	w, err := r.Weights.Weight(name)
	if err != nil {
		return nil, err
	}
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	d := &packed.Dense{Out: out, In: in, DType: "BF16", Data: make([]byte, 2*len(v))}
	for i, x := range v {
		b := math.Float32bits(nearest(x))
		d.Data[2*i], d.Data[2*i+1] = byte(b>>16), byte(b>>24)
	}
	return d, nil
}

// TestLogits opens an exported folder as a model again. The logits are bit by
// bit those of the case with its weights rounded to bf16: for the uncompressed
// model, which is bf16, those of the case itself.
func TestLogits(t *testing.T) {
	for _, method := range []string{"dense", "int4"} {
		s := openCase(t, method)
		want := logits(t, s, s.Env.Model.Config, rounded{s.Weights()})
		own := logits(t, s, s.Env.Model.Config, s.Weights())
		for _, shard := range []int64{0, 1 << 20} {
			dir := filepath.Join(t.TempDir(), "out")
			done := 0
			o := Options{ShardBytes: shard, Gemm: s.Env.Gemm, Progress: func(i, _ int) { done = i }}
			if err := Write(context.Background(), dir, exportOf(s), o); err != nil {
				t.Fatal(err)
			}
			m, err := subject.OpenModel(dir, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if files := len(m.Tensors.Files()); (files > 1) != (shard > 0) || done != len(m.Config.Tensors()) {
				t.Errorf("%s: %d files, %d tensors done", method, files, done)
			}
			for _, f := range m.Tensors.Files() {
				info, err := os.Stat(f.Name())
				if about := f.Metadata(); err != nil || about["format"] != "pt" || about["case"] != method || shard > 0 && len(f.Names()) > 1 && info.Size() > shard+64<<10 {
					t.Errorf("%s: metadata %v, %v", f.Name(), about, err)
				}
			}
			got := logits(t, s, m.Config, m.Weights())
			if !slices.Equal(got, want) {
				t.Errorf("%s: logits differ from those of the rounded weights", method)
			}
			if slices.Equal(got, own) != (method == "dense") {
				t.Errorf("%s: logits equal to the case's own: %v", method, method != "dense")
			}
		}
	}
}

// TestConfig: the type becomes bf16, a quantisation goes, numbers stay digit by
// digit.
func TestConfig(t *testing.T) {
	for in, want := range map[string]string{
		`{"torch_dtype": "float16", "rms_norm_eps": 1.00e-05, "quantization_config": {"bits": 4}, "a": "<"}`: "{\n  \"a\": \"<\",\n  \"rms_norm_eps\": 1.00e-05,\n  \"torch_dtype\": \"bfloat16\"\n}\n",
		`{"dtype": "float32", "torch_dtype": "float32"}`:                                                     "{\n  \"dtype\": \"bfloat16\"\n}\n",
		`{}`: "{\n  \"torch_dtype\": \"bfloat16\"\n}\n",
	} {
		if got, err := config([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%s becomes %s, %v", in, got, err)
		}
	}
	if _, err := config([]byte("[")); err == nil {
		t.Error("no JSON is taken")
	}
}

// broken fails at one tensor.
type broken struct{ engine.Weights }

func (broken) Vector(name string) ([]float32, error) { return nil, os.ErrInvalid }

// TestWhole: a folder that is there is not touched, and a failure or an end by
// a signal leaves nothing.
func TestWhole(t *testing.T) {
	s := openCase(t, "dense")
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{Gemm: s.Env.Gemm}
	if err := Write(context.Background(), dir, exportOf(s), o); err == nil || !strings.Contains(err.Error(), dir+": something is there already") {
		t.Errorf("over a folder: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	bad := exportOf(s)
	bad.Weights = broken{bad.Weights}
	if err := Write(context.Background(), dir, bad, o); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a tensor that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.Progress = func(int, int) { cancel() }
	if err := Write(ctx, dir, exportOf(s), o); !errors.Is(err, context.Canceled) {
		t.Errorf("ended at the first tensor: %v", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestIndex: the index names every tensor and the bytes of all.
func TestIndex(t *testing.T) {
	s := openCase(t, "dense")
	dir := filepath.Join(t.TempDir(), "out")
	if err := Write(context.Background(), dir, exportOf(s), Options{Gemm: s.Env.Gemm, ShardBytes: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, safetensors.IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Metadata struct {
			Total int64 `json:"total_size"`
		} `json:"metadata"`
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	// 5,770,496 parameters of 2 bytes.
	if specs := s.Env.Model.Config.Tensors(); index.Metadata.Total != 2*5_770_496 || len(index.Map) != len(specs) || index.Map[specs[0].Name] != "model-00001-of-00003.safetensors" {
		t.Errorf("%d bytes, %d tensors, %s", index.Metadata.Total, len(index.Map), index.Map[specs[0].Name])
	}
}
