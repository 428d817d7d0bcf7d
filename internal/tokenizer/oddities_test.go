package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// TestOddities compares small made-up tokenizers, with members that the large
// ones do not use, with Hugging Face tokenizers and sentencepiece.
// testdata/oddities.jsonl is written by testdata/oddities.py.
func TestOddities(t *testing.T) {
	f, err := os.Open("testdata/oddities.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	n := 0
	for ; s.Scan(); n++ {
		var c struct {
			Name  string
			JSON  json.RawMessage
			Model []byte
			Rows  []row
		}
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{ModelFile: c.Model}
		if c.JSON != nil {
			files = map[string][]byte{JSONFile: c.JSON}
		}
		tok, err := LoadBytes(files)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		wrong := 0
		for _, r := range c.Rows {
			if got, err := tok.Encode(r.Text); err != nil || !slices.Equal(got, r.IDs) {
				if wrong++; wrong <= 3 {
					t.Errorf("%s: Encode(%q)\n got %v\nwant %v", c.Name, r.Text, got, r.IDs)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d rows differ", c.Name, wrong, len(c.Rows))
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if n != 14 {
		t.Errorf("%d tokenizers, want 14", n)
	}
}
