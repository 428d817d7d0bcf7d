package suites

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites/divergence"
	"github.com/sketchbench/sketchbench/suites/perplexity"
)

// divergenceOptions are the fields of the suite in a scenario.
type divergenceOptions struct {
	Recipe  string           `yaml:"recipe" doc:"how the text is cut: gptq-L, bos-each-L or llamacpp-Lh"` // default: that of perplexity
	Corpus  scenarios.Corpus `yaml:"corpus" doc:"the text"`                                               // default: that of perplexity
	Windows int              `yaml:"windows" doc:"the first so many windows; 0 is all"`                   // default: those of perplexity, all with a corpus of its own
}

func (d divergenceOptions) text() text { return text(d) }

// On how many windows the uncompressed model is compared with itself, run in
// other chunks: of a compressed case, and of an uncompressed one, whose
// divergence is nothing else.
const (
	controlWindows = 1
	denseWindows   = 4
)

var divergenceSuite = Suite{
	Name: "divergence",
	New:  func() any { return &divergenceOptions{} },
	Prepare: func(c *Context, o any) []error {
		d := o.(*divergenceOptions)
		t, err := c.scoredText(d.text(), "there is no text to compare on")
		if err != nil {
			return []error{err}
		}
		*d = divergenceOptions(t)
		_, errs := t.prepare(c)
		return errs
	},
	Recipe: func(c *Context, o any) Recipe {
		w := mustWindows(c, o.(*divergenceOptions).text())
		r := recipe(c, w, textWords(w)+fmt.Sprintf("; KL(uncompressed ‖ case) over the whole vocabulary; control: the uncompressed model against itself in chunks of %d positions, on the first window",
			subject.ControlChunk))
		r.Identity = maps.Clone(r.Identity)
		r.Identity["control_chunk"], r.Identity["control_windows"], r.Identity["dense_windows"] = int64(subject.ControlChunk), int64(controlWindows), int64(denseWindows)
		return r
	},
	Cost: func(c *Context, o any) Cost {
		cost := divergenceCost(c, o)
		cost.Tokens = mustWindows(c, o.(*divergenceOptions).text()).Tokens()
		return cost
	},
	Run: runDivergence,
	Joint: &Joint{
		With: "perplexity",
		Fits: func(c *Context, o, with any) bool {
			a, b := mustWindows(c, o.(*divergenceOptions).text()), mustWindows(c, text(*with.(*perplexityOptions)))
			return reflect.DeepEqual(a.Identity, b.Identity) && len(a.Windows) == len(b.Windows)
		},
		Run:  runWithPerplexity,
		Cost: divergenceCost,
	},
}

// divergenceCost is what the uncompressed model adds to a walk; chunks of 8
// positions take some three times as long.
func divergenceCost(c *Context, o any) Cost {
	w := mustWindows(c, o.(*divergenceOptions).text())
	return Cost{BaseTokens: w.Tokens() + 3*controlWindows*w.Longest()}
}

// runDivergence walks over the windows with both models.
func runDivergence(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	r, err := newDivergence(c, s, o, out)
	if err != nil {
		return err
	}
	defer r.close()
	e, err := s.Engine(r.w.Longest())
	if err != nil {
		return err
	}
	for i, win := range r.w.Windows[:r.windows] {
		if err := ctx.Err(); err != nil {
			return err
		}
		score, err := divergence.Of(ctx, r.base, e, win.Tokens, win.ScoreFrom)
		if err := r.window(ctx, i, score, err); err != nil {
			return err
		}
		out.Progress(i+1, r.windows)
	}
	return r.finish()
}

// runWithPerplexity walks once for both suites: perplexity scores the case
// through a pair that compares the logits that it reads with those of the
// uncompressed model. A fault of the comparison leaves perplexity alone.
func runWithPerplexity(ctx context.Context, c *Context, s *subject.Subject, own, with Part) (err, withErr error) {
	r, err := newDivergence(c, s, own.Options, own.Out)
	if err == nil {
		defer r.close()
	}
	w := mustWindows(c, text(*with.Options.(*perplexityOptions)))
	e, withErr := s.Engine(w.Longest())
	if withErr != nil {
		return withErr, withErr
	}
	for i := range w.Windows {
		var m perplexity.Scorer = e
		var pair *divergence.Pair
		if err == nil && i < r.windows {
			pair = &divergence.Pair{Base: r.base, Other: e}
			m = pair
		}
		if withErr = perplexityWindow(ctx, m, w, i, with.Out); withErr != nil {
			if err == nil {
				err = withErr
			}
			return err, withErr
		}
		if pair != nil {
			score, scoreErr := pair.Score()
			err = r.window(ctx, i, score, scoreErr)
		}
		with.Out.Progress(i+1, len(w.Windows))
	}
	if err == nil {
		err = r.finish()
	}
	return err, nil
}

