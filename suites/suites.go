// Package suites lists the suites and binds each to a subject. What a suite
// computes stands in its own package below.
package suites

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
)

// A Suite measures one case.
type Suite struct {
	Name string
	// Timing suites run after all others, in randomised complete blocks.
	Timing bool
	// Draws reports whether the suite draws its own weights: it needs no model,
	// and what it measures is of no artefact. Nil for never.
	Draws func(o any) bool
	// New returns a pointer to the default options.
	New func() any
	// Prepare checks options against the scenario and the model, opens what
	// they name, and completes what they leave open. Faults start with the
	// field.
	Prepare func(c *Context, o any) []error
	// Scores returns the text that a suite scores; nil for suites that score
	// none.
	Scores func(o any) *Scored
	// Recipe says what is measured and how. Prepare comes first.
	Recipe func(c *Context, o any) Recipe
	// Cost estimates the work on one case.
	Cost func(c *Context, o any) Cost
	// Blocks returns the number of blocks of a timing suite, at least.
	Blocks func(o any) int
	// Run measures a case; a timing suite measures one block of it.
	Run func(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error
	// Joint is how the suite is measured in one walk with another; nil for
	// suites that share none.
	Joint *Joint
	// Launched is set, and Run nil, for a timing suite that measures each case
	// in processes of its own.
	Launched *Launched
}

// A Joint measures two suites together that would do the same work each.
// Cells, values and failures stay those of either, as if it ran alone.
type Joint struct {
	With string // name of the other suite
	// Fits reports whether the options of the two want the same work.
	Fits func(c *Context, o, with any) bool
	// Run measures a case with both. The other suite tells the progress. Each
	// has its own error; what fails one does not stop the other.
	Run func(ctx context.Context, c *Context, s *subject.Subject, own, with Part) (err, withErr error)
	// Cost is what the suite adds to the other's work.
	Cost func(c *Context, o any) Cost
}

// A Part is one suite's half of a Joint.
type Part struct {
	Options any
	Out     Out
}

// ErrBug is in the chain of errors about values that cannot be: a fault of
// this program.
var ErrBug = errors.New("bug")

// A Context is what the suites of one scenario share while it is planned.
type Context struct {
	Env *subject.Env
	Dir string // that relative paths start from
	// Calibrations are the texts that methods may look at; the first one gives
	// the second moments of the H-weighted error.
	Calibrations []*subject.Calibration
	Cases        []*subject.Case // before flags select from them
	// Scored is the text that perplexity scores; suites that want held-out
	// text and name none take it.
	Scored *Scored
}

// Scored is the text and recipe of the perplexity suite.
type Scored struct {
	Recipe  string
	Corpus  scenarios.Corpus
	Windows int // the first so many; 0 is all
}

// A Recipe says what a suite measures, and how it was executed.
type Recipe struct {
	Identity map[string]any // rows that differ are never compared
	Exec     map[string]any // rows that differ are compared above the noise floor
	Words    string         // one sentence
	Corpus   string
	Counts   map[string]int64
	Tokens   string // SHA-256 of the token ids
	// Checkpoint names one that is measured beside the model, with the hash of
	// its files; empty for none.
	Checkpoint string
}

// A Cost is an estimate of the work of one case.
type Cost struct {
	Tokens     int     // run through the model at prefill speed
	BaseTokens int     // run through the uncompressed model
	Steps      int     // decoding steps at batch 1
	Seconds    float64 // beyond these
	// Products are those of single matrices.
	Products []Product
	Bytes    int64 // that a suite that draws its weights holds in memory
}

// A Product is a matrix of so many weights times a batch of vectors, several
// times over; each time takes one call or more, and at least so many seconds.
type Product struct {
	Weights float64
	Batch   int
	Times   int
	Least   float64
}

// Out receives what a suite measures.
type Out struct {
	// Emit writes a value line; the caller fills in what the case decides.
	Emit func(results.Record) error
	// Progress is told how many of the suite's own steps are done.
	Progress func(done, total int)
	// Doubt takes a reason to doubt what is measured, for the table's notes.
	Doubt func(text string)
	// Block is the number of the block of a timing suite, from 0, and First
	// tells that the case has not run in this process yet.
	Block int
	First bool
	Clock bench.Clock
}

// Launched says how a suite is measured in fresh processes.
type Launched struct {
	// Layout returns how blocks and processes are arranged.
	Layout func(o any) Layout
	// Open makes a process ready to measure blocks of one case: it runs in
	// that process, and emits what is measured once in each.
	Open func(ctx context.Context, c subject.Child, o any, out Out) (Session, error)
}

// A Layout arranges blocks and the processes that measure them.
type Layout struct {
	Launches  int           // processes of a case for the suite's Blocks
	MaxBlocks int           // ceiling of blocks
	Budget    time.Duration // no block beyond Blocks begins after so long; 0 is no such limit
	HalfWidth float64       // blocks are added until the medians are known so well, relatively
	Metrics   []string      // whose medians
	Tokens    int           // positions that a process has room for
}

// A Session is a case that a process has opened.
type Session interface {
	// Block measures block out.Block.
	Block(ctx context.Context, out Out) error
	Close() error
}

// emit writes lines until one fails.
func (o Out) emit(lines ...results.Record) error {
	for _, r := range lines {
		if err := o.Emit(r); err != nil {
			return err
		}
	}
	return nil
}

// All lists every suite. To add one, add a line.
func All() []Suite {
	return []Suite{approxSuite, perplexitySuite, divergenceSuite, latencySuite, memorySuite, kernelspeedSuite}
}

// Lookup returns the suite of that name.
func Lookup(name string) (Suite, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Suite{}, false
}

// Names lists the suites.
func Names() []string {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name)
	}
	return names
}

