package suites

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites/approx"
)

// deltaOptions is the field delta of approx: an update Δ that is measured in
// place of the weights' error. Either a pair of checkpoints gives it, Δ = tuned −
// base for each linear layer that tuned has, or it is drawn: n×n matrices with
// squared singular values i^(−eta).
type deltaOptions struct {
	Base  string    `yaml:"base" doc:"checkpoint before fine-tuning: the scenario's model, the default"`
	Tuned string    `yaml:"tuned" doc:"checkpoint after fine-tuning: demo-tuned or a folder of safetensors files with some of the model's linear layers"`
	Eta   []float64 `yaml:"eta" doc:"without checkpoints: exponents of the squared singular values of drawn matrices"`
	Size  []int     `yaml:"size" doc:"rows and columns of drawn matrices"`
	Draws int       `yaml:"draws" doc:"random draws: of the control for a pair of checkpoints (default 5), else of the matrices (default 20)"`

	spectra map[string]approx.Spectrum // of each Δ, which all cases share
	factors map[[2]int]*approx.Factors // of drawn matrices, by size and draw
}

// Defaults of draws, and the largest size: the decomposition of one matrix of
// 4096 rows takes minutes.
const (
	controlDraws = 5
	matrixDraws  = 20
	defaultSize  = 512
	largestSize  = 4096
)

// drawn reports whether Δ is drawn.
func (d *deltaOptions) drawn() bool { return d != nil && len(d.Eta) > 0 }

// prepareDelta checks the field delta and what does not go with it.
func prepareDelta(c *Context, a *approxOptions) []error {
	d := a.Delta
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	text := "has no part in the error of updates, which needs no text: remove it"
	if a.Recipe != "" {
		bad("recipe: %s", text)
	}
	if a.Corpus.Name != "" || a.Corpus.File != "" {
		bad("corpus: %s", text)
	}
	if a.Windows != 0 {
		bad("windows: %s", text)
	}
	if d.Draws < 0 || d.Draws == 1 {
		bad("delta.draws: %d, want 2 or more (fewer have no spread), or 0 for the default", d.Draws)
	}
	switch pair := d.Tuned != "" || d.Base != ""; {
	case pair && (len(d.Eta) > 0 || len(d.Size) > 0):
		bad("delta: a pair of checkpoints and a prescribed spectrum (eta, size), want one of them")
	case pair:
		errs = append(errs, d.preparePair(c)...)
	case len(d.Eta) == 0:
		bad("delta: want {tuned: CHECKPOINT}, the model after fine-tuning, or {eta: [0.1, 0.2, …], size: %d}, matrices of a prescribed spectrum", defaultSize)
	default:
		errs = append(errs, d.prepareDrawn(c)...)
	}
	return errs
}

// preparePair opens the checkpoints.
func (d *deltaOptions) preparePair(c *Context) []error {
	if c.Env.Model.None() {
		return []error{fmt.Errorf("delta.tuned: there is no model (model: %s) that was tuned; without one, delta takes eta and size", subject.NoModel)}
	}
	var errs []error
	if d.Draws == 0 {
		d.Draws = controlDraws
	}
	if d.Base == "" {
		d.Base = c.Env.Model.Ref
	}
	if same, err := c.Env.Model.Is(d.Base, c.path(d.Base)); err != nil {
		errs = append(errs, ofField("delta.base", err)...)
	} else if !same {
		errs = append(errs, fmt.Errorf("delta.base: %s is not the model of the scenario, %s: the mappings are learned from the model's weights, so it has to be the base", d.Base, c.Env.Model.Name))
	}
	if d.Tuned == "" {
		return append(errs, fmt.Errorf("delta.tuned: missing, want %s or a folder of safetensors files", demo.Tuned))
	}
	if _, err := c.Env.Tuned(d.Tuned, c.path(d.Tuned)); err != nil {
		return append(errs, ofField("delta.tuned", err)...)
	}
	linears := c.Env.Model.Linears()
	return append(errs, c.checkSketches(linears[0].Out, linears[0].In, "tuned")...)
}

// ofField puts a field before every line of an error. What a file lacks is told
// by the checkpoint's own error, so the chain ends here.
func ofField(field string, err error) []error {
	var errs []error
	for _, line := range strings.Split(err.Error(), "\n") {
		errs = append(errs, fmt.Errorf("%s: %s", field, line))
	}
	return errs
}

