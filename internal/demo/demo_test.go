package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestFiles pins the embedded files: committed figures rest on these bytes.
func TestFiles(t *testing.T) {
	sum := func(b []byte) string {
		h := sha256.Sum256(b)
		return hex.EncodeToString(h[:])
	}
	m := ModelFiles()
	for name, size := range map[string]int{"model.safetensors": 11547040, "tokenizer.json": 264666, "config.json": 527} {
		if len(m[name]) != size {
			t.Errorf("%s: %d bytes, want %d", name, len(m[name]), size)
		}
	}
	if n := len(TunedFile()); n != 1573616 {
		t.Errorf("tuned: %d bytes, want 1573616", n)
	}
	for name, want := range map[string]string{
		"demo":             "85a833660216d0a8ad88aa132c503964bb9cdbd7b0d79908152c7c8cae70edca",
		"demo-calibration": "8f797b582e6288e3445e71b4f2abecc78bb9e02fc7df02128cf7dee04a6ca819",
	} {
		text, ok := Corpus(name)
		if !ok || sum([]byte(text)) != want {
			t.Errorf("%s: found %v, sha256 %s, want %s", name, ok, sum([]byte(text)), want)
		}
	}
	if _, ok := Corpus("other"); ok {
		t.Error("found a text that is not there")
	}
	if n := Corpora(); len(n) != 2 || n[0] != "demo" {
		t.Errorf("corpora %v", n)
	}
}
