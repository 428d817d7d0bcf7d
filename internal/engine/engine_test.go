package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/cpu"
)

func tied(t testing.TB) checkpoint { return openCheckpoint(t, filepath.Join("testdata", "llama-tied")) }

func untied(t testing.TB) checkpoint {
	return openCheckpoint(t, filepath.Join("testdata", "llama-untied"))
}

func newDevice(t testing.TB) kernels.Device {
	dev, err := cpu.New(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// edited is Weights with some tensors replaced.
type edited struct {
	engine.Weights
	matrices map[string]packed.Weight
	vectors  map[string][]float32
}

func (w edited) Weight(name string) (packed.Weight, error) {
	if m, ok := w.matrices[name]; ok {
		return m, nil
	}
	return w.Weights.Weight(name)
}

func (w edited) Vector(name string) ([]float32, error) {
	if v, ok := w.vectors[name]; ok {
		return v, nil
	}
	return w.Weights.Vector(name)
}

// dense packs a row-major matrix.
func dense(out, in int, x []float32) *packed.Dense {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return &packed.Dense{Out: out, In: in, DType: "F32", Data: b}
}

// widened returns a matrix as float32.
func widened(t testing.TB, w engine.Weights, name string) (x []float32, out, in int) {
	t.Helper()
	m, err := w.Weight(name)
	if err != nil {
		t.Fatal(err)
	}
	out, in = m.Dims()
	x = make([]float32, out*in)
	m.Dequantize(x, 0, out)
	return x, out, in
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestBounds(t *testing.T) {
	c, dev, ctx := tied(t), newDevice(t), context.Background()
	_, err := engine.New(dev, c.cfg, c.weights, engine.Options{MaxTokens: 257})
	wantError(t, err, "a context of 257 tokens, want 1 to max_position_embeddings 256")
	_, err = engine.New(dev, c.cfg, c.weights, engine.Options{Chunk: -1})
	wantError(t, err, "chunks of -1 positions, want at least 1")

	e := newEngine(t, dev, c, engine.Options{MaxTokens: 8})
	_, err = e.Logits(0, 1)
	wantError(t, err, "logits of positions [0,1), the last forward pass has 0")
	wantError(t, e.Forward(ctx, nil), "0 tokens, want 1 to 8")
	wantError(t, e.Forward(ctx, make([]int, 9)), "9 tokens, want 1 to 8")
	wantError(t, e.Forward(ctx, []int{0, 256}), "token 1: id 256, want 0 to 255")
	_, err = e.Prefill(ctx, []int{-1})
	wantError(t, err, "token 0: id -1, want 0 to 255")
	_, err = e.Generate(ctx, make([]int, 5), 4)
	wantError(t, err, "5 prompt tokens and 4 new ones, the context holds 8")
	_, err = e.Generate(ctx, nil, 1)
	wantError(t, err, "0 tokens, want 1 to 8")

	if err := e.Forward(ctx, make([]int, 8)); err != nil {
		t.Fatal(err)
	}
	_, err = e.Logits(4, 9)
	wantError(t, err, "logits of positions [4,9), the last forward pass has 8")
	_, err = e.Decode(ctx, 1)
	wantError(t, err, "position 8: the context holds 8 tokens")
	if ids, err := e.Generate(ctx, make([]int, 5), 3); err != nil || len(ids) != 3 {
		t.Errorf("a context that just fits: got %v, %v", ids, err)
	}
	_, err = e.Logits(0, 1)
	wantError(t, err, "the last forward pass has 0") // its hidden states are stale
}

// TestDecodeAfterForward continues from a Forward as from a Prefill.
func TestDecodeAfterForward(t *testing.T) {
	c, ctx := untied(t), context.Background()
	e := newEngine(t, newDevice(t), c, engine.Options{MaxTokens: 8})
	prompt := []int{1, 5, 9, 100}
	if _, err := e.Prefill(ctx, prompt); err != nil {
		t.Fatal(err)
	}
	row, err := e.Decode(ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(row)
	if err := e.Forward(ctx, prompt); err != nil {
		t.Fatal(err)
	}
	if row, err = e.Decode(ctx, 7); err != nil || !slices.Equal(row, want) {
		t.Errorf("logits differ, %v", err)
	}
}

func TestCanceled(t *testing.T) {
	c, dev := tied(t), newDevice(t)
	e := newEngine(t, dev, c, engine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	e.SetObserver(func([]string, kernels.Buffer, int) { cancel() })
	if err := e.Forward(ctx, []int{1, 2, 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestMissingAndMisshapen(t *testing.T) {
	c, dev := tied(t), newDevice(t)
	const name = "model.layers.1.mlp.down_proj.weight"
	w := edited{Weights: c.weights, matrices: map[string]packed.Weight{name: dense(2, 2, make([]float32, 4))}}
	_, err := engine.New(dev, c.cfg, w, engine.Options{})
	wantError(t, err, "tensor "+name+": shape [2 2], want [64 128]")
	cfg := c.cfg
	cfg.Tied = false
	_, err = engine.New(dev, cfg, c.weights, engine.Options{})
	wantError(t, err, "tensor lm_head.weight: missing")
	v := edited{Weights: c.weights, vectors: map[string][]float32{"model.norm.weight": {1}}}
	_, err = engine.New(dev, c.cfg, v, engine.Options{})
	wantError(t, err, "tensor model.norm.weight: 1 values, want 64")
}

// TestCheckFinite puts values that are not finite into every stored type, at
// the start, inside and behind the last whole word of eight bytes.
func TestCheckFinite(t *testing.T) {
	c := tied(t)
	if err := engine.CheckFinite(t.Context(), c.cfg, c.weights); err != nil {
		t.Errorf("sound weights: %v", err)
	}
	const name = "model.layers.0.self_attn.v_proj.weight"
	_, out, in := widened(t, c.weights, name)
	for _, s := range []struct {
		dtype string
		size  int
		bits  []uint32 // NaN, -Inf
	}{
		{"F32", 4, []uint32{0x7fc00001, 0xff800000}},
		{"F16", 2, []uint32{0x7e01, 0xfc00}},
		{"BF16", 2, []uint32{0x7fc1, 0xff80}},
	} {
		for i, text := range []string{"NaN", "-Inf"} {
			for _, at := range []int{0, in + 3, out*in - 1} {
				d := &packed.Dense{Out: out, In: in, DType: s.dtype, Data: make([]byte, out*in*s.size)}
				for b := range s.size {
					d.Data[at*s.size+b] = byte(s.bits[i] >> (8 * b))
				}
				w := edited{
					Weights:  c.weights,
					matrices: map[string]packed.Weight{name: d},
					vectors:  map[string][]float32{"model.norm.weight": {0, float32(math.NaN())}},
				}
				err := engine.CheckFinite(t.Context(), c.cfg, w)
				wantError(t, err, "tensor "+name+": value ["+strconv.Itoa(at/in)+", "+strconv.Itoa(at%in)+"] is "+text)
				wantError(t, err, "tensor model.norm.weight: value [1] is NaN")
			}
		}
	}
	// The largest finite values of each type, and an odd number of them.
	for _, d := range []*packed.Dense{
		{DType: "F32", Data: []byte{0xff, 0xff, 0x7f, 0xff}},
		{DType: "F16", Data: []byte{0xff, 0xfb}},
		{DType: "BF16", Data: []byte{0x7f, 0xff}},
	} {
		d.Out, d.In = out, in
		d.Data = slices.Repeat(d.Data, out*in)
		w := edited{Weights: c.weights, matrices: map[string]packed.Weight{name: d}}
		if err := engine.CheckFinite(t.Context(), c.cfg, w); err != nil {
			t.Errorf("largest %s: %v", d.DType, err)
		}
	}
}

func TestDiverged(t *testing.T) {
	c, dev, ctx := untied(t), newDevice(t), context.Background()
	// NaN in the embedding of token 9: from its position on its own logits, and
	// by attention those after it, are not finite.
	x, out, in := widened(t, c.weights, "model.embed_tokens.weight")
	for j := range in {
		x[9*in+j] = float32(math.NaN())
	}
	c.weights = edited{Weights: c.weights, matrices: map[string]packed.Weight{"model.embed_tokens.weight": dense(out, in, x)}}
	e := newEngine(t, dev, c, engine.Options{})
	if err := e.Forward(ctx, []int{1, 2, 9, 3}); err != nil {
		t.Fatal(err)
	}
	_, err := e.Logits(0, 4)
	wantError(t, err, "position 2: logit of token ")
	if !errors.Is(err, engine.ErrDiverged) {
		t.Errorf("%v is not ErrDiverged", err)
	}
	if _, err = e.Prefill(ctx, []int{1, 9}); !errors.Is(err, engine.ErrDiverged) {
		t.Errorf("prefill: %v is not ErrDiverged", err)
	}
	wantError(t, err, "position 1: logit of token 0 is NaN")
}

// TestObserver checks order, names and lengths of what an observer sees, and
// the first input against RMSNorm of the embedding in float64.
func TestObserver(t *testing.T) {
	c, dev := untied(t), newDevice(t)
	e := newEngine(t, dev, c, engine.Options{Chunk: 3})
	var calls []string
	var first []float32
	widths := map[string]int{"q_proj": 80, "o_proj": 80, "gate_proj": 80, "down_proj": 96}
	e.SetObserver(func(names []string, x kernels.Buffer, n int) {
		var short []string
		for _, name := range names {
			parts := strings.Split(name, ".")
			short = append(short, parts[2]+"."+parts[4])
		}
		calls = append(calls, strings.Join(short, "+")+":"+strconv.Itoa(n))
		if w := widths[strings.Split(names[0], ".")[4]]; x.Len() != n*w {
			t.Errorf("%v: %d values for %d rows of %d", names, x.Len(), n, w)
		}
		if len(calls) == 1 {
			first = make([]float32, x.Len())
			dev.Read(first, x)
		}
	})
	tokens := []int{1, 17, 300, 4}
	if err := e.Forward(context.Background(), tokens); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, n := range []string{"3", "1"} {
		for _, l := range []string{"0", "1"} {
			want = append(want,
				l+".q_proj+"+l+".k_proj+"+l+".v_proj:"+n, l+".o_proj:"+n,
				l+".gate_proj+"+l+".up_proj:"+n, l+".down_proj:"+n)
		}
	}
	if !slices.Equal(calls, want) {
		t.Errorf("got %v\nwant %v", calls, want)
	}

	emb, _, d := widened(t, c.weights, "model.embed_tokens.weight")
	gain, err := c.weights.Vector("model.layers.0.input_layernorm.weight")
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range tokens[:3] {
		row, sum := emb[id*d:(id+1)*d], 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		scale := 1 / math.Sqrt(sum/float64(d)+c.cfg.NormEps)
		for j, v := range row {
			want := float64(v) * scale * float64(gain[j])
			// d additions, a root, a division and three products, each within
			// a relative 2^-24; the root halves what came before it.
			bound := math.Abs(want) * (float64(d)/2 + 6) * 0x1p-24
			if got := float64(first[i*d+j]); !(math.Abs(got-want) <= bound) {
				t.Fatalf("row %d channel %d: got %v, want %v ± %.2g", i, j, got, want, bound)
			}
		}
	}
	e.SetObserver(nil)
	n := len(calls)
	if err := e.Forward(context.Background(), tokens); err != nil || len(calls) != n {
		t.Errorf("observer still called, %v", err)
	}
}

// TestInfo counts by hand: 2 layers × keys and values × 8 positions × 4 heads
// of 8 channels × 4 bytes.
func TestInfo(t *testing.T) {
	c := tied(t)
	e := newEngine(t, newDevice(t), c, engine.Options{MaxTokens: 8})
	info := e.Info()
	if c.cfg.KVHeads != 4 || c.cfg.HeadDim != 8 || c.cfg.Layers != 2 || info.KVCacheBytes != 2*2*8*4*8*4 {
		t.Errorf("KV cache of %d bytes for %+v", info.KVCacheBytes, c.cfg)
	}
	if e.MaxTokens() != 8 {
		t.Errorf("MaxTokens %d, want 8", e.MaxTokens())
	}
	listed := map[string]bool{}
	for _, x := range info.Tensors {
		listed[x.Name] = true
		if x.Bytes <= 0 || x.Kind == "" {
			t.Errorf("%+v", x)
		}
	}
	for _, s := range c.cfg.Tensors() {
		if !listed[s.Name] {
			t.Errorf("%s is not listed", s.Name)
		}
	}
	if len(info.Tensors) != len(c.cfg.Tensors()) {
		t.Errorf("%d tensors, want %d", len(info.Tensors), len(c.cfg.Tensors()))
	}
}

// TestBlocks reads logits in blocks, one row at a time and all at once.
func TestBlocks(t *testing.T) {
	c, ctx := tied(t), context.Background()
	e := newEngine(t, newDevice(t), c, engine.Options{Chunk: 4})
	tokens := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	if err := e.Forward(ctx, tokens); err != nil {
		t.Fatal(err)
	}
	rows, err := e.Logits(0, len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, r := range rows {
		all = append(all, slices.Clone(r))
	}
	for i := range tokens {
		rows, err := e.Logits(i, i+1)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "row "+strconv.Itoa(i), rows, all[i:i+1])
	}
	if rows, err := e.Logits(3, 3); err != nil || len(rows) != 0 {
		t.Errorf("empty block: %d rows, %v", len(rows), err)
	}
}

// TestRestore: the hidden states of a window give the logits of its Forward,
// to the bit, also in another engine; faults of their number are told.
func TestRestore(t *testing.T) {
	c := tied(t)
	e, other := newEngine(t, newDevice(t), c, engine.Options{}), newEngine(t, newDevice(t), c, engine.Options{MaxTokens: 8})
	ctx, tokens := context.Background(), []int{3, 1, 4, 1, 5}
	if n := len(other.States()); n != 0 {
		t.Errorf("%d values before the first window", n)
	}
	if err := e.Forward(ctx, tokens); err != nil {
		t.Fatal(err)
	}
	states := e.States()
	rows, err := e.Logits(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(states); err != nil {
		t.Fatal(err)
	}
	got, err := other.Logits(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if !slices.Equal(got[i], rows[i]) {
			t.Errorf("row %d differs", i)
		}
	}
	wantError(t, other.Restore(states[1:]), "values of hidden states, want")
	wantError(t, other.Restore(append(states, states...)), "of 1 to 8 tokens")
	_, err = other.Logits(0, 1)
	wantError(t, err, "the last forward pass has 0")
}
