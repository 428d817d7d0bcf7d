package subject

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/stage"
)

// Key returns the preimage of a case's artefact hash: everything that decides
// its bytes.
func (e *Env) Key(c *Case) map[string]any {
	key := map[string]any{
		"base": e.Model.SourcesHash(), "method": c.Method.Name, "method_version": int64(c.Method.Version),
		"params": c.Params, "seed": int64(c.Seed), "format": int64(artefact.Format),
	}
	if c.Source != nil {
		key["import"] = c.Source.hash()
	}
	if c.Calibration != nil {
		key["calibration"] = c.Calibration.Describe(e.Model)
		key["device_class"] = deviceClass
		key["walk_version"] = int64(walkVersion)
	}
	return key
}

// deviceClass is part of the key of what is computed from activations.
const deviceClass = "cpu"

// walkVersion is bumped when the moments that a walk hands out change.
const walkVersion = 1

// Cached reports whether nothing is to be made for a case: its artefact is in
// the cache, or it has none.
func (e *Env) Cached(c *Case) bool {
	if c.Method.Dense() || e.Model.None() {
		return true
	}
	_, ok := e.Cache.Lookup("artefacts", e.Key(c))
	return ok
}

// Open makes a case ready: it opens the artefact, which is made first unless
// the cache holds it. Failures are StageErrors.
func (e *Env) Open(ctx context.Context, c *Case, progress Progress) (*Subject, error) {
	s := &Subject{Env: e, Case: c, Seconds: map[Stage]time.Duration{}}
	start := time.Now()
	if c.Method.Dense() {
		if err := e.checkWeights(ctx); err != nil {
			return nil, err
		}
		a, err := e.dense()
		if err != nil {
			return nil, &StageError{StageLoad, err}
		}
		s.Artefact, s.Hit = a, true
		s.Seconds[StageLoad] = time.Since(start)
		return s, nil
	}
	if err := e.openCached(ctx, s, progress); err != nil {
		return nil, err
	}
	return s, nil
}

// ArtefactRequest asks the cache for a case's artefact; it does not say how to
// make it.
func (e *Env) ArtefactRequest(c *Case) stage.Request {
	return stage.Request{Stage: "artefacts", Key: e.Key(c), About: e.Model.about(), Bytes: e.ArtefactBytes(c)}
}

// openCached opens the artefact of the cache, which is made if it is not there
// or damaged.
func (e *Env) openCached(ctx context.Context, s *Subject, progress Progress) error {
	var start time.Time
	request := e.ArtefactRequest(s.Case)
	request.Build = func(tmp string) error { return e.build(ctx, s, tmp, progress) }
	request.Check = func(dir string) (err error) {
		start = time.Now()
		if err := e.checkOnce(ctx, dir); err != nil {
			return err
		}
		s.Artefact, err = artefact.Open(dir)
		return err
	}
	entry, err := e.Cache.Do(ctx, request)
	if err != nil {
		return openingError(ctx, err)
	}
	s.entry, s.dir, s.Hit = entry, entry.Dir, entry.Hit
	if !entry.Hit {
		start = time.Now()
		if s.Artefact, err = artefact.Open(entry.Dir); err != nil {
			return &StageError{StageLoad, errors.Join(err, entry.Close())}
		}
		e.checked(entry.Dir)
	}
	s.Seconds[StageLoad] = time.Since(start)
	return nil
}

// openingError says in which step the cache failed.
func openingError(ctx context.Context, err error) error {
	var step *StageError
	var damaged *stage.DamagedError
	switch {
	case errors.As(err, &step):
		return step // without the cache's own prefix
	case ctx.Err() != nil:
		return err
	case errors.As(err, &damaged):
		return &StageError{StageLoad, damaged}
	}
	return &StageError{StageCompress, err}
}

// checkOnce reads the files of an entry that an earlier process made, once in
// this one, and compares them with their hashes, so that damaged weights are
// not measured.
func (e *Env) checkOnce(ctx context.Context, dir string) error {
	if e.verified[dir] {
		return nil
	}
	if _, err := stage.Verify(ctx, filepath.Dir(dir), func(int64, int64) {}); err != nil {
		return err
	}
	e.checked(dir)
	return nil
}

// checked notes that an entry is sound.
func (e *Env) checked(dir string) {
	if e.verified == nil {
		e.verified = map[string]bool{}
	}
	e.verified[dir] = true
}

// lean keeps garbage below a fifth of what is in use until the returned
// function is called, which gives free memory back to the system. The matrices
// of a wide layer are hundreds of megabytes: with the usual doubling they would
// not fit beside what the last layer left.
func lean() (done func()) {
	percent := debug.SetGCPercent(20)
	return func() {
		debug.SetGCPercent(percent)
		debug.FreeOSMemory()
	}
}

// checkWeights reads all weights of the model and names those that are not
// finite.
func (e *Env) checkWeights(ctx context.Context) error {
	err := engine.CheckFinite(ctx, e.Model.Config, e.Model.Weights())
	if err != nil && ctx.Err() == nil {
		err = &StageError{StageLoad, err}
	}
	return err
}

// build calibrates and compresses into dir. The check of the weights runs
// beside it and, being faster, reads the files ahead of it, in the order of the
// layers. What the check finds is the error, whatever else went wrong: behind
// a weight that is not finite calibration diverges.
func (e *Env) build(ctx context.Context, s *Subject, dir string, progress Progress) error {
	checked := make(chan error, 1)
	go func() { checked <- e.checkWeights(ctx) }()
	w, err := e.compress(ctx, s, dir, progress)
	if bad := <-checked; bad != nil {
		return bad
	}
	if err != nil {
		return err
	}
	_, err = w.Finish()
	return err
}

