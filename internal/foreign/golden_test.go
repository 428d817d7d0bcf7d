package foreign

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// testModel is the part of a model that the files in testdata are about
// (testdata/generate.py makes them).
func testModel() []Spec {
	return []Spec{
		{"model.layers.0.input_layernorm.weight", []int{64}, false, 128},
		{"model.layers.0.self_attn.q_proj.weight", []int{32, 64}, true, 4096},
		{"model.layers.0.mlp.down_proj.weight", []int{64, 32}, true, 4096},
	}
}

func open(t *testing.T, s Source) *Checkpoint {
	t.Helper()
	c, err := Open(s, testModel())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// wanted reads what the generator says that a checkpoint stands for.
func wanted(t *testing.T, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("testdata", name+".want.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func values(t *testing.T, f *safetensors.File, name string) []float32 {
	t.Helper()
	x, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("%s: no tensor %s", f.Name(), name)
	}
	v := make([]float32, x.Len())
	if err := x.Float32(v); err != nil {
		t.Fatal(err)
	}
	return v
}

func dequantized(w packed.Weight) []float32 {
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	return v
}

// sameBits compares values bit by bit; a difference is told once.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] != 0 || want[i] != 0) {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// TestGolden holds every format to the weights of numpy and, where the
// published unpacking runs in f16, to what it gives: ours rounded once.
func TestGolden(t *testing.T) {
	dir := func(name string) string { return filepath.Join("testdata", name) }
	sketch := func(name, file, trained string) Source {
		return Source{Path: filepath.Join("testdata", name, file), Format: Auto, Trained: trained}
	}
	auto := func(name string) Source { return Source{Path: dir(name), Format: Auto} }
	for _, c := range []struct {
		name, want string
		source     Source
		end        string
		bits       float64
	}{
		{"gptq2", "gptq2", auto("gptq2"), "weight", 2},
		{"gptq3", "gptq3", auto("gptq3"), "weight", 3},
		{"gptq4", "gptq4", auto("gptq4"), "weight", 4},
		{"gptq8", "gptq8", auto("gptq8"), "weight", 8},
		{"gptq2v2", "gptq2v2", auto("gptq2v2"), "weight", 2},
		{"gptq3v2", "gptq3v2", auto("gptq3v2"), "weight", 3},
		{"gptq4v2", "gptq4v2", auto("gptq4v2"), "weight", 4},
		{"gptq8v2", "gptq8v2", auto("gptq8v2"), "weight", 8},
		{"gptq4act", "gptq4act", auto("gptq4act"), "weight", 4},
		{"gptq4sym", "gptq4sym", auto("gptq4sym"), "weight", 4},
		{"awq", "awq", auto("awq"), "weight", 4},
		{"sketchtune4", "sketchtune4", sketch("sketchtune4", "llama.pkl", ""), "weight", 4},
		{"sketchtune4 trained", "sketchtune4", sketch("sketchtune4", "llama.pkl", dir("sketchtune4")), "trained", 4},
		{"sketchtune3", "sketchtune3", sketch("sketchtune3", "llama.pkl", ""), "weight", 3},
		{"sketchtune3 trained", "sketchtune3", sketch("sketchtune3", "llama.pkl", dir("sketchtune3")+"/"+TrainedFile), "trained", 3},
		{"sketchtune2", "sketchtune2", sketch("sketchtune2", "llama.pkl", ""), "weight", 2},
		{"sketchtune2 zip", "sketchtune2", sketch("sketchtune2", "llama.pt", ""), "weight", 2},
		{"sketchtune2 legacy", "sketchtune2", sketch("sketchtune2", "legacy.pt", ""), "weight", 2},
		{"sketchtune2 strided", "sketchtune2", sketch("sketchtune2", "strided.pt", ""), "weight", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			ckpt, want := open(t, c.source), wanted(t, c.want)
			for _, spec := range testModel() {
				if !spec.Linear {
					continue
				}
				l, ok := ckpt.Linear(spec.Name)
				if !ok {
					t.Fatalf("no %s", spec.Name)
				}
				w, err := ckpt.Weight(spec.Name, nil)
				if err != nil {
					t.Fatal(err)
				}
				if w.Bytes() != l.Bytes || l.Bits != c.bits {
					t.Errorf("%s: %d bytes and %v bits announced, want %d and %v", spec.Name, l.Bytes, l.Bits, w.Bytes(), c.bits)
				}
				base := strings.TrimSuffix(spec.Name, "weight")
				got := dequantized(w)
				sameBits(t, spec.Name, got, values(t, want, base+c.end))
				if _, ok := want.Tensor(base + "f16"); ok {
					for i, x := range got {
						got[i] = packed.F16ToF32(packed.F32ToF16(x))
					}
					sameBits(t, spec.Name+" in f16", got, values(t, want, base+"f16"))
				}
			}
		})
	}
}

