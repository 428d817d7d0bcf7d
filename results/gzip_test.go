package results

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestReadCompressed: a compressed file holds what the plain one does, and one
// that is cut is named.
func TestReadCompressed(t *testing.T) {
	dir := t.TempDir()
	text := lineStart + `"run","schema":1,"run":"r1"}` + "\n"
	plain, packed, cut := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "a.jsonl.gz"), filepath.Join(dir, "b.jsonl.gz")
	if err := os.WriteFile(plain, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packed, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, []byte(b.String()[:b.Len()-6]), 0o644); err != nil {
		t.Fatal(err)
	}
	want, err := ReadFiles(plain)
	if err != nil || len(want) != 1 {
		t.Fatal(want, err)
	}
	if got, err := ReadFiles(packed); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ReadFiles(cut); err == nil || !strings.Contains(err.Error(), "b.jsonl.gz: ") {
		t.Errorf("a file that is cut: %v", err)
	}
}
