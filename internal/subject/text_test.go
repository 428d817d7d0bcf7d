package subject

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/corpus"
	"github.com/sketchbench/sketchbench/internal/demo"
)

// TestCorpus opens a shipped text and a copy of it: the same bytes, two names.
func TestCorpus(t *testing.T) {
	text, _ := demo.Corpus("demo")
	path := filepath.Join(t.TempDir(), "copy.raw")
	writeFile(t, path, []byte(text))
	a, err := CorpusRef{Name: "demo"}.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := CorpusRef{File: path, Join: "raw"}.Open()
	if err != nil {
		t.Fatal(err)
	}
	if a.SHA256 != b.SHA256 || a.Text != text || b.Text != text || a.Name != "demo" || b.Name != "copy.raw" || b.Join != "raw" {
		t.Errorf("%s %s %s, %s %s %s", a.Name, a.SHA256, a.Join, b.Name, b.SHA256, b.Join)
	}
}

func TestCorpusFaults(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "binary.raw")
	writeFile(t, binary, []byte("a\xffb"))
	for _, c := range []struct {
		ref  CorpusRef
		want string
	}{
		{CorpusRef{Name: "nosuch"}, `no shipped corpus "nosuch", want one of demo, demo-calibration or {file: PATH}`},
		{CorpusRef{File: "/nosuch/text"}, "/nosuch/text"},
		{CorpusRef{File: binary}, "corpus binary.raw"},
	} {
		if _, err := c.ref.Open(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want …%s", c.ref, err, c.want)
		}
	}
	if _, err := (CorpusRef{File: "/nosuch/text"}).Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// TestWindows: cut once for equal arguments; a smaller number of windows is
// the beginning of all; the identity tells them apart, and counts add up.
func TestWindows(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	ref := CorpusRef{Name: "demo"}
	all, err := e.Windows("gptq-128", ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.Windows("gptq-128", ref, 0); err != nil || again != all {
		t.Errorf("cut twice, %v", err)
	}
	two, err := e.Windows("gptq-128", ref, 2)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(two.Windows, all.Windows[:2]) {
		t.Error("the first two windows differ")
	}
	if two.Longest() != 128 || two.Tokens() != 256 {
		t.Errorf("longest %d, tokens %d, want 128 and 256", two.Longest(), two.Tokens())
	}
	if maps.Equal(two.Identity, all.Identity) {
		t.Error("two windows have the identity of all")
	}
	raw, err := e.Windows("gptq-128", CorpusRef{Name: "demo", Join: "raw"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if maps.Equal(raw.Identity, two.Identity) || raw.Identity["join"] != string(corpus.Raw) {
		t.Errorf("another joining: %v", raw.Identity)
	}
	n := all.Counts()
	if n["windows"] != int64(len(all.Windows)) || n["windows"]*128+n["dropped_tail"] != n["tokens"] || n["scored"] != n["windows"]*127 {
		t.Errorf("%v", n)
	}
	if n := two.Counts(); n["windows"] != 2 || n["windows_available"] != all.Counts()["windows"] || n["scored"] != 254 {
		t.Errorf("%v", n)
	}
}

func TestWindowsFaults(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	short := filepath.Join(t.TempDir(), "short.raw")
	writeFile(t, short, []byte("Two words\n"))
	for _, c := range []struct {
		recipe string
		ref    CorpusRef
		want   string
	}{
		{"gptq", CorpusRef{Name: "demo"}, "recipe: "},
		{"gptq-512", CorpusRef{Name: "demo"}, "recipe: gptq-512 has windows of 512 tokens, the model has 256 positions"},
		{"gptq-128", CorpusRef{Name: "nosuch"}, `corpus: no shipped corpus "nosuch"`},
		{"gptq-128", CorpusRef{File: short}, "corpus short.raw: "},
		{"gptq-128", CorpusRef{Name: "demo", Join: "words"}, "corpus demo: "},
	} {
		if _, err := e.Windows(c.recipe, c.ref, 0); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s of %+v: got %v, want %s…", c.recipe, c.ref, err, c.want)
		}
	}
}
