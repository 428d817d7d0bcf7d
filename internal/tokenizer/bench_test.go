package tokenizer

import (
	"os"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// BenchmarkEncode encodes wiki.test.raw (1.29 MB) again and again: the word
// cache is warm, but the limits of its size apply.
func BenchmarkEncode(b *testing.B) {
	text, err := os.ReadFile(sharedtest.Dir(b, "data", "wikitext-2-raw", "wiki.test.raw"))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		load func(t testing.TB) *Tokenizer
	}{
		{"llama2", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "llama2") }},
		{"gpt2", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "gpt2") }},
		{"llama3", func(t testing.TB) *Tokenizer { return loadReference(t, "llama3.tokenizer.json.gz") }},
		{"demo", func(t testing.TB) *Tokenizer { return loadShared(t, "assets", "demo-6m") }},
	} {
		tok := c.load(b)
		b.Run(c.name+"/warm", func(b *testing.B) {
			tok.Encode(string(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(string(text))
			}
		})
		b.Run(c.name+"/cold", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.encode(string(text), newState())
			}
		})
	}
}

// BenchmarkLoadLlama3 reads 128,000 tokens and 280,147 merges.
func BenchmarkLoadLlama3(b *testing.B) {
	files := map[string][]byte{JSONFile: referenceJSON(b, "llama3.tokenizer.json.gz")}
	for b.Loop() {
		if _, err := LoadBytes(files); err != nil {
			b.Fatal(err)
		}
	}
}