// divergenceRun is the state of one case's run.
type divergenceRun struct {
	s       *subject.Subject
	w       *subject.Windows
	out     Out
	base    divergence.Model
	control *subject.BaseModel // stands for base where the case is the uncompressed model
	windows int                // how many are compared, the first ones

	entropy float64
	ties    int
	tokens  []divergence.Token
}

// newDivergence opens what a case is compared with.
func newDivergence(c *Context, s *subject.Subject, o any, out Out) (*divergenceRun, error) {
	w := mustWindows(c, o.(*divergenceOptions).text())
	r := &divergenceRun{s: s, w: w, out: out, windows: len(w.Windows)}
	if s.Case.Method.Dense() {
		r.windows = min(denseWindows, len(w.Windows))
		e, err := s.Control(w.Longest())
		r.base, r.control = e, e
		return r, err
	}
	b, err := s.BaseModel(w.Longest())
	r.base = b
	return r, err
}

// close releases the models that nothing else needs.
func (r *divergenceRun) close() {
	if r.control != nil {
		r.control.Close()
	}
	r.s.CloseEngines()
}

// window records what window i came to.
func (r *divergenceRun) window(ctx context.Context, i int, score divergence.Score, err error) error {
	self := score
	if err == nil && i < controlWindows && r.control == nil {
		self, err = r.self(ctx, i)
	}
	if err != nil {
		return fmt.Errorf("window %d: %w", i, classed(err))
	}
	r.entropy += score.BaseEntropy
	r.ties += score.Ties
	r.tokens = append(r.tokens, score.Tokens...)
	line := func(metric string, v float64) results.Record {
		return results.Record{Metric: metric, Value: v, Weight: float64(score.Targets), Sample: i}
	}
	lines := []results.Record{
		line("kl", score.KL), line("top1", float64(score.Top1)), line("top5", score.Top5),
		line("dp", score.DP), line("dp_sq", score.DPSq), line("base_nll", score.BaseNLL),
	}
	if i < controlWindows || r.control != nil {
		lines = append(lines, line("self_kl", self.KL), line("self_top1", float64(self.Top1)))
	}
	return r.out.emit(lines...)
}

// self compares the uncompressed model with itself in other chunks.
func (r *divergenceRun) self(ctx context.Context, i int) (divergence.Score, error) {
	win := r.w.Windows[i]
	e, err := r.s.Control(len(win.Tokens))
	if err != nil {
		return divergence.Score{}, err
	}
	defer e.Close()
	score, err := divergence.Of(ctx, r.base, e, win.Tokens, win.ScoreFrom)
	if err != nil {
		return score, fmt.Errorf("control: %w", err)
	}
	return score, nil
}

// finish records what is formed over all tokens of the case.
func (r *divergenceRun) finish() error {
	n := float64(len(r.tokens))
	lines := []results.Record{
		{Metric: "base_entropy", Value: r.entropy, Weight: n},
		{Metric: "ties", Value: float64(r.ties), Weight: n},
	}
	for _, p := range divergence.OfKL(r.tokens) {
		lines = append(lines, results.Record{Metric: "kl_percentile", Item: p.Name, Value: p.Value, Weight: n})
	}
	for _, p := range divergence.OfDP(r.tokens) {
		lines = append(lines, results.Record{Metric: "dp_percentile", Item: p.Name, Value: p.Value, Weight: n})
	}
	return r.out.emit(lines...)
}

// classed gives the errors of the comparison the classes of failures.
func classed(err error) error {
	switch {
	case errors.Is(err, divergence.ErrNegative):
		return fmt.Errorf("%w: %w", ErrBug, err)
	case errors.Is(err, divergence.ErrNotFinite):
		return fmt.Errorf("%w: %w", subject.ErrDiverged, err)
	}
	return err
}