// prepareDrawn checks sizes and exponents against every case.
func (d *deltaOptions) prepareDrawn(c *Context) []error {
	var errs []error
	if d.Draws == 0 {
		d.Draws = matrixDraws
	}
	if len(d.Size) == 0 {
		d.Size = []int{defaultSize}
	}
	for i, eta := range d.Eta {
		if !(eta >= 0 && eta <= 4) {
			errs = append(errs, fmt.Errorf("delta.eta[%d]: %v, want 0 to 4", i, eta))
		}
	}
	if !slices.IsSorted(d.Eta) {
		errs = append(errs, fmt.Errorf("delta.eta: %v, want them in rising order", d.Eta))
	}
	for i, n := range d.Size {
		if n < 8 || n > largestSize {
			errs = append(errs, fmt.Errorf("delta.size[%d]: %d, want 8 to %d", i, n, largestSize))
			continue
		}
		for _, cs := range c.Cases {
			if err := cs.CheckShape(n, n); err != nil {
				errs = append(errs, fmt.Errorf("delta.size[%d]: %d: %s: %w", i, n, cs.Label, err))
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return c.checkSketches(d.Size[0], d.Size[0], "eta")
}

// checkSketches refuses a scenario none of whose cases has tables that an
// update could be projected on.
func (c *Context) checkSketches(out, in int, field string) []error {
	for _, cs := range c.Cases {
		if cs.CheckShape(out, in) != nil {
			return nil // told elsewhere
		}
		if _, ok := approx.Sketch(cs.Draw(out, in, 0)); ok {
			return nil
		}
	}
	if len(c.Cases) == 0 {
		return nil
	}
	return []error{fmt.Errorf("delta.%s: no method of this scenario stores codes and a table (a codebook), as sketchtune does; an update is projected on those", field)}
}

// path is where a checkpoint of the scenario lies.
func (c *Context) path(ref string) string {
	if filepath.IsAbs(ref) {
		return ref
	}
	return filepath.Join(c.Dir, ref)
}

// deltaRecipe describes the measurement for records.
func deltaRecipe(c *Context, d *deltaOptions) Recipe {
	id := map[string]any{"draws": int64(d.Draws)}
	exec := c.execution()
	delete(exec, "batch")
	delete(exec, "logits")
	r := Recipe{Identity: id, Exec: exec}
	against := "against the optimal k-means of Δ itself, random buckets of equal size, and the best approximations of rank 8, of equal trainable numbers and of equal bytes (16-bit factors), from the singular values of Δ"
	if d.drawn() {
		id["eta"], id["size"] = d.Eta, d.Size
		r.Words = fmt.Sprintf("matrices Δ = U·diag(i^(−η/2))·Vᵀ with random orthogonal factors, %d draws; projection of Δ on the mapping that the case learns from a normal random matrix, %s", d.Draws, against)
		return r
	}
	tuned := d.checkpoint(c)
	id["base"], id["tuned"] = c.Env.Model.SourcesHash(), tuned.SourcesHash()
	r.Checkpoint = tuned.Name
	r.Words = fmt.Sprintf("update Δ = W′ − W from %s to %s; projection of Δ on the mapping that the case learned from W, %s; %d draws of the random buckets", c.Env.Model.Name, tuned.Name, against, d.Draws)
	return r
}

// checkpoint is the tuned one, which Prepare has opened.
func (d *deltaOptions) checkpoint(c *Context) *subject.Model {
	m, err := c.Env.Tuned(d.Tuned, c.path(d.Tuned))
	if err != nil {
		panic(err) // Prepare refused it
	}
	return m
}

// deltaCost guesses the work of one case. To decompose n×n numbers, which cases
// share, takes some n³·1.5 ns; clustering, for k-means and the case's mapping,
// some 1 µs a weight, and all else a tenth of that.
func deltaCost(c *Context, d *deltaOptions) Cost {
	var cost Cost
	add := func(out, in, decomposed, clustered, measured int) {
		n, weights := float64(min(out, in)), float64(out)*float64(in)
		cost.Seconds += float64(decomposed)*n*n*n*1.5e-9/float64(max(len(c.Cases), 1)) + (float64(clustered)+0.1*float64(measured))*weights*1e-6
		cost.Bytes = max(cost.Bytes, int64(6*4*weights))
	}
	if d.drawn() {
		for _, n := range d.Size {
			add(n, n, d.Draws*(len(d.Eta)+2), d.Draws+len(d.Eta), d.Draws*len(d.Eta))
		}
		return cost
	}
	tuned := d.checkpoint(c)
	for _, s := range c.Env.Model.Linears() {
		if _, ok := tuned.Tensors.Tensor(s.Name); ok {
			add(s.Out, s.In, 1, 1, d.Draws)
		}
	}
	return cost
}

// runDelta measures the updates of one case.
func runDelta(ctx context.Context, c *Context, s *subject.Subject, d *deltaOptions, out Out) error {
	if d.spectra == nil {
		d.spectra, d.factors = map[string]approx.Spectrum{}, map[[2]int]*approx.Factors{}
	}
	if d.drawn() {
		return runDrawn(ctx, s, d, out)
	}
	return runPair(ctx, c, s, d, out)
}
