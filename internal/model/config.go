// Package model reads a checkpoint's config.json and names the weights of the
// architectures that the engine can run: Llama (tied or not, grouped-query
// attention, a head size of its own). It refuses by name whatever is not
// implemented. It computes nothing and opens no weight file.
package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Config describes a Llama decoder: pre-norm blocks of grouped-query
// attention with rotary positions and a SwiGLU MLP, all without biases.
type Config struct {
	HiddenSize   int // width of the residual stream
	Layers       int // decoder blocks
	Heads        int // query heads
	KVHeads      int // key-value heads; divides Heads
	HeadDim      int // channels of one head, even; not always HiddenSize/Heads
	Intermediate int // width of the MLP
	Vocab        int // rows of the embedding and of the head

	NormEps      float64 // added to the mean square in RMSNorm
	RopeTheta    float64 // base of the rotary frequencies
	Tied         bool    // the head is the embedding
	MaxPositions int     // longest context the model was made for, tokens

	BOS int   // id put before a text; -1 if the config names none
	EOS []int // ids that end a text; may be empty
}

// QueryDim returns the width of the queries, Heads·HeadDim.
func (c Config) QueryDim() int { return c.Heads * c.HeadDim }

// KVDim returns the width of the keys, and of the values, KVHeads·HeadDim.
func (c Config) KVDim() int { return c.KVHeads * c.HeadDim }

// ReadConfig reads config.json in the folder dir, as ParseConfig does.
func ReadConfig(dir string) (Config, error) {
	path := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	return ParseConfig(path, b)
}

// ParseConfig decodes a config.json, in the form of transformers 5
// (rope_parameters) or in the older one (rope_theta, rope_scaling). A field
// that the engine does not know and that changes no arithmetic is ignored.
// The error joins one line for every field that is missing, out of range or
// asks for something that is not implemented; each starts with name.
//
// Where older files leave a field out, the default is that of transformers'
// LlamaConfig: hidden_act silu, num_key_value_heads as num_attention_heads,
// head_dim hidden_size/num_attention_heads, rope_theta 10000, untied. Sizes,
// rms_norm_eps and max_position_embeddings have no default here.
func ParseConfig(name string, b []byte) (Config, error) {
	f, err := decodeFields(name, b)
	if err != nil {
		return Config{}, err
	}
	f.architecture()
	c := Config{
		HiddenSize:   f.size("hidden_size", maxSize),
		Layers:       f.size("num_hidden_layers", maxLayers),
		Heads:        f.size("num_attention_heads", maxSize),
		Intermediate: f.size("intermediate_size", maxSize),
		Vocab:        f.size("vocab_size", maxSize),
		MaxPositions: f.size("max_position_embeddings", maxSize),
		NormEps:      f.positive("rms_norm_eps"),
		Tied:         f.boolean("tie_word_embeddings", false),
		BOS:          -1,
	}
	c.KVHeads = f.sizeOr("num_key_value_heads", c.Heads)
	f.heads(&c)
	c.RopeTheta = f.rope()
	f.neutral()
	if ids := f.ids("bos_token_id"); len(ids) > 0 {
		c.BOS = ids[0]
	}
	c.EOS = f.ids("eos_token_id")
	if len(f.faults) > 0 {
		return Config{}, errors.Join(f.faults...)
	}
	return c, nil
}

// heads fills HeadDim and checks how the heads divide.
func (f *fields) heads(c *Config) {
	if f.has("head_dim") {
		c.HeadDim = f.size("head_dim", maxSize)
	} else if c.Heads > 0 && c.HiddenSize > 0 {
		if c.HiddenSize%c.Heads != 0 {
			f.bad("num_attention_heads", "%d does not divide hidden_size %d, and head_dim is absent", c.Heads, c.HiddenSize)
		}
		c.HeadDim = c.HiddenSize / c.Heads
	}
	if c.HeadDim%2 != 0 {
		f.bad("head_dim", "%d is odd, rotary positions turn pairs of channels", c.HeadDim)
	}
	if c.KVHeads > 0 && c.Heads%c.KVHeads != 0 {
		f.bad("num_key_value_heads", "%d does not divide num_attention_heads %d", c.KVHeads, c.Heads)
	}
}

