package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// quality runs the suites that are not timings, case by case.
func (r *run) quality(ctx context.Context) error {
	for i := range r.p.Cases {
		var pending []plan.Suite
		for _, s := range r.p.Suites {
			if !s.Timing && !r.done[r.cell(i, s)] {
				pending = append(pending, s)
			}
		}
		if len(pending) == 0 && !r.timingPending(i) {
			continue
		}
		measure := r.boundedCase
		if r.o.Worker != nil {
			measure = r.isolatedCase
		}
		if err := measure(ctx, i, pending); err != nil {
			return err
		}
		if r.failsFast() {
			return nil
		}
	}
	return nil
}

// failsFast tells that a failure ends the run.
func (r *run) failsFast() bool { return r.o.FailFast && len(r.outcome.Failed) > 0 }

// boundedCase measures a case within the time limit.
func (r *run) boundedCase(ctx context.Context, i int, pending []plan.Suite) error {
	limit, cancel := r.limited(ctx)
	defer cancel()
	err := r.qualityCase(limit, i, pending)
	var f fatal
	if err != nil && ctx.Err() == nil && limit.Err() != nil && !errors.As(err, &f) {
		return r.fail(ctx, i, "", r.timeError(r.progress.now.suite))
	}
	return err
}

// qualityCase opens a case and runs suites on it.
func (r *run) qualityCase(ctx context.Context, i int, pending []plan.Suite) error {
	open := r.open
	if r.p.Env.Model.None() {
		open = r.openDrawn
	}
	s, err := open(ctx, i)
	if err != nil || s == nil {
		return err
	}
	defer s.Close()
	for len(pending) > 0 {
		su, rest := pending[0], pending[1:]
		with := slices.IndexFunc(rest, func(o plan.Suite) bool { return r.p.Joins(su, o) || r.p.Joins(o, su) })
		if with < 0 {
			n, err := r.suite(ctx, i, s, su)
			if err := r.close(ctx, i, s, su, n, err); err != nil {
				return err
			}
			pending = rest
			continue
		}
		if err := r.together(ctx, i, s, su, rest[with]); err != nil {
			return err
		}
		pending = slices.Delete(slices.Clone(rest), with, with+1)
	}
	return nil
}

// close ends a cell with its done line, or the line of its failure. The error
// is nil unless the run cannot go on.
func (r *run) close(ctx context.Context, i int, s *subject.Subject, su plan.Suite, values int, err error) error {
	if err != nil {
		return r.fail(ctx, i, su.Name, err)
	}
	r.outcome.Measured++
	return r.write(r.doneLine(i, s, su, values))
}

// open opens a case and writes its line; a nil subject without an error is a
// case that failed and is recorded.
func (r *run) open(ctx context.Context, i int) (*subject.Subject, error) {
	c := r.p.Cases[i]
	r.progress.step(i, "", 0)
	s, err := r.p.Env.Open(ctx, c, func(step subject.Stage, done, total int) {
		r.progress.at(string(step), done, total)
	})
	r.progress.pause()
	if err != nil {
		return nil, r.fail(ctx, i, "", err)
	}
	if r.opened[i] {
		return s, nil
	}
	r.opened[i] = true
	r.o.Log.Info("case opened", "case", c.Label, "cached", s.Hit, "artefact", s.Artefact.Hash()[:12])
	rec := r.record(i, results.KindCase)
	rec.Artefact = s.Artefact.Hash()[:12]
	rec.Hashes = map[string]string{"case": c.Hash, "artefact": s.Artefact.Hash()}
	rec.Seconds, rec.Cached = map[string]float64{}, map[string]bool{"artefact": s.Hit}
	for stage, d := range s.Seconds {
		rec.Seconds[string(stage)] = d.Seconds()
	}
	return s, r.write(rec)
}

// openDrawn makes a case ready for a suite that draws its own weights, and
// writes its line.
func (r *run) openDrawn(_ context.Context, i int) (*subject.Subject, error) {
	s := &subject.Subject{Env: r.p.Env, Case: r.p.Cases[i]}
	if r.opened[i] {
		return s, nil
	}
	r.opened[i] = true
	rec := r.record(i, results.KindCase)
	rec.Hashes = map[string]string{"case": r.p.Cases[i].Hash}
	return s, r.write(rec)
}

// artefactOf is how records name the artefact of a case, "" if it has none.
func artefactOf(s *subject.Subject) string {
	if s.Artefact == nil {
		return ""
	}
	return s.Artefact.Hash()[:12]
}

// suite measures a case with one suite and returns the number of values.
func (r *run) suite(ctx context.Context, i int, s *subject.Subject, su plan.Suite) (int, error) {
	r.progress.step(i, su.Name, 0)
	if err := r.recipe(su); err != nil {
		return 0, err
	}
	n := 0
	start := r.o.Now()
	err := su.Run(ctx, r.p.Context, s, su.Options, r.out(i, s, su, &n))
	r.progress.pause()
	r.measured(i, su, 0, n, start, err)
	return n, err
}

// out returns what a suite writes a case's values to; n counts them.
func (r *run) out(i int, s *subject.Subject, su plan.Suite, n *int) suites.Out {
	return suites.Out{
		Doubt:    func(text string) { r.doubt(r.cell(i, su), text) },
		Clock:    r.o.Clock,
		Progress: func(done, total int) { r.progress.at(su.Name, done, total) },
		Emit: func(rec results.Record) error {
			if err := finite(rec); err != nil {
				return err
			}
			r.fillValue(&rec, i, s, su)
			*n++
			return r.write(rec)
		},
	}
}

// finite refuses a value that no record can hold.
func finite(rec results.Record) error {
	if math.IsNaN(rec.Value) || math.IsInf(rec.Value, 0) {
		return fmt.Errorf("%w: %s %s is %v", subject.ErrDiverged, rec.Metric, rec.Item, rec.Value)
	}
	return nil
}

// measured logs that a suite is done with a case, unless it failed.
func (r *run) measured(i int, su plan.Suite, block, values int, start time.Time, err error) {
	if err == nil {
		r.o.Log.Info("suite done", "case", r.p.Cases[i].Label, "suite", su.Name, "block", block, "values", values, "took", r.o.Now().Sub(start))
	}
}
