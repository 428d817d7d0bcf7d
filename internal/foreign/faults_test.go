package foreign

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// TestFaults tells everything that is wrong, with file and tensor.
func TestFaults(t *testing.T) {
	model := testModel()
	for _, c := range []struct {
		name   string
		source Source
		model  []Spec
		want   []string
	}{
		{"no file", Source{Path: "testdata/none", Format: Auto}, model, []string{"stat testdata/none: no such file or directory"}},
		{"no folder of a format", Source{Path: "testdata/none", Format: GPTQ}, model,
			[]string{"testdata/none: neither adapter_config.json, quantize_config.json, quant_config.json nor a config.json with quantization_config: file does not exist"}},
		{"another format", Source{Path: "testdata/awq", Format: GPTQ}, model, []string{
			`testdata/awq/config.json: quant_method: "awq", want gptq`}},
		{"trained tables of another format", Source{Path: "testdata/awq", Format: Auto, Trained: "x"}, model,
			[]string{"testdata/awq: a checkpoint of the format awq; trained tables are for sketchtune only"}},
		{"other shapes, another name, a missing one", Source{Path: "testdata/gptq4", Format: Auto}, []Spec{
			{"model.layers.0.self_attn.q_proj.weight", []int{64, 32}, true, 0},
			{"model.layers.0.mlp.up_proj.weight", []int{64, 32}, true, 0},
		}, []string{
			"testdata/gptq4: tensor model.layers.0.mlp.up_proj.weight: missing, want shape [64 32]",
			"testdata/gptq4/gptq_model-4bit-32g.safetensors: tensor model.layers.0.mlp.down_proj.weight: compressed, but no linear layer of the model",
			"testdata/gptq4/gptq_model-4bit-32g.safetensors: tensor model.layers.0.self_attn.q_proj.weight: shape [32 64], want [64 32]"}},
		{"a norm that the model lacks", Source{Path: "testdata/awq", Format: Auto}, model[1:], []string{
			"testdata/awq/model.safetensors: tensor model.layers.0.input_layernorm.weight: not part of the model"}},
		{"trained layers that are not there", Source{Path: "testdata/sketchtune4/llama.pkl", Format: SketchTune, Trained: "testdata/sketchtune3"}, model, []string{
			`testdata/sketchtune3/sketched_params.pkl: tensor "model.layers.0.mlp.down_proj": trained tables of shape [64 1 8], want [64 2 16]`,
			`testdata/sketchtune3/sketched_params.pkl: tensor "model.layers.0.self_attn.q_proj": trained tables of shape [32 1 8], want [32 2 16]`}},
		{"tables for a checkpoint", Source{Path: "testdata/sketchtune4/" + TrainedFile, Format: SketchTune}, model, []string{
			`testdata/sketchtune4/sketched_params.pkl: tensor "model.layers.0.mlp.down_proj": a tensor, want a pair of tables and codes`,
			`testdata/sketchtune4/sketched_params.pkl: tensor "model.layers.0.self_attn.q_proj": a tensor, want a pair of tables and codes`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ckpt, err := Open(c.source, c.model)
			if err == nil {
				ckpt.Close()
				t.Fatal("no error")
			}
			if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, c.want) {
				t.Errorf("faults\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestDescriptions refuses what a description asks for and the reader has not.
func TestDescriptions(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"gptq":  {"quantize_config.json", `{"bits":5,"group_size":0,"checkpoint_format":"marlin","dynamic":{"a":1}}`, `bits: 5, want one of 2, 3, 4, 8|group_size: 0|checkpoint_format: "marlin"|dynamic`},
		"awq":   {"quant_config.json", `{"w_bit":3,"q_group_size":128,"version":"GEMV","zero_point":false}`, `bits: 3, want 4|version: "gemv"|zero_point: false`},
		"lora":  {adapterConfig, `{"peft_type":"LORA","r":0,"use_dora":true,"fan_in_fan_out":true,"bias":"all","modules_to_save":["lm_head"],"rank_pattern":{"q":1},"init_lora_weights":"pissa"}`, `r: 0|use_dora|fan_in_fan_out|bias: "all"|modules_to_save|rank_pattern|init_lora_weights: "pissa"`},
		"other": {"config.json", `{"quantization_config":{"quant_method":"bitsandbytes"}}`, `quant_method "bitsandbytes", want gptq or awq`},
		"plain": {"config.json", `{}`, `no quantization_config`},
		"JSON":  {"config.json", `{`, `unexpected end of JSON input`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Source{Path: dir, Format: Auto}, testModel())
			if err == nil {
				t.Fatal("no error")
			}
			for part := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), dir) {
					t.Errorf("error %v, want one with %q and the path", err, part)
				}
			}
		})
	}
}

// external writes a folder of two linear layers, with a declaration unless it
// is nil.
func external(t *testing.T, declared any) string {
	t.Helper()
	dir := t.TempDir()
	var tensors []safetensors.Tensor
	for _, s := range testModel()[1:] {
		tensors = append(tensors, safetensors.Tensor{Name: s.Name, DType: "BF16", Shape: s.Shape, Data: base(s).Data})
	}
	if err := safetensors.Write(filepath.Join(dir, safetensors.SingleFile), tensors, nil); err != nil {
		t.Fatal(err)
	}
	if declared != nil {
		b, err := json.Marshal(declared)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bytes.json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestExternal bills a folder by what is declared: 2048 weights at 2.5 bits are
// 640 bytes.
func TestExternal(t *testing.T) {
	q, down := "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.down_proj.weight"
	c := open(t, Source{Path: external(t, nil), Format: External, Bits: 2.5})
	for _, name := range []string{q, down} {
		if l, ok := c.Linear(name); !ok || l.Billed() != 640 || l.Bytes != 4096 || l.Bits != 2.5 {
			t.Errorf("%s: %+v, %v", name, l, ok)
		}
		if w, err := c.Weight(name, nil); err != nil || w.Bytes() != 4096 {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
	c = open(t, Source{Path: external(t, map[string]int{q: 512, down: 1024}), Format: External, Declaration: "bytes.json"})
	if l, _ := c.Linear(q); l.Billed() != 512 || l.Bits != 2 {
		t.Errorf("%+v, want 512 bytes and 2 bits", l)
	}
	_, err := Open(Source{Path: external(t, map[string]int{q: -1, "x": 5}), Format: External, Declaration: "bytes.json"}, testModel())
	for _, want := range []string{q + ": -1 bytes declared", down + ": 0 bytes declared", "x: declared, but"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