// architecture refuses every architecture but LlamaForCausalLM.
func (f *fields) architecture() {
	var archs []string
	if f.has("architectures") && f.decode("architectures", &archs, "a list of names") {
		if len(archs) != 1 || archs[0] != "LlamaForCausalLM" {
			f.bad("architectures", "%q is not implemented, want [%q]", archs, "LlamaForCausalLM")
		}
	}
	if kind := f.text("model_type", ""); f.has("model_type") && kind != "llama" {
		f.bad("model_type", "%q is not implemented, want %q", kind, "llama")
	}
	if !f.has("architectures") && !f.has("model_type") {
		f.bad("architectures", "missing, and so is model_type")
	}
}

// rope returns the rotary base and refuses every scaling of positions.
func (f *fields) rope() float64 {
	theta, named := 10000.0, false
	if f.has("rope_theta") {
		theta, named = f.positive("rope_theta"), true
	}
	for _, field := range []string{"rope_scaling", "rope_parameters"} {
		if !f.has(field) {
			continue
		}
		sub, ok := f.object(field)
		if !ok {
			continue
		}
		sub.ropeKind()
		if sub.has("rope_theta") {
			t := sub.positive("rope_theta")
			if named && t != theta && t > 0 && theta > 0 {
				sub.bad("rope_theta", "%g, but rope_theta is %g", t, theta)
			}
			theta, named = t, true
		}
		f.faults = append(f.faults, sub.faults...)
	}
	return theta
}

// ropeKind refuses what is not plain rotation. Nested objects would be one
// set of parameters per kind of layer.
func (f *fields) ropeKind() {
	for _, key := range []string{"rope_type", "type"} {
		if kind := f.text(key, "default"); kind != "default" {
			f.bad(key, "rope type %q is not implemented, want %q", kind, "default")
		}
	}
	f.mustBe("partial_rotary_factor", 1)
	plain := f.has("rope_type") || f.has("type")
	for _, key := range f.keys() {
		switch {
		case f.isObject(key):
			f.bad(key, "rope parameters per kind of layer are not implemented")
		case !plain && f.has(key) && key != "rope_theta" && key != "partial_rotary_factor":
			f.bad(key, "a scaling of positions without a rope_type is not implemented")
		}
	}
}

// neutral refuses fields that change the arithmetic in a way that is not
// implemented, unless their value says that they do not apply.
func (f *fields) neutral() {
	if act := f.text("hidden_act", "silu"); act != "silu" {
		f.bad("hidden_act", "%q is not implemented, want %q", act, "silu")
	}
	for _, key := range []string{"attention_bias", "mlp_bias", "qkv_bias", "use_qk_norm", "is_encoder_decoder"} {
		if f.boolean(key, false) {
			f.bad(key, "true is not implemented, want false")
		}
	}
	if f.has("sliding_window") && f.boolean("use_sliding_window", true) {
		f.bad("sliding_window", "%s is not implemented, want null", f.excerpt("sliding_window"))
	}
	for _, key := range []string{
		"quantization_config", "compression_config", "final_logit_softcapping", "attn_logit_softcapping",
		"attention_chunk_size", "num_local_experts", "num_experts",
	} {
		if f.has(key) {
			f.bad(key, "is not implemented, want null")
		}
	}
	for _, key := range []string{
		"pretraining_tp", "partial_rotary_factor", "embedding_multiplier", "residual_multiplier", "logits_scaling",
	} {
		f.mustBe(key, 1)
	}
	var kinds []string
	if f.has("layer_types") && f.decode("layer_types", &kinds, "a list of names") {
		f.layerTypes(kinds)
	}
}

// layerTypes refuses all attention but the full one; of many faults it tells
// the first few.
func (f *fields) layerTypes(kinds []string) {
	const told = 8
	wrong := 0
	for i, kind := range kinds {
		if kind == "full_attention" {
			continue
		}
		if wrong++; wrong <= told {
			f.bad(fmt.Sprintf("layer_types[%d]", i), "%q is not implemented, want %q", kind, "full_attention")
		}
	}
	if wrong > told {
		f.bad("layer_types", "%d more like that", wrong-told)
	}
}