// compress makes all of the artefact but its end.
func (e *Env) compress(ctx context.Context, s *Subject, dir string, progress Progress) (*artefact.Writer, error) {
	defer lean()()
	c := s.Case
	w, err := artefact.Create(dir, e.manifestHead(c))
	if err != nil {
		return nil, err
	}
	b := builder{ctx: ctx, env: e, c: c, out: w, s: s, progress: progress}
	if err := b.linears(); err != nil {
		return nil, err
	}
	if err := b.others(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(e.Model.Small)) {
		if err := w.CopyFile(name, e.Model.Small[name]); err != nil {
			return nil, err
		}
	}
	return w, b.notes.write(dir)
}

// A builder is one case being compressed.
type builder struct {
	ctx      context.Context
	env      *Env
	c        *Case
	out      *artefact.Writer
	s        *Subject
	progress Progress
	wide     []float32      // the matrix in work
	settled  map[string]any // options by tensor, where a first phase has chosen them
	notes    notes          // diagnostics

	visits, visited int // of all groups: in all, and ended
}

// linears compresses the covered linear layers and stores the others as they
// are.
func (b *builder) linears() error {
	if err := b.budget(); err != nil {
		return err
	}
	base := b.c.Method.Moments == MeanSquares
	if inputs := b.c.Method.BaseInputs; inputs != nil {
		base = inputs(b.c.Options)
	}
	together, err := b.anyTogether()
	switch {
	case err != nil:
		return err
	case together:
		return b.together(base)
	}
	return b.visit(base, b.group)
}

// group compresses the linear layers of one group.
func (b *builder) group(g calib.Group) (map[string]packed.Weight, error) {
	start := time.Now()
	defer func() { b.s.Seconds[StageCompress] += time.Since(start) }()
	made := map[string]packed.Weight{}
	shared := b.share(g)
	for _, spec := range g.Linears {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		w, err := b.matrix(spec, g, shared)
		if err != nil {
			return nil, &StageError{StageCompress, fmt.Errorf("tensor %s: %w", spec.Name, err)}
		}
		if w != nil {
			made[spec.Name] = w
		}
	}
	return made, nil
}

// shared is what matrices of the same input share, made on first use.
type shared struct {
	factor func(compensate.FactorOptions) (*compensate.Factor, error)
	root   func() (linalg.Root, error)
}

func (b *builder) share(g calib.Group) shared {
	factors := map[compensate.FactorOptions]*compensate.Factor{}
	return shared{
		factor: func(o compensate.FactorOptions) (*compensate.Factor, error) {
			if f, ok := factors[o]; ok {
				return f, nil
			}
			h := g.H
			if len(factors) > 0 || b.needsH(g) {
				h = append([]float32(nil), g.H...)
			}
			f, err := compensate.NewFactor(b.env.Gemm, h, len(g.MeanSquare), o)
			if err == nil {
				factors[o] = f
			}
			return f, err
		},
		root: sync.OnceValues(func() (linalg.Root, error) { return svdllm.NewRoot(g.H, len(g.MeanSquare), g.Tokens) }),
	}
}

// needsH reports whether H of a group is wanted after it has been factored:
// by a method that looks at it, or for another factorisation.
func (b *builder) needsH(g calib.Group) bool {
	seen := map[any]bool{}
	for _, spec := range g.Linears {
		if b.c.Covers(spec.Name) {
			o := optionsFor(b.c.Options, b.c.Overrides, spec.Name)
			if keeps := b.c.Method.KeepsH; keeps != nil && keeps(o) {
				return true
			}
			seen[o] = true
		}
	}
	return len(seen) > 1
}

// matrix compresses one linear layer; nil says that it is left alone.
func (b *builder) matrix(spec model.LinearSpec, g calib.Group, shared shared) (packed.Weight, error) {
	if !b.c.Covers(spec.Name) {
		return nil, b.untouched(spec.Name)
	}
	if b.c.Source != nil {
		return b.imported(spec)
	}
	m, err := b.load(spec, g, shared)
	if err != nil {
		return nil, err
	}
	options, err := b.optionsFor(m)
	if err != nil {
		return nil, err
	}
	what, err := b.c.Method.Compress(m, options)
	if err != nil {
		return nil, err
	}
	return what, b.out.Add(spec.Name, what, b.c.NominalBits(spec))
}

// others stores what no method compresses: embedding, head and norms.
func (b *builder) others() error {
	cfg := b.env.Model.Config
	for _, spec := range cfg.Tensors() {
		if spec.Class == model.ClassLinear {
			continue
		}
		if err := b.untouched(spec.Name); err != nil {
			return &StageError{StageLoad, err}
		}
	}
	return nil
}

// untouched stores a tensor as it is: that of the case's source, if it has one,
// or the model's own.
func (b *builder) untouched(name string) error {
	t, ok, err := b.c.Source.tensor(name)
	if err != nil {
		return err
	}
	if !ok {
		t, ok = b.env.Model.Tensors.Tensor(name)
	}
	if !ok {
		return fmt.Errorf("tensor %s: missing", name)
	}
	return b.out.AddTensor(t)
}
