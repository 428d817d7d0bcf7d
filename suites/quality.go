package suites

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites/approx"
	"github.com/sketchbench/sketchbench/suites/perplexity"
)

// perplexityOptions are the fields of the suite in a scenario.
type perplexityOptions struct {
	Recipe  string           `yaml:"recipe" doc:"how the text is cut: gptq-L, bos-each-L or llamacpp-Lh"`
	Corpus  scenarios.Corpus `yaml:"corpus" doc:"the text"`
	Windows int              `yaml:"windows" doc:"the first so many windows; 0 is all"` // 0 is all
}

var perplexitySuite = Suite{
	Name: "perplexity",
	New:  func() any { return &perplexityOptions{Recipe: "gptq-2048"} },
	Prepare: func(c *Context, o any) []error {
		p := o.(*perplexityOptions)
		if p.Corpus.Name == "" && p.Corpus.File == "" {
			return []error{fmt.Errorf("corpus: missing, want a shipped corpus or {file: PATH}")}
		}
		_, errs := text(*p).prepare(c)
		return errs
	},
	Scores: func(o any) *Scored {
		p := o.(*perplexityOptions)
		return &Scored{p.Recipe, p.Corpus, p.Windows}
	},
	Recipe: func(c *Context, o any) Recipe {
		w := mustWindows(c, text(*o.(*perplexityOptions)))
		return recipe(c, w, textWords(w)+"; exp of the mean nll")
	},
	Cost: func(c *Context, o any) Cost {
		return Cost{Tokens: mustWindows(c, text(*o.(*perplexityOptions))).Tokens()}
	},
	Run: runPerplexity,
}

// mustWindows returns windows that Prepare has cut before.
func mustWindows(c *Context, t text) *subject.Windows {
	w, err := c.Env.Windows(t.Recipe, c.corpusRef(t.Corpus), t.Windows)
	if err != nil {
		panic(err) // Prepare refused it
	}
	return w
}

func runPerplexity(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	w := mustWindows(c, text(*o.(*perplexityOptions)))
	e, err := s.Engine(w.Longest())
	if err != nil {
		return err
	}
	for i := range w.Windows {
		if err := perplexityWindow(ctx, e, w, i, out); err != nil {
			return err
		}
		out.Progress(i+1, len(w.Windows))
	}
	return nil
}

// perplexityWindow scores window i and records what it came to.
func perplexityWindow(ctx context.Context, m perplexity.Scorer, w *subject.Windows, i int, out Out) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	win := w.Windows[i]
	score, err := perplexity.Of(ctx, m, perplexity.Window{Tokens: win.Tokens, From: win.ScoreFrom})
	if err != nil {
		return fmt.Errorf("window %d: %w", i, err)
	}
	targets := float64(score.Targets)
	return out.emit(
		results.Record{Metric: "nll", Value: score.NLL, Weight: targets, Sample: i},
		results.Record{Metric: "nll_sq", Value: score.NLLSq, Weight: targets, Sample: i})
}

// approxOptions are the fields of the suite in a scenario.
type approxOptions struct {
	Recipe  string           `yaml:"recipe" doc:"how the text is cut: gptq-L, bos-each-L or llamacpp-Lh"`  // default: that of perplexity
	Corpus  scenarios.Corpus `yaml:"corpus" doc:"the text"`                                                // default: that of perplexity
	Windows int              `yaml:"windows" doc:"the first so many windows; 0 is all"`                    // held-out windows for the output error; default: the first 4 of those scored
	Hessian bool             `yaml:"hessian" doc:"measure the H-weighted error if there is a calibration"` // measure the H-weighted error if there is a calibration
	Delta   *deltaOptions    `yaml:"delta" doc:"measure how well an update of the weights can be approximated, and nothing else"`
}

var approxSuite = Suite{
	Name:    "approx",
	Draws:   func(o any) bool { return o.(*approxOptions).Delta.drawn() },
	New:     func() any { return &approxOptions{Hessian: true} },
	Prepare: prepareApprox,
	Recipe: func(c *Context, o any) Recipe {
		a := o.(*approxOptions)
		if a.Delta != nil {
			return deltaRecipe(c, a.Delta)
		}
		w := mustWindows(c, a.text())
		r := recipe(c, w, fmt.Sprintf("output errors on the uncompressed model's inputs in the first %d windows of recipe %s", len(w.Windows), w.Recipe))
		r.Identity = maps.Clone(r.Identity)
		r.Identity["hessian"] = a.Hessian && c.Calibration() != nil
		if a.Hessian && c.Calibration() != nil {
			r.Identity["hessian_calibration"] = c.Calibration().Describe(c.Env.Model)
		}
		return r
	},
	Cost: func(c *Context, o any) Cost {
		if d := o.(*approxOptions).Delta; d != nil {
			return deltaCost(c, d)
		}
		return Cost{Tokens: 3 * mustWindows(c, o.(*approxOptions).text()).Tokens()}
	},
	Run: runApprox,
}

func (a approxOptions) text() text { return text{a.Recipe, a.Corpus, a.Windows} }

