package subject

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
)

// TestChild: what a child process opens generates the same tokens and logits
// as the subject that it was told of.
func TestChild(t *testing.T) {
	m := tinyModel(t)
	e, ctx := newEnv(t, m, 1), context.Background()
	prompt := []int{0, 17, 300, 4000, 5}
	for _, c := range append(compressing(t), defaultCase(t, "dense")) {
		name := c.Label
		s := open(t, e, c)
		in, err := s.Engine(16)
		if err != nil {
			t.Fatal(err)
		}
		row, err := in.Prefill(ctx, prompt)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(row)
		child := Child{Model: m.Ref, Folder: m.Dir, Artefact: s.ArtefactDir(), Threads: 1}
		out, vocab, closeAll, err := child.Open(16)
		if err != nil {
			t.Fatal(err)
		}
		if row, err = out.Prefill(ctx, prompt); err != nil || vocab != Tiny.Vocab || !slices.Equal(row, want) {
			t.Errorf("%s: vocabulary %d, logits equal %v, %v", name, vocab, slices.Equal(row, want), err)
		}
		if err := closeAll(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChildDemo(t *testing.T) {
	child := Child{Model: demo.Model, Threads: 1}
	out, vocab, closeAll, err := child.Open(8)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := out.Generate(context.Background(), []int{0}, 2); err != nil || len(ids) != 2 || vocab != 4096 {
		t.Errorf("%v, %v", ids, err)
	}
	if err := closeAll(); err != nil {
		t.Error(err)
	}
}

func TestChildFaults(t *testing.T) {
	m := tinyModel(t)
	for _, c := range []struct {
		child  Child
		tokens int
		want   string
	}{
		{Child{Model: "x", Folder: "/nosuch"}, 8, "/nosuch: no such folder"},
		{Child{Model: m.Ref, Folder: m.Dir, Artefact: "/nosuch"}, 8, "/nosuch/manifest.json"},
		{Child{Model: m.Ref, Folder: m.Dir}, 1000, "a context of 1000 tokens, want 1 to max_position_embeddings 256"},
	} {
		c.child.Threads = 1
		if _, _, closeAll, err := c.child.Open(c.tokens); err == nil || !strings.Contains(err.Error(), c.want) || closeAll != nil {
			t.Errorf("%+v: got %v, want …%s", c.child, err, c.want)
		}
	}
}
