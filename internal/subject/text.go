package subject

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sketchbench/sketchbench/internal/corpus"
	"github.com/sketchbench/sketchbench/internal/demo"
)

// A CorpusRef is a text that a scenario asks for.
type CorpusRef struct {
	Name string // shipped; "" for a file
	File string // path, relative ones already resolved
	Join string // rows, lines, raw, or "" for the recipe's own
}

// A Text is an opened corpus.
type Text struct {
	Name   string // the shipped name, or the base name of the file
	Text   string
	SHA256 string
	Join   string
}

// Open reads the text.
func (c CorpusRef) Open() (*Text, error) {
	t := &Text{Name: c.Name, Join: c.Join}
	if c.File != "" {
		b, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		t.Name, t.Text = filepath.Base(c.File), string(b)
	} else {
		text, ok := demo.Corpus(c.Name)
		if !ok {
			return nil, fmt.Errorf("no shipped corpus %q, want one of %s or {file: PATH}", c.Name, strings.Join(demo.Corpora(), ", "))
		}
		t.Text = text
	}
	if err := corpus.CheckText("corpus "+t.Name, []byte(t.Text)); err != nil {
		return nil, err
	}
	t.SHA256 = corpus.TextHash(t.Text)
	return t, nil
}

// Windows is a text cut by a recipe.
type Windows struct {
	corpus.Set
	Recipe corpus.Recipe
	Text   *Text
	// Identity is what the recipe hash is made of: the recipe's own fields,
	// the text and the tokenizer.
	Identity map[string]any
}

// Longest returns the tokens of the longest window.
func (w *Windows) Longest() int {
	n := 0
	for _, win := range w.Windows {
		n = max(n, len(win.Tokens))
	}
	return n
}

// Tokens returns the tokens of all windows.
func (w *Windows) Tokens() int {
	n := 0
	for _, win := range w.Windows {
		n += len(win.Tokens)
	}
	return n
}

// Counts says what became of the text, for records and footnotes.
func (w *Windows) Counts() map[string]int64 {
	s := w.Stats
	return map[string]int64{
		"bytes": int64(s.Bytes), "tokens": int64(s.Tokens), "windows": int64(s.Windows), "windows_available": int64(s.Available),
		"scored": int64(s.Scored), "dropped_tail": int64(s.DroppedTail),
	}
}

// Windows opens and cuts a text, once a run for equal arguments. The first n
// windows are taken, all for n = 0.
func (e *Env) Windows(recipe string, ref CorpusRef, n int) (*Windows, error) {
	key := fmt.Sprintf("%s|%+v|%d", recipe, ref, n)
	if w, ok := e.windows[key]; ok {
		return w, nil
	}
	w, err := e.Model.cut(recipe, ref, n)
	if err != nil {
		return nil, err
	}
	if e.windows == nil {
		e.windows = map[string]*Windows{}
	}
	e.windows[key] = w
	return w, nil
}

// CheckRecipe returns the fault, if any, of a recipe's name or of its window
// on the model.
func (m *Model) CheckRecipe(name string) error {
	_, err := m.recipe(name)
	return err
}

func (m *Model) recipe(name string) (corpus.Recipe, error) {
	r, err := corpus.ParseRecipe(name)
	if err != nil {
		return r, fmt.Errorf("recipe: %w", err)
	}
	if r.Length > m.Config.MaxPositions {
		return r, fmt.Errorf("recipe: %s has windows of %d tokens, the model has %d positions", name, r.Length, m.Config.MaxPositions)
	}
	return r, nil
}

func (m *Model) cut(recipe string, ref CorpusRef, n int) (*Windows, error) {
	r, err := m.recipe(recipe)
	if err != nil {
		return nil, err
	}
	t, err := ref.Open()
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if t.Join != "" {
		r.Join = corpus.Rule(t.Join)
	}
	r.First = n
	set, err := r.Cut(m.Tokenizer, t.Text)
	var few *corpus.TooFewError
	if errors.As(err, &few) {
		return nil, fmt.Errorf("windows: %d, want at most %d: so many has %s under %v", n, few.Available, t.Name, few.Recipe)
	}
	if err != nil {
		return nil, fmt.Errorf("corpus %s: %w", t.Name, err)
	}
	id := scalars(r.Identity())
	id["text_sha256"], id["tokenizer_sha256"], id["token_ids_sha256"] = t.SHA256, m.Tokenizer.Hash(), set.Stats.StreamHash
	return &Windows{Set: set, Recipe: r, Text: t, Identity: id}, nil
}

// scalars turns a struct of scalars into a map by its JSON names.
func scalars(v any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("subject: %T: %v", v, err))
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		panic(fmt.Sprintf("subject: %T: %v", v, err))
	}
	return m
}

// Windows draws the calibration sequences.
func (c *Calibration) Windows(m *Model) ([][]int, error) {
	t, err := c.Corpus.Open()
	if err != nil {
		return nil, err
	}
	return corpus.Calibration(m.Tokenizer, t.Text, c.Sequences, c.Length, c.Seed)
}

// Describe returns what identifies the calibration data, as scalars. A text
// that cannot be opened is described by its name; planning refuses it.
func (c *Calibration) Describe(m *Model) map[string]any {
	d := map[string]any{
		"corpus": c.Corpus.Name, "sequences": int64(c.Sequences), "length": int64(c.Length), "seed": int64(c.Seed),
		"tokenizer_sha256": m.Tokenizer.Hash(),
	}
	if t, err := c.Corpus.Open(); err == nil {
		d["corpus"], d["text_sha256"] = t.Name, t.SHA256
	}
	return d
}
