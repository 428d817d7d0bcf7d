package model

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// with returns the JSON object text with further members.
func with(text, members string) string {
	return strings.TrimSuffix(text, "}") + ", " + members + "}"
}

// without returns the JSON object text less some members.
func without(text string, keys ...string) string {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		panic(err)
	}
	for _, k := range keys {
		delete(m, k)
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// tensors is a checkpoint in memory.
type tensors map[string]safetensors.Tensor

func (t tensors) Names() []string { return slices.Sorted(maps.Keys(t)) }

func (t tensors) Tensor(name string) (safetensors.Tensor, bool) {
	x, ok := t[name]
	return x, ok
}

func (t tensors) put(name, dtype string, data []byte, shape ...int) {
	t[name] = safetensors.Tensor{Name: name, DType: dtype, Shape: shape, Data: data}
}

var small = Config{HiddenSize: 8, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 4, Intermediate: 12, Vocab: 16, Tied: true}

// checkpoint holds the tensors of small under names and shapes written out
// here, apart from Config.Tensors.
func checkpoint() tensors {
	t := tensors{}
	t.put("model.embed_tokens.weight", "BF16", []byte{1}, 16, 8)
	t.put("model.layers.0.input_layernorm.weight", "F32", nil, 8)
	t.put("model.layers.0.post_attention_layernorm.weight", "F32", nil, 8)
	t.put("model.layers.0.self_attn.q_proj.weight", "F16", nil, 8, 8)
	t.put("model.layers.0.self_attn.k_proj.weight", "F16", nil, 4, 8)
	t.put("model.layers.0.self_attn.v_proj.weight", "F16", nil, 4, 8)
	t.put("model.layers.0.self_attn.o_proj.weight", "F16", nil, 8, 8)
	t.put("model.layers.0.mlp.gate_proj.weight", "F16", nil, 12, 8)
	t.put("model.layers.0.mlp.up_proj.weight", "F16", nil, 12, 8)
	t.put("model.layers.0.mlp.down_proj.weight", "F16", nil, 8, 12)
	t.put("model.norm.weight", "F32", nil, 8)
	return t
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(tensors)
		want string
	}{
		{"whole", func(tensors) {}, ""},
		{"old buffers", func(t tensors) { t.put("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", nil, 2) }, ""},
		{"copy of the embedding", func(t tensors) { t.put("lm_head.weight", "BF16", []byte{1}, 16, 8) }, ""},
		{"head of its own", func(t tensors) { t.put("lm_head.weight", "BF16", []byte{2}, 16, 8) },
			"tensor lm_head.weight: differs from model.embed_tokens.weight, but tie_word_embeddings is true"},
		{"all at once", func(t tensors) {
			delete(t, "model.norm.weight")
			t.put("model.layers.0.mlp.up_proj.weight", "I8", nil, 8, 12)
			t.put("model.layers.0.self_attn.q_proj.bias", "F16", nil, 8)
			t.put("model.layers.1.self_attn.q_proj.weight", "F16", nil, 8, 8)
		}, "tensor model.layers.0.mlp.up_proj.weight: shape [8 12], want [12 8]\n" +
			"tensor model.layers.0.mlp.up_proj.weight: type I8, want one of [F32 F16 BF16]\n" +
			"tensor model.norm.weight: missing, want shape [8]\n" +
			"tensor model.layers.0.self_attn.q_proj.bias: not part of the model that config.json describes\n" +
			"tensor model.layers.1.self_attn.q_proj.weight: not part of the model that config.json describes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := checkpoint()
			c.edit(ts)
			got := ""
			if err := Check(small, ts); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	t.Run("untied without head", func(t *testing.T) {
		c := small
		c.Tied = false
		want := "tensor lm_head.weight: missing, want shape [16 8]"
		if err := Check(c, checkpoint()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

// TestParameters compares with published sizes: the linear weights stand in
// methods.md 2.7, the whole of Llama-2-7B in its model card (6.74 B), that of
// the demo model in reference/README.md.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		name          string
		cfg           Config
		linear, total int64
	}{
		{"Llama-2-7B", Config{HiddenSize: 4096, Layers: 32, Heads: 32, KVHeads: 32, HeadDim: 128, Intermediate: 11008, Vocab: 32000}, 6476005376, 6738415616},
		{"Llama-3-8B", Config{HiddenSize: 4096, Layers: 32, Heads: 32, KVHeads: 8, HeadDim: 128, Intermediate: 14336, Vocab: 128256}, 6979321856, 8030261248},
		{"demo", Config{HiddenSize: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32, Intermediate: 768, Vocab: 4096, Tied: true}, 4718592, 5770496},
	} {
		n := c.cfg.Parameters()
		total := n[ClassEmbedding] + n[ClassLinear] + n[ClassNorm] + n[ClassHead]
		if n[ClassLinear] != c.linear || total != c.total {
			t.Errorf("%s: %d in linears, %d in all; want %d, %d", c.name, n[ClassLinear], total, c.linear, c.total)
		}
	}
}

// TestGroups checks that the four inputs share out a block's linears in order.
func TestGroups(t *testing.T) {
	var names []string
	for _, in := range Inputs() {
		for _, l := range small.Group(0, in) {
			names = append(names, l.Name)
		}
	}
	var want []string
	for _, l := range small.Linears(0) {
		want = append(want, l.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
