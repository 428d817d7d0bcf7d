package model

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// untied is llama-untied of reference/architectures.
var untied = Config{
	HiddenSize: 80, Layers: 2, Heads: 5, KVHeads: 1, HeadDim: 16, Intermediate: 96, Vocab: 320,
	NormEps: 1e-6, RopeTheta: 10000, MaxPositions: 256, BOS: 1, EOS: []int{2},
}

// llama is a config in the older form with every field that has no default.
const llama = `{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
	"num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192,
	"vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
	"tie_word_embeddings": true, "bos_token_id": 128000, "eos_token_id": [128001, 128008]}`

func TestParseConfig(t *testing.T) {
	want := Config{
		HiddenSize: 2048, Layers: 16, Heads: 32, KVHeads: 8, HeadDim: 64, Intermediate: 8192, Vocab: 128256,
		NormEps: 1e-5, RopeTheta: 500000, Tied: true, MaxPositions: 131072, BOS: 128000, EOS: []int{128001, 128008},
	}
	plain := want
	plain.RopeTheta, plain.Tied, plain.KVHeads, plain.BOS, plain.EOS = 10000, false, 32, -1, nil
	explicit := want
	explicit.HeadDim = 96
	for _, c := range []struct {
		name, text string
		want       Config
	}{
		{"classic", llama, want},
		{"defaults of LlamaConfig", without(llama, "rope_theta", "tie_word_embeddings", "num_key_value_heads", "bos_token_id", "eos_token_id"), plain},
		{"transformers 5", with(without(llama, "rope_theta"), `"rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}`), want},
		{"null is absent", with(llama, `"rope_scaling": null, "sliding_window": null, "quantization_config": null, "head_dim": null, "pretraining_tp": 1`), want},
		{"unknown fields", with(llama, `"use_cache": true, "torch_dtype": "bfloat16", "initializer_range": 0.02, "pad_token_id": -1`), want},
		{"inactive window", with(llama, `"sliding_window": 4096, "use_sliding_window": false, "layer_types": ["full_attention"]`), want},
		{"head size of its own", with(llama, `"head_dim": 96`), explicit},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig("config.json", []byte(c.text))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestParseConfigFaults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // lines, each after "c.json: "
	}{
		{"scaling without a type", with(llama, `"rope_scaling": {"factor": 8.0}`),
			[]string{`rope_scaling.factor: a scaling of positions without a rope_type is not implemented`}},
		{"scaling, classic", with(llama, `"rope_scaling": {"type": "linear", "factor": 4.0}`),
			[]string{`rope_scaling.type: rope type "linear" is not implemented, want "default"`}},
		{"scaling, new", with(without(llama, "rope_theta"), `"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}`),
			[]string{`rope_parameters.rope_type: rope type "llama3" is not implemented, want "default"`}},
		{"rope per layer type", with(llama, `"rope_parameters": {"full_attention": {"rope_theta": 1}}`),
			[]string{`rope_parameters.full_attention: rope parameters per kind of layer are not implemented`}},
		{"part of a head", with(llama, `"partial_rotary_factor": 0.5`),
			[]string{`partial_rotary_factor: 0.5 is not implemented, want 1`}},
		{"two bases", with(llama, `"rope_parameters": {"rope_theta": 1e4}`),
			[]string{`rope_parameters.rope_theta: 10000, but rope_theta is 500000`}},
		{"everything at once", with(without(llama, "vocab_size", "model_type"), `"attention_bias": true, "mlp_bias": true,
			"hidden_act": "gelu", "sliding_window": 4096, "quantization_config": {"bits": 4}, "pretraining_tp": 2, "model_type": "mistral"`),
			[]string{
				`model_type: "mistral" is not implemented, want "llama"`,
				`vocab_size: missing`,
				`hidden_act: "gelu" is not implemented, want "silu"`,
				`attention_bias: true is not implemented, want false`,
				`mlp_bias: true is not implemented, want false`,
				`sliding_window: 4096 is not implemented, want null`,
				`quantization_config: is not implemented, want null`,
				`pretraining_tp: 2 is not implemented, want 1`,
			}},
		{"heads", with(without(llama, "num_attention_heads", "num_key_value_heads"), `"num_attention_heads": 33, "num_key_value_heads": 2`),
			[]string{
				`num_attention_heads: 33 does not divide hidden_size 2048, and head_dim is absent`,
				`num_key_value_heads: 2 does not divide num_attention_heads 33`,
			}},
		{"odd head", with(llama, `"head_dim": 15`),
			[]string{`head_dim: 15 is odd, rotary positions turn pairs of channels`}},
		{"values", with(without(llama, "hidden_size", "rms_norm_eps", "num_hidden_layers", "intermediate_size"),
			`"hidden_size": 1.5, "num_hidden_layers": 0, "intermediate_size": 1e9, "rms_norm_eps": -1`),
			[]string{
				`hidden_size: 1.5, want a whole number`,
				`num_hidden_layers: 0, want 1 to 4096`,
				`intermediate_size: 1e9, want a whole number`,
				`rms_norm_eps: -1, want a positive number`,
			}},
		{"no architecture", without(llama, "model_type", "architectures"),
			[]string{`architectures: missing, and so is model_type`}},
		{"layer types", with(llama, `"layer_types": ["full_attention", "sliding_attention"]`),
			[]string{`layer_types[1]: "sliding_attention" is not implemented, want "full_attention"`}},
		{"ids", with(without(llama, "eos_token_id"), `"eos_token_id": "</s>"`),
			[]string{`eos_token_id: "</s>", want a token id or a list of them`}},
		{"not JSON", `{"hidden_size": `, []string{`not a JSON object: unexpected EOF`}},
		{"null", `null`, []string{`null, want a JSON object`}},
		{"more", `{} {}`, []string{`text after the JSON object at byte 4`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig("c.json", []byte(c.text))
			want := "c.json: " + strings.Join(c.want, "\nc.json: ")
			if err == nil || err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestReferenceConfigs reads both spellings of every checkpoint of
// reference/architectures: equal configs, or a refusal that names the reason.
func TestReferenceConfigs(t *testing.T) {
	refused := map[string]string{
		"llama-bias":         "attention_bias: true is not implemented",
		"llama3-rope":        `rope type "llama3" is not implemented`,
		"llama-linear-rope":  `rope type "linear" is not implemented`,
		"llama-dynamic-rope": `rope type "dynamic" is not implemented`,
		"mistral-window":     `model_type: "mistral" is not implemented`,
		"qwen2":              `model_type: "qwen2" is not implemented`,
		"qwen3":              `model_type: "qwen3" is not implemented`,
	}
	dirs, err := filepath.Glob(filepath.Join(sharedtest.Dir(t, "reference", "architectures"), "*", "config.json"))
	if err != nil || len(dirs) != 13 {
		t.Fatalf("%d configs, %v; want 13", len(dirs), err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			a, errA := ReadConfig(dir)
			classic, err := os.ReadFile(filepath.Join(dir, "config.classic.json"))
			if err != nil {
				t.Fatal(err)
			}
			b, errB := ParseConfig("classic", classic)
			if why, ok := refused[name]; ok {
				for _, err := range []error{errA, errB} {
					if err == nil || !strings.Contains(err.Error(), why) {
						t.Errorf("got %v, want %q", err, why)
					}
				}
				return
			}
			if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("got %+v, %v\nand %+v, %v", a, errA, b, errB)
			}
			if name == "llama-untied" && !reflect.DeepEqual(a, untied) {
				t.Errorf("got %+v, want %+v", a, untied)
			}
		})
	}
}

func TestReadConfigMissing(t *testing.T) {
	if _, err := ReadConfig(t.TempDir()); !os.IsNotExist(err) {
		t.Errorf("got %v, want a missing file", err)
	}
}