func prepareApprox(c *Context, o any) []error {
	a := o.(*approxOptions)
	if a.Delta != nil {
		return prepareDelta(c, a)
	}
	t, err := c.scoredText(a.text(), "output errors need held-out text")
	if err != nil {
		return []error{err}
	}
	a.Recipe, a.Corpus = t.Recipe, t.Corpus
	w, errs := t.prepare(c)
	if len(errs) == 0 && a.Windows == 0 {
		a.Windows = min(approxWindows, len(w.Windows))
	}
	return errs
}

// approxWindows is how many windows the output errors are measured on where a
// scenario says nothing else.
const approxWindows = 4

// runApprox measures all linear layers of the model: those that the method
// left alone have error 0, and share in the denominators.
func runApprox(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	a := o.(*approxOptions)
	if a.Delta != nil {
		return runDelta(ctx, c, s, a.Delta, out)
	}
	cfg := s.Env.Model.Config
	specs := map[string]model.LinearSpec{}
	var order []model.LinearSpec
	for layer := range cfg.Layers {
		for _, spec := range cfg.Linears(layer) {
			specs[spec.Name] = spec
			order = append(order, spec)
		}
	}
	w := mustWindows(c, a.text())
	m := approxRun{s: s, specs: specs, outputs: map[string]approx.Distance{}, base: s.Env.Model.Weights()}
	defer func() {
		// Nobody else needs the base, and the second moments of a wide layer
		// are hundreds of megabytes that the next suite shall not start on.
		s.CloseEngines()
		debug.FreeOSMemory()
	}()
	steps, done := len(order)+len(w.Windows), 0
	step := func() { done++; out.Progress(done, steps) }
	for i, win := range w.Windows {
		if err := m.window(ctx, win.Tokens, w.Longest()); err != nil {
			return fmt.Errorf("window %d: %w", i, err)
		}
		step()
	}
	tokens := w.Tokens()
	for _, spec := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.emit(ctx, c, a, spec, tokens, out); err != nil {
			return fmt.Errorf("tensor %s: %w", spec.Name, err)
		}
		step()
	}
	if err := m.emitProfile(out); err != nil {
		return err
	}
	return emitNotes(s, func(tensor string) float64 { return float64(specs[tensor].Out) * float64(specs[tensor].In) }, out)
}

// approxRun is the state of one case's run.
type approxRun struct {
	s       *subject.Subject
	specs   map[string]model.LinearSpec
	base    engine.Weights
	outputs map[string]approx.Distance
	whole   approx.Profile // of the matrices that the case compresses
	err     error
}

// window adds the output errors on one window of held-out text.
func (m *approxRun) window(ctx context.Context, tokens []int, longest int) error {
	e, err := m.s.Base(longest)
	if err != nil {
		return err
	}
	e.SetObserver(m.observe)
	defer e.SetObserver(nil)
	if err := e.Forward(ctx, tokens); err != nil {
		return err
	}
	return m.err
}

func (m *approxRun) observe(names []string, x kernels.Buffer, t int) {
	if m.err != nil {
		return
	}
	in := m.specs[names[0]].In
	host := make([]float32, t*in)
	m.s.Env.Device.Read(host, x)
	for _, name := range names {
		w, err := m.base.Weight(name)
		if err != nil {
			m.err = err
			return
		}
		what, err := m.s.Weights().Weight(name)
		if err != nil {
			m.err = err
			return
		}
		d, err := approx.Outputs(m.s.Env.Gemm, w, what, host, t)
		if err != nil {
			m.err = fmt.Errorf("tensor %s: %w", name, err)
			return
		}
		sum := m.outputs[name]
		m.outputs[name] = approx.Distance{ErrSq: sum.ErrSq + d.ErrSq, RefSq: sum.RefSq + d.RefSq}
	}
}

// emit writes the errors of one matrix.
func (m *approxRun) emit(ctx context.Context, c *Context, a *approxOptions, spec model.LinearSpec, tokens int, out Out) error {
	w, err := m.base.Weight(spec.Name)
	if err != nil {
		return err
	}
	what, err := m.s.Weights().Weight(spec.Name)
	if err != nil {
		return err
	}
	weights := float64(spec.Out) * float64(spec.In)
	pair := func(prefix string, d approx.Distance, weight float64) error {
		return out.emit(
			results.Record{Metric: prefix + "_err_sq", Item: spec.Name, Value: d.ErrSq, Weight: weight},
			results.Record{Metric: prefix + "_ref_sq", Item: spec.Name, Value: d.RefSq, Weight: weight})
	}
	d, err := approx.Weights(w, what)
	if err != nil {
		return err
	}
	if m.s.Case.Covers(spec.Name) {
		p, err := approx.ProfileOf(w, what)
		if err != nil {
			return err
		}
		if err := m.profile(spec, p, out); err != nil {
			return err
		}
	}
	if err := pair("weight", d, weights); err != nil {
		return err
	}
	if a.Hessian && c.Calibration() != nil {
		h, err := m.s.Env.Hessian(ctx, *c.Calibration(), spec)
		if err != nil {
			return err
		}
		if d, err = approx.Hessian(m.s.Env.Gemm, w, what, h); err != nil {
			return err
		}
		if err := pair("h", d, weights); err != nil {
			return err
		}
	}
	return pair("output", m.outputs[spec.Name], float64(tokens)*float64(spec.Out))
}