// Calibration is the text that the H-weighted error is measured on, nil for
// none.
func (c *Context) Calibration() *subject.Calibration {
	if len(c.Calibrations) == 0 {
		return nil
	}
	return c.Calibrations[0]
}

// corpusRef resolves a corpus of the scenario.
func (c *Context) corpusRef(s scenarios.Corpus) subject.CorpusRef {
	ref := subject.CorpusRef{Name: s.Name, Join: s.Join}
	if s.File != "" {
		ref.File = s.Resolve(c.Dir)
	}
	return ref
}

// execution is the Exec that all suites share.
func (c *Context) execution() map[string]any {
	return map[string]any{"dtype": "float32", "logits": "float32", "kernels": c.Env.Device.Name(), "batch": int64(1)}
}

// text is the field pair by which a suite names a text and its windows.
type text struct {
	Recipe  string
	Corpus  scenarios.Corpus
	Windows int
}

// prepare opens and cuts the text and refuses the calibration text. Faults of
// different fields are told together.
func (t text) prepare(c *Context) (*subject.Windows, []error) {
	var errs []error
	if t.Windows < 0 {
		errs = append(errs, fmt.Errorf("windows: %d, want 1 or more, or 0 for all", t.Windows))
	}
	if err := c.Env.Model.CheckRecipe(t.Recipe); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.corpusRef(t.Corpus).Open(); err != nil {
		errs = append(errs, fmt.Errorf("corpus: %w", err))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	w, err := c.Env.Windows(t.Recipe, c.corpusRef(t.Corpus), t.Windows)
	if err != nil {
		return nil, []error{err}
	}
	for _, cal := range c.Calibrations {
		t, err := cal.Corpus.Open()
		if err == nil && t.SHA256 == w.Text.SHA256 {
			return nil, []error{fmt.Errorf("corpus: %s is also the calibration text; a text that methods may look at cannot be scored", w.Text.Name)}
		}
	}
	return w, nil
}

// scoredText completes a text that names no corpus by the one that perplexity
// scores: its corpus, and its recipe and windows unless t has its own. Without
// such a suite it is a fault, for the reason why.
func (c *Context) scoredText(t text, why string) (text, error) {
	if t.Corpus.Name == "" && t.Corpus.File == "" {
		if c.Scored == nil {
			return t, fmt.Errorf("corpus: missing, and there is no perplexity suite to take it from; %s", why)
		}
		t.Corpus = c.Scored.Corpus
		if t.Recipe == "" {
			t.Recipe = c.Scored.Recipe
		}
		if t.Windows == 0 {
			t.Windows = c.Scored.Windows
		}
	}
	if t.Recipe == "" {
		t.Recipe = "gptq-2048"
	}
	return t, nil
}

// recipe describes windows for records.
func recipe(c *Context, w *subject.Windows, words string) Recipe {
	return Recipe{
		Identity: w.Identity, Exec: c.execution(), Words: words,
		Corpus: w.Text.Name, Counts: w.Counts(), Tokens: w.Stats.StreamHash,
	}
}

// textWords says in one sentence how a text was cut and which tokens count.
func textWords(w *subject.Windows) string {
	id := w.Recipe.Identity()
	bos := map[string]string{"stream": "BOS at the start of the text only", "window": "BOS before every window"}[id.BOS]
	return fmt.Sprintf("%s: lines joined as %s, %s, windows of %d tokens each from an empty context, scored from position %d, tail dropped",
		w.Recipe, id.Join, bos, id.Window, id.ScoredFrom)
}
