package foreign

import (
	"testing"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// BenchmarkWeight makes packed weights of a 4096×4096 layer of 4 bits.
func BenchmarkWeight(b *testing.B) {
	const n, groups = 4096, 32
	words := make([]byte, n*n/2)
	for i := range words {
		words[i] = byte(i * 7)
	}
	part := func(dtype string, data []byte, shape ...int) safetensors.Tensor {
		return safetensors.Tensor{Name: "w", DType: dtype, Shape: shape, Data: data}
	}
	scales, zeros := part("F16", make([]byte, 2*groups*n), groups, n), part("I32", words[:groups*n/2], groups, n/8)
	q := quantConfig{Bits: 4, Group: n / groups}
	gptq, err := gptqLayer(module{name: "w", parts: map[string]safetensors.Tensor{"qweight": part("I32", words, n/8, n), "qzeros": zeros, "scales": scales}}, q)
	if err != nil {
		b.Fatal(err)
	}
	awq, err := awqLayer(module{name: "w", parts: map[string]safetensors.Tensor{"qweight": part("I32", words, n, n/8), "qzeros": zeros, "scales": scales}}, q)
	if err != nil {
		b.Fatal(err)
	}
	tables := &array{&storage{"F16", n * 16, make([]byte, 2*n*16)}, 0, []int{n, 1, 16}, []int{16, 16, 1}}
	nibbles := &array{&storage{"U8", n * n / 2, words}, 0, []int{n, 1, n / 2}, []int{n / 2, n / 2, 1}}
	sketch, err := sketchTuneLayer("f", "w", types.NewTupleFromSlice([]any{tables, nibbles}), "", nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, l := range map[string]Linear{GPTQ: gptq, AWQ: awq, SketchTune: sketch} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(n * n) // weights
			for b.Loop() {
				if _, err := l.weight(nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
