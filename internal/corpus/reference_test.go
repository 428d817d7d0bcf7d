package corpus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/internal/tokenizer"
)

func readShared(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(sharedtest.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadTokenizer(t *testing.T, elem ...string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(sharedtest.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// wikiStart is the reference's excerpt: the first 60,000 bytes of
// wiki.test.raw, cut back to the last newline.
func wikiStart(t *testing.T) string {
	t.Helper()
	b := readShared(t, "data", "wikitext-2-raw", "wiki.test.raw")[:60000]
	return string(b[:bytes.LastIndexByte(b, '\n')+1])
}

// A line of windows.jsonl.
type referenceWindow struct {
	Text, Recipe           string
	Window, Begin, Targets int
}

func readWindows(t *testing.T, elem ...string) (out []referenceWindow) {
	t.Helper()
	s := bufio.NewScanner(bytes.NewReader(readShared(t, elem...)))
	for s.Scan() {
		var w referenceWindow
		if err := json.Unmarshal(s.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		out = append(out, w)
	}
	return out
}

// checkWindows compares every window that the reference lists for a recipe.
func checkWindows(t *testing.T, set Set, reference []referenceWindow, begins bool, match func(referenceWindow) bool) {
	t.Helper()
	n := 0
	for _, w := range reference {
		if !match(w) {
			continue
		}
		if n >= len(set.Windows) || w.Window != n {
			t.Fatalf("reference window %d, have %d windows", w.Window, len(set.Windows))
		}
		if g := set.Windows[n]; g.Targets() != w.Targets || begins && g.Begin != w.Begin {
			t.Errorf("window %d: begin %d, targets %d, want %d, %d", n, g.Begin, g.Targets(), w.Begin, w.Targets)
		}
		n++
	}
	if n != len(set.Windows) {
		t.Errorf("%d windows, want %d", len(set.Windows), n)
	}
}

// TestStories compares with the streams and windows that sentencepiece and
// transformers gave for three models.
func TestStories(t *testing.T) {
	var summary struct {
		Text map[Rule]struct {
			Bytes  int
			SHA256 string
		}
		Models map[string]struct {
			Recipes map[string]struct {
				Join         Rule
				StreamTokens int    `json:"stream_tokens"`
				StreamHash   string `json:"stream_sha256_int32le"`
				Windows      int
				Targets      int
				Dropped      int `json:"dropped_tail_tokens"`
			}
		}
	}
	if err := json.Unmarshal(readShared(t, "reference", "stories", "summary.json"), &summary); err != nil {
		t.Fatal(err)
	}
	text, checked := wikiStart(t), 0
	for rule, want := range summary.Text {
		joined, err := Join(text, rule)
		if err != nil || len(joined) != want.Bytes || TextHash(joined) != want.SHA256 {
			t.Errorf("%s: %d bytes, sha256 %s, %v, want %d, %s", rule, len(joined), TextHash(joined), err, want.Bytes, want.SHA256)
		}
	}
	for model, m := range summary.Models {
		tok := loadTokenizer(t, "data", model, "hf")
		windows := readWindows(t, "reference", "stories", model, "windows.jsonl")
		for name, want := range m.Recipes {
			if strings.HasPrefix(name, "hf-stride") {
				continue
			}
			recipe, err := ParseRecipe(strings.TrimSuffix(name, "-lines"))
			if err != nil {
				t.Fatal(err)
			}
			recipe.Join = want.Join
			set, err := recipe.Cut(tok, text)
			if err != nil {
				t.Fatal(err)
			}
			s := set.Stats
			if s.Tokens != want.StreamTokens || s.StreamHash != want.StreamHash || s.Windows != want.Windows || s.Scored != want.Targets || s.DroppedTail != want.Dropped {
				t.Errorf("%s %s: %+v, want %+v", model, name, s, want)
			}
			if !strings.HasSuffix(name, "-lines") {
				checkWindows(t, set, windows, true, func(w referenceWindow) bool { return w.Recipe == name })
			}
			checked++
		}
	}
	if checked != 12 {
		t.Errorf("%d recipes checked, want 12", checked)
	}
}

// TestDemo compares with the streams that Hugging Face tokenizers gave for the
// default model.
func TestDemo(t *testing.T) {
	var summary struct {
		Results []struct {
			Text, Recipe string
			StreamTokens int    `json:"stream_tokens"`
			StreamHash   string `json:"stream_sha256"`
			Windows      int
			Scored       int
		}
	}
	if err := json.Unmarshal(readShared(t, "reference", "demo", "summary.json"), &summary); err != nil {
		t.Fatal(err)
	}
	tok := loadTokenizer(t, "assets", "demo-6m")
	windows := readWindows(t, "reference", "demo", "windows.jsonl")
	sample := string(readShared(t, "assets", "sample-text", "sample.wiki.raw"))
	checked := 0
	for _, want := range summary.Results {
		if strings.HasPrefix(want.Recipe, "hf-stride") {
			continue
		}
		recipe, err := ParseRecipe(want.Recipe)
		if err != nil {
			t.Fatal(err)
		}
		text := sample
		if want.Text != "sample.wiki.raw" {
			text = wikiStart(t)
		}
		set, err := recipe.Cut(tok, text)
		if err != nil {
			t.Fatal(err)
		}
		s := set.Stats
		if s.Tokens != want.StreamTokens || s.StreamHash != want.StreamHash || s.Windows != want.Windows || s.Scored != want.Scored {
			t.Errorf("%s %s: %+v, want %+v", want.Text, want.Recipe, s, want)
		}
		checkWindows(t, set, windows, false, func(w referenceWindow) bool { return w.Recipe == want.Recipe && w.Text == want.Text })
		checked++
	}
	if checked != 6 {
		t.Errorf("%d results checked, want 6", checked)
	}
}

// TestWellKnownCounts: published token counts of WikiText-2 raw test, whole
// file; Llama-2's with BOS, GPT-2's without, as its tokenizer puts none.
func TestWellKnownCounts(t *testing.T) {
	text := string(readShared(t, "data", "wikitext-2-raw", "wiki.test.raw"))
	for _, c := range []struct {
		tokenizer   string
		rows, lines int
	}{
		{"llama2", 341469, 340044},
		{"gpt2", 287644, 286220},
	} {
		tok := loadTokenizer(t, "data", "tokenizers", c.tokenizer)
		for rule, want := range map[Rule]int{Rows: c.rows, Lines: c.lines} {
			set, err := Recipe{GPTQ, 2048, rule, 0}.Cut(tok, text)
			if err != nil {
				t.Fatal(err)
			}
			if set.Stats.Tokens != want || set.Stats.Windows != want/2048 {
				t.Errorf("%s %s: %+v, want %d tokens", c.tokenizer, rule, set.Stats, want)
			}
		}
	}
}
