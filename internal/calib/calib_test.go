package calib_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// chunk is shorter than most windows, and does not divide them.
const chunk = 7

var windows = [][]int{
	{1, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170},
	{1, 200, 3, 200, 5},
	{1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 255, 254, 253},
}

const tokens = 17 + 5 + 14

type checkpoint struct {
	cfg     model.Config
	weights engine.Weights
}

// open reads llama-tied of the engine's testdata: 8 heads of 8 channels, 4
// key-value heads, width 64, MLP width 128, two layers.
func open(t testing.TB) checkpoint {
	t.Helper()
	dir := filepath.Join("..", "engine", "testdata", "llama-tied")
	cfg, err := model.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return checkpoint{cfg, engine.FromCheckpoint(c)}
}

func onDevices(t *testing.T, f func(t *testing.T, dev kernels.Device)) {
	seen := map[string]bool{}
	for _, isa := range []gemm.ISA{gemm.Generic, gemm.Auto} {
		dev, err := cpu.New(cpu.Options{ISA: isa})
		if err != nil {
			t.Fatal(err)
		}
		if !seen[dev.Name()] {
			seen[dev.Name()] = true
			t.Run(dev.Name(), func(t *testing.T) { f(t, dev) })
		}
	}
}

func newDevice(t testing.TB) kernels.Device {
	dev, err := cpu.New(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// collect walks and keeps copies of all groups; f may be nil.
func collect(t *testing.T, dev kernels.Device, c checkpoint, opts calib.Options,
	f func(calib.Group) (map[string]packed.Weight, error)) []calib.Group {
	t.Helper()
	var groups []calib.Group
	opts.Chunk = chunk
	err := calib.Walk(context.Background(), dev, c.cfg, c.weights, windows, opts, func(g calib.Group) (map[string]packed.Weight, error) {
		kept := g
		kept.H = slices.Clone(g.H)
		groups = append(groups, kept)
		for i := range g.H {
			g.H[i] = float32(math.NaN()) // as a factorisation in place might
		}
		if f == nil {
			return nil, nil
		}
		return f(g)
	})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// observe runs the windows through an engine of c and returns the inputs of
// each group, row by row, in the order of a walk.
func observe(t *testing.T, dev kernels.Device, c checkpoint) [][]float32 {
	t.Helper()
	e, err := engine.New(dev, c.cfg, c.weights, engine.Options{Chunk: chunk})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	index := map[string]int{}
	for layer := range c.cfg.Layers {
		for _, in := range model.Inputs() {
			index[c.cfg.Group(layer, in)[0].Name] = len(index)
		}
	}
	inputs := make([][]float32, len(index))
	e.SetObserver(func(names []string, x kernels.Buffer, n int) {
		rows := make([]float32, x.Len())
		dev.Read(rows, x)
		inputs[index[names[0]]] = append(inputs[index[names[0]]], rows...)
	})
	for _, win := range windows {
		if err := e.Forward(context.Background(), win); err != nil {
			t.Fatal(err)
		}
	}
	return inputs
}

// checkMoments compares a group with the moments of X (t×d) in float64.
//
// H[i,j] is a float32 sum of t products in some order and two scalings, hence
// within γ_(t+2)·2/t·Σ|x_i·x_j| of the exact one, γ_n = n·u/(1-n·u), u = 2^-24
// (Higham, Accuracy and Stability of Numerical Algorithms, §3.1). MeanSquare
// and MeanAbs are the same in float64.
func checkMoments(t *testing.T, g calib.Group, x []float32) {
	t.Helper()
	d := g.Linears[0].In
	n := len(x) / d
	if g.Tokens != n || len(g.H) != d*d || len(g.MeanSquare) != d {
		t.Fatalf("layer %d %s: %d tokens, %d, %d moments; want %d, %d, %d", g.Layer, g.Input, g.Tokens, len(g.H), len(g.MeanSquare), n, d*d, d)
	}
	gamma := func(k, u float64) float64 { return k * u / (1 - k*u) }
	for i := range d {
		var magnitude float64
		for r := range n {
			magnitude += math.Abs(float64(x[r*d+i])) / float64(n)
		}
		if !(math.Abs(g.MeanAbs[i]-magnitude) <= gamma(float64(n+2), 0x1p-53)*2*magnitude) {
			t.Fatalf("layer %d %s: mean |x| %d = %v, want %v", g.Layer, g.Input, i, g.MeanAbs[i], magnitude)
		}
		for j := range d {
			var sum, abs float64
			for r := range n {
				p := float64(x[r*d+i]) * float64(x[r*d+j])
				sum += p
				abs += math.Abs(p)
			}
			want, bound := 2*sum/float64(n), gamma(float64(n+2), 0x1p-24)*2*abs/float64(n)
			if got := float64(g.H[i*d+j]); !(math.Abs(got-want) <= bound) {
				t.Fatalf("layer %d %s: H[%d,%d] = %v, want %v ± %.2g", g.Layer, g.Input, i, j, got, want, bound)
			}
			if i == j && !(math.Abs(g.MeanSquare[i]-want/2) <= gamma(float64(n+2), 0x1p-53)*want) {
				t.Fatalf("layer %d %s: mean square %d = %v, want %v", g.Layer, g.Input, i, g.MeanSquare[i], want/2)
			}
		}
	}
}

// TestMoments compares with what an engine of the whole model sees: a walk
// that replaces nothing passes the inputs of a plain forward pass on.
func TestMoments(t *testing.T) {
	c := open(t)
	onDevices(t, func(t *testing.T, dev kernels.Device) {
		inputs := observe(t, dev, c)
		identity := func(g calib.Group) (map[string]packed.Weight, error) {
			made := map[string]packed.Weight{}
			for _, l := range g.Linears {
				w, err := c.weights.Weight(l.Name)
				if err != nil {
					return nil, err
				}
				made[l.Name] = w
			}
			return made, nil
		}
		for name, f := range map[string]func(calib.Group) (map[string]packed.Weight, error){"nothing returned": nil, "the same returned": identity} {
			t.Run(name, func(t *testing.T) {
				groups := collect(t, dev, c, calib.Options{}, f)
				if len(groups) != len(inputs) {
					t.Fatalf("%d groups, want %d", len(groups), len(inputs))
				}
				for i, g := range groups {
					if g.Layer != i/4 || g.Input != model.Inputs()[i%4] {
						t.Errorf("group %d is %d %s", i, g.Layer, g.Input)
					}
					checkMoments(t, g, inputs[i])
				}
			})
		}
	})
}

// zeros returns matrices of zeros for a group.
func zeros(g calib.Group) map[string]packed.Weight {
	made := map[string]packed.Weight{}
	for _, l := range g.Linears {
		made[l.Name] = &packed.Dense{Out: l.Out, In: l.In, DType: "BF16", Data: make([]byte, 2*l.Out*l.In)}
	}
	return made
}

// normedEmbedding returns the mean square per channel of RMSNorm of the
// tokens' embeddings, in float64.
func normedEmbedding(t *testing.T, c checkpoint, gainName string) []float64 {
	t.Helper()
	w, err := c.weights.Weight(model.EmbeddingName)
	if err != nil {
		t.Fatal(err)
	}
	gain, err := c.weights.Vector(gainName)
	if err != nil {
		t.Fatal(err)
	}
	d := len(gain)
	mean, row := make([]float64, d), make([]float32, d)
	for _, id := range slices.Concat(windows...) {
		w.Dequantize(row, id, id+1)
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		for j, v := range row {
			x := float64(v) * float64(gain[j])
			mean[j] += x * x / (sum/float64(d) + c.cfg.NormEps) / tokens
		}
	}
	return mean
}

// TestFeedback gives zeros for some matrices, so that the inputs of later
// groups are known: without o the MLP sees the normed embedding, without down
// too the next layer sees the normed embedding.
func TestFeedback(t *testing.T) {
	c := open(t)
	// A norm's output is within (d/2+6)·2^-24 of the exact one (see
	// engine's TestObserver), its square within twice that, d = 64.
	const tolerance = 2 * (64/2 + 6) * 0x1p-24
	near := func(t *testing.T, g calib.Group, want []float64) {
		t.Helper()
		for j, w := range want {
			if got := g.MeanSquare[j]; !(math.Abs(got-w) <= tolerance*w) {
				t.Fatalf("layer %d %s channel %d: mean square %v, want %v", g.Layer, g.Input, j, got, w)
			}
		}
	}
	afterEmbedding := normedEmbedding(t, c, "model.layers.0.post_attention_layernorm.weight")
	nextLayer := normedEmbedding(t, c, "model.layers.1.input_layernorm.weight")
	onDevices(t, func(t *testing.T, dev kernels.Device) {
		base := collect(t, dev, c, calib.Options{}, nil)
		drop := func(inputs ...model.Input) func(calib.Group) (map[string]packed.Weight, error) {
			return func(g calib.Group) (map[string]packed.Weight, error) {
				if g.Layer == 0 && slices.Contains(inputs, g.Input) {
					return zeros(g), nil
				}
				return nil, nil
			}
		}
		groups := collect(t, dev, c, calib.Options{}, drop(model.InputO))
		near(t, groups[2], afterEmbedding)
		for i := range 2 { // before the change
			if !slices.Equal(groups[i].H, base[i].H) {
				t.Errorf("group %d depends on what was returned later", i)
			}
		}

		groups = collect(t, dev, c, calib.Options{}, drop(model.InputO, model.InputGateUp))
		near(t, groups[2], afterEmbedding)
		near(t, groups[3], make([]float64, 128)) // silu(0)·0: all channels dead
		near(t, groups[4], nextLayer)

		// Attention over values that are all zero.
		groups = collect(t, dev, c, calib.Options{}, drop(model.InputQKV))
		near(t, groups[1], make([]float64, 64))

		// With Base nothing that f returns is seen.
		groups = collect(t, dev, c, calib.Options{Base: true}, drop(model.Inputs()...))
		for i := range groups {
			if !slices.Equal(groups[i].H, base[i].H) || !slices.Equal(groups[i].MeanSquare, base[i].MeanSquare) || !slices.Equal(groups[i].MeanAbs, base[i].MeanAbs) {
				t.Errorf("Base: group %d differs", i)
			}
		}
	})
}

// TestMeanSquareOnly expects the mean squares of a walk with H, bit for bit,
// from walks without: in turn, with feedback, and at once, with none.
func TestMeanSquareOnly(t *testing.T) {
	c, dev := open(t), newDevice(t)
	dropO := func(g calib.Group) (map[string]packed.Weight, error) {
		if g.Input == model.InputO {
			return zeros(g), nil
		}
		return nil, nil
	}
	for _, base := range []bool{false, true} {
		want := collect(t, dev, c, calib.Options{Base: base}, dropO)
		got := collect(t, dev, c, calib.Options{Base: base, MeanSquareOnly: true}, dropO)
		if len(got) != len(want) {
			t.Fatalf("Base %t: %d groups, want %d", base, len(got), len(want))
		}
		for i, g := range got {
			if g.H != nil || !slices.Equal(g.MeanSquare, want[i].MeanSquare) || !slices.Equal(g.MeanAbs, want[i].MeanAbs) || g.Input != want[i].Input || g.Layer != want[i].Layer {
				t.Errorf("Base %t: group %d: H of %d values, or other mean squares", base, i, len(g.H))
			}
		}
	}
}

func TestProgress(t *testing.T) {
	var got []string
	progress := func(done, total int) { got = append(got, fmt.Sprintf("%d/%d", done, total)) }
	collect(t, newDevice(t), open(t), calib.Options{Progress: progress}, nil)
	if want := "1/8 2/8 3/8 4/8 5/8 6/8 7/8 8/8"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestFaults(t *testing.T) {
	c, dev := open(t), newDevice(t)
	none := func(calib.Group) (map[string]packed.Weight, error) { return nil, nil }
	boom := errors.New("boom")
	for _, f := range []struct {
		name    string
		windows [][]int
		f       func(calib.Group) (map[string]packed.Weight, error)
		want    string
	}{
		{"no windows", nil, none, "no calibration windows"},
		{"empty window", [][]int{{1}, {}}, none, "calibration window 1: 0 tokens, want 1 to max_position_embeddings 256"},
		{"long window", [][]int{make([]int, 257)}, none, "calibration window 0: 257 tokens, want 1 to max_position_embeddings 256"},
		{"token", [][]int{{1}, {2, 256}}, none, "calibration window 1: token 1: id 256, want 0 to 255"},
		{"callback", windows, func(g calib.Group) (map[string]packed.Weight, error) {
			if g.Layer == 1 && g.Input == model.InputGateUp {
				return nil, boom
			}
			return nil, nil
		}, "layer 1: gateup: boom"},
		{"other tensor", windows, func(calib.Group) (map[string]packed.Weight, error) {
			return map[string]packed.Weight{"x": nil}, nil
		}, "layer 0: qkv: compressed tensor x: not of this group"},
		{"shape", windows, func(g calib.Group) (map[string]packed.Weight, error) {
			return map[string]packed.Weight{g.Linears[1].Name: &packed.Dense{Out: 64, In: 64, DType: "F32", Data: make([]byte, 4*64*64)}}, nil
		}, "layer 0: qkv: compressed tensor model.layers.0.self_attn.k_proj.weight: shape [64 64], want [32 64]"},
	} {
		t.Run(f.name, func(t *testing.T) {
			err := calib.Walk(context.Background(), dev, c.cfg, c.weights, f.windows, calib.Options{}, f.f)
			if err == nil || err.Error() != f.want {
				t.Errorf("got %v, want %s", err, f.want)
			}
			if f.name == "callback" && !errors.Is(err, boom) {
				t.Errorf("%v does not wrap the callback's error", err)
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		err := calib.Walk(ctx, dev, c.cfg, c.weights, windows, calib.Options{}, func(calib.Group) (map[string]packed.Weight, error) {
			cancel()
			return nil, nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("diverged", func(t *testing.T) {
		err := calib.Walk(context.Background(), dev, c.cfg, c.weights, windows, calib.Options{}, func(g calib.Group) (map[string]packed.Weight, error) {
			if g.Layer == 0 && g.Input == model.InputO {
				made := zeros(g)
				data := made[g.Linears[0].Name].(*packed.Dense).Data
				data[0], data[1] = 0x80, 0x7f // +Inf at [0,0]
				return made, nil
			}
			return nil, nil
		})
		if !errors.Is(err, engine.ErrDiverged) || !strings.HasPrefix(err.Error(), "layer 0: gateup: input channel 0: mean square NaN") {
			t.Errorf("got %v, want ErrDiverged", err)
		}
	})
}
