package model

import "fmt"

// An Input names the activation that a linear layer multiplies. The layers of
// one decoder block that share an Input see the same vectors, so they share
// second moments. The values are ordered as the block computes them.
type Input string

// The inputs of a block's linear layers, in order of computation.
const (
	InputQKV    Input = "qkv"    // normed residual: q_proj, k_proj, v_proj
	InputO      Input = "o"      // attention's output: o_proj
	InputGateUp Input = "gateup" // normed residual: gate_proj, up_proj
	InputDown   Input = "down"   // silu(gate)·up: down_proj
)

// Inputs lists the inputs of a block in order of computation.
func Inputs() []Input { return []Input{InputQKV, InputO, InputGateUp, InputDown} }

// A LinearSpec is one linear layer y = W·x, W out×in.
type LinearSpec struct {
	Name    string // of the tensor, "model.layers.0.self_attn.q_proj.weight"
	Out, In int
	Input   Input
}

// Names of the tensors outside the decoder blocks.
const (
	EmbeddingName = "model.embed_tokens.weight" // Vocab×HiddenSize
	HeadName      = "lm_head.weight"            // Vocab×HiddenSize, absent when tied
	FinalNormName = "model.norm.weight"         // HiddenSize
)

// InputNormName names the gain of the norm before attention.
func InputNormName(layer int) string {
	return fmt.Sprintf("model.layers.%d.input_layernorm.weight", layer)
}

// PostNormName names the gain of the norm before the MLP.
func PostNormName(layer int) string {
	return fmt.Sprintf("model.layers.%d.post_attention_layernorm.weight", layer)
}

// Linears lists the linear layers of one block: q, k, v, o, gate, up, down.
func (c Config) Linears(layer int) []LinearSpec {
	p := fmt.Sprintf("model.layers.%d.", layer)
	d, q, kv, ff := c.HiddenSize, c.QueryDim(), c.KVDim(), c.Intermediate
	return []LinearSpec{
		{p + "self_attn.q_proj.weight", q, d, InputQKV},
		{p + "self_attn.k_proj.weight", kv, d, InputQKV},
		{p + "self_attn.v_proj.weight", kv, d, InputQKV},
		{p + "self_attn.o_proj.weight", d, q, InputO},
		{p + "mlp.gate_proj.weight", ff, d, InputGateUp},
		{p + "mlp.up_proj.weight", ff, d, InputGateUp},
		{p + "mlp.down_proj.weight", d, ff, InputDown},
	}
}

// Group returns the linear layers of a block that share an input.
func (c Config) Group(layer int, input Input) []LinearSpec {
	var group []LinearSpec
	for _, l := range c.Linears(layer) {
		if l.Input == input {
			group = append(group, l)
		}
	}
	return group
}

// A Class says what a tensor is for.
type Class string

// The classes of a model's tensors.
const (
	ClassEmbedding Class = "embedding"
	ClassLinear    Class = "linear" // of a decoder block
	ClassNorm      Class = "norm"
	ClassHead      Class = "head" // absent when tied
)

// A TensorSpec is one tensor of a checkpoint.
type TensorSpec struct {
	Name  string
	Shape []int
	Class Class
}

// Tensors lists every tensor of the model, the order being that of the
// forward pass.
func (c Config) Tensors() []TensorSpec {
	list := []TensorSpec{{EmbeddingName, []int{c.Vocab, c.HiddenSize}, ClassEmbedding}}
	for layer := range c.Layers {
		list = append(list,
			TensorSpec{InputNormName(layer), []int{c.HiddenSize}, ClassNorm},
			TensorSpec{PostNormName(layer), []int{c.HiddenSize}, ClassNorm})
		for _, l := range c.Linears(layer) {
			list = append(list, TensorSpec{l.Name, []int{l.Out, l.In}, ClassLinear})
		}
	}
	list = append(list, TensorSpec{FinalNormName, []int{c.HiddenSize}, ClassNorm})
	if !c.Tied {
		list = append(list, TensorSpec{HeadName, []int{c.Vocab, c.HiddenSize}, ClassHead})
	}
	return list
}

// Parameters counts the model's weights by class.
func (c Config) Parameters() map[Class]int64 {
	n := make(map[Class]int64)
	for _, t := range c.Tensors() {
		size := int64(1)
		for _, s := range t.Shape {
			size *= int64(s)
		}
		n[t.Class] += size
	}
	return n
}