// TestBF16Tables holds tables of another 16-bit type to their values rounded to
// f16: 2^-25 is half the step of f16 below 2^-14, above which bf16 values are
// f16 values.
func TestBF16Tables(t *testing.T) {
	c := open(t, Source{Path: "testdata/sketchtune4bf16/llama.pkl", Format: SketchTune})
	want := wanted(t, "sketchtune4bf16")
	for _, spec := range testModel()[1:] {
		w, err := c.Weight(spec.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range values(t, want, spec.Name) {
			got := dequantized(w)[i]
			if d := math.Abs(float64(got - x)); !(d <= 0x1p-25) || math.Abs(float64(x)) >= 0x1p-14 && d != 0 {
				t.Fatalf("%s: value %d is %v, want %v", spec.Name, i, got, x)
			}
		}
	}
}

// TestLoRA holds adapters to scaling·B·A in float64. Rounding to f16 moves a
// factor by at most 2^-11 of itself, or by 2^-25 below 2^-14; the sum over the
// rank in float32 and the rounding of scaling·B to it add (rank+2)·2^-24.
func TestLoRA(t *testing.T) {
	const rank = 4
	for name, scaling := range map[string]float64{"lora": 8.0 / rank, "rslora": 8 / math.Sqrt(rank)} {
		c := open(t, Source{Path: "testdata/" + name, Format: Auto})
		want := wanted(t, name)
		f, err := safetensors.Open("testdata/" + name + "/" + adapterModel)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, spec := range testModel()[1:] {
			w, err := c.Weight(spec.Name, base(spec))
			if err != nil {
				t.Fatal(err)
			}
			if l, _ := c.Linear(spec.Name); l.Bytes != w.Bytes() || w.Bytes() != 4096+2*rank*(32+64) || l.Bits != 8*float64(l.Bytes)/2048 {
				t.Errorf("%s: %d bytes and %v bits announced, %d stored", spec.Name, l.Bytes, l.Bits, w.Bytes())
			}
			prefix := "base_model.model." + strings.TrimSuffix(spec.Name, "weight")
			a, b := values(t, f, prefix+"lora_A.weight"), values(t, f, prefix+"lora_B.weight")
			got, in := dequantized(w), spec.Shape[1]
			for i, x := range values(t, want, spec.Name) {
				var bound float64
				for k := range rank {
					u, v := math.Abs(scaling*float64(b[i/in*rank+k])), math.Abs(float64(a[k*in+i%in]))
					eu, ev := max(u*0x1p-11, 0x1p-25), max(v*0x1p-11, 0x1p-25)
					bound += u*ev + v*eu + eu*ev + u*v*(rank+2)*0x1p-24
				}
				if d := math.Abs(float64(got[i]) - float64(x)); !(d <= bound) {
					t.Fatalf("%s: %s: value %d is %v, want %v ± %v", name, spec.Name, i, got[i], x, bound)
				}
			}
		}
	}
}

// TestCheck5Nibbles is check 5 of methods.md 6: in the published files the high
// nibble is the even column; our own packing is lowest bits first.
func TestCheck5Nibbles(t *testing.T) {
	codes := make([]uint8, 4)
	unpackNibbles(codes, []byte{0x12, 0x34})
	if [4]uint8(codes) != [4]uint8{1, 2, 3, 4} {
		t.Errorf("0x12 0x34 are codes %v, want 1 2 3 4", codes)
	}
	// The same codes with 2 and 3 bits: 1 + 2·4 + 3·16 + 0·64 = 57, and
	// 1 + 2·8 + 3·64 + 4·512 = 2257 = 0x08d1.
	for _, c := range []struct {
		codes []uint8
		bits  int
		want  []byte
	}{
		{[]uint8{1, 2, 3, 0}, 2, []byte{57}},
		{[]uint8{1, 2, 3, 4, 0, 0, 0, 0}, 3, []byte{0xd1, 0x08, 0}},
	} {
		b := make([]byte, packed.RowBytes(len(c.codes), c.bits))
		packed.PackRow(b, c.codes, c.bits)
		if string(b) != string(c.want) {
			t.Errorf("codes %v of %d bits are %x, want %x", c.codes, c.bits, b, c.want)
		}
		back := make([]uint8, len(c.codes))
		packed.UnpackRow(back, b, len(back), c.bits)
		if string(back) != string(c.codes) {
			t.Errorf("%x are codes %v, want %v", b, back, c.codes)
		}
	}
}

// base is a matrix of zeros of a tensor's shape, in bf16.
func base(s Spec) *packed.Dense {
	return &packed.Dense{Out: s.Shape[0], In: s.Shape[1], DType: "BF16", Data: make([]byte, 2*s.Shape[0]*s.Shape[1])}
}
