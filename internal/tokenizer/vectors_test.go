package tokenizer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// A row is a line of the reference vectors: ids by the original programs, and
// other programs' ids where they differ.
type row struct {
	Text       string `json:"text"`
	IDs        []int  `json:"ids"`
	Special    []int  `json:"ids_special"`
	NFC        []int  `json:"ids_nfc"`
	Legacy     []int  `json:"ids_hf_legacy"`
	WithTempl  []int  `json:"ids_with_template"`
	lineInFile int
}

func readRows(t testing.TB, name string) []row {
	t.Helper()
	b, err := os.ReadFile(sharedtest.Dir(t, "reference", "tokenizers", name))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		r := row{lineInFile: len(rows) + 1}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatalf("%s:%d: %v", name, r.lineInFile, err)
		}
		rows = append(rows, r)
	}
	if len(rows) != 663 {
		t.Fatalf("%s: %d rows, want 663", name, len(rows))
	}
	return rows
}

// referenceJSON is a gzipped tokenizer.json of the reference data.
func referenceJSON(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(sharedtest.Dir(t, "reference", "tokenizers", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadReference(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tok, err := LoadBytes(map[string][]byte{JSONFile: referenceJSON(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func loadShared(t testing.TB, elem ...string) *Tokenizer {
	t.Helper()
	tok, err := Load(sharedtest.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// or is the ids of a field that is present only where it differs.
func or(special, ids []int) []int {
	if special != nil {
		return special
	}
	return ids
}

// TestVectors compares with the ids of sentencepiece, tiktoken and Hugging
// Face tokenizers, all 663 strings of each, and requires them all.
func TestVectors(t *testing.T) {
	plain := func(r row) []int { return r.IDs }
	special := func(r row) []int { return or(r.Special, r.IDs) }
	for _, c := range []struct {
		name, rows string
		load       func(t testing.TB) *Tokenizer
		want       func(r row) []int
	}{
		{"llama2", "llama2.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "llama2") }, plain},
		{"mistral-v1", "mistral-v1.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "mistral-v1") }, plain},
		{"gpt2", "gpt2.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "gpt2") }, special},
		{"llama3", "llama3.jsonl", func(t testing.TB) *Tokenizer { return loadReference(t, "llama3.tokenizer.json.gz") }, special},
		{"llama3-8k", "llama3-8k.jsonl", func(t testing.TB) *Tokenizer { return loadReference(t, "llama3-8k.tokenizer.json.gz") }, plain},
		{"qwen-8k", "qwen-8k.jsonl", func(t testing.TB) *Tokenizer { return loadReference(t, "qwen-8k.tokenizer.json.gz") }, plain},
		{"llama2-legacy", "llama2.jsonl", func(t testing.TB) *Tokenizer { return loadReference(t, "llama2-legacy.tokenizer.json.gz") },
			func(r row) []int { return or(r.Legacy, r.IDs) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok, wrong := c.load(t), 0
			bos, hasBOS := tok.BOS()
			for _, r := range readRows(t, c.rows) {
				want := c.want(r)
				if got, err := tok.Encode(r.Text); err != nil || !slices.Equal(got, want) {
					if wrong++; wrong <= 5 {
						t.Errorf("%s:%d: Encode(%q)\n got %v\nwant %v", c.rows, r.lineInFile, r.Text, got, want)
					}
				}
				if r.WithTempl != nil && (!hasBOS || !slices.Equal(r.WithTempl, append([]int{bos}, want...))) {
					t.Errorf("%s:%d: with template %v, want BOS %d and %v", c.rows, r.lineInFile, r.WithTempl, bos, want)
				}
			}
			if wrong > 0 {
				t.Errorf("%d of 663 rows differ", wrong)
			}
		})
	}
}
