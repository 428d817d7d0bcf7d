package model

import (
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// FuzzParseConfig reads made-up configs: the answer is an error of which every
// line names the file, or what the engine relies on.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(llama))
	f.Add([]byte(with(llama, `"rope_scaling": {"type": "default"}, "head_dim": 2, "layer_types": [""], "eos_token_id": null`)))
	f.Add([]byte(with(llama, `"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "eos_token_id": [1, 2], "num_key_value_heads": 1`)))
	f.Add([]byte(with(llama, `"rope_theta": 1e999, "vocab_size": 1e30, "hidden_size": 9223372036854775808, "pretraining_tp": "1"`)))
	f.Add([]byte(with(llama, `"num_attention_heads": 3, "num_key_value_heads": 0, "head_dim": -2, "bos_token_id": [], "rms_norm_eps": -0`)))
	f.Add([]byte(`{"rope_parameters": [], "num_attention_heads": -1}`))
	f.Add([]byte(`{"architectures": [], "rope_scaling": {"a": {"a": {"a": {}}}}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(checkConfig)
}

func checkConfig(t *testing.T, b []byte) {
	var c Config
	var err error
	fuzztest.Bounded(t, len(b), func() {
		if c, err = ParseConfig("dir/config.json", b); err == nil {
			c.Tensors()
		}
	})
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "dir/config.json: ") {
				t.Errorf("the error does not name the file: %q", line)
			}
		}
		return
	}
	if min(c.HiddenSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.Intermediate, c.Vocab, c.MaxPositions) < 1 ||
		c.HeadDim%2 != 0 || c.Heads%c.KVHeads != 0 || !(c.NormEps > 0) || !(c.RopeTheta > 0) {
		t.Errorf("%s: accepted as %+v", b, c)
	}
	for class, n := range c.Parameters() {
		if n < 1 {
			t.Errorf("%s: %d parameters of class %s", b, n, class)
		}
	}
}

// TestConfigLarge bounds what a config of a megabyte and the largest model
// cost.
func TestConfigLarge(t *testing.T) {
	for name, fields := range map[string]string{
		"many ids":    `"eos_token_id": [1` + strings.Repeat(",1", 1<<19) + `]`,
		"layer types": `"layer_types": [""` + strings.Repeat(`,""`, 1<<18) + `]`,
		"long name":   `"hidden_act": "` + strings.Repeat(`\u0001`, 1<<18) + `"`,
		"deep":        `"rope_scaling": ` + strings.Repeat(`{"":`, 1<<18),
		"most layers": `"num_hidden_layers": 4096, "num_attention_heads": 4, "head_dim": 16777216, "hidden_size": 16777216, "vocab_size": 16777216`,
	} {
		t.Run(name, func(t *testing.T) { checkConfig(t, []byte(with(llama, fields))) })
	}
}
