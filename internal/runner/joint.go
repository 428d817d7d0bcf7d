package runner

import (
	"context"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites"
)

// together measures a case with two suites in one walk, in either order. Each
// closes its own cell. The error is nil unless the run cannot go on.
func (r *run) together(ctx context.Context, i int, s *subject.Subject, a, b plan.Suite) error {
	own, with := a, b
	if !r.p.Joins(own, with) {
		own, with = b, a
	}
	name := r.progress.join(i, with.Name, own.Name)
	r.progress.step(i, with.Name, 0)
	for _, su := range []plan.Suite{with, own} {
		if err := r.recipe(su); err != nil {
			return err
		}
	}
	start := r.o.Now()
	ownValues, withValues := 0, 0
	ownPart := suites.Part{Options: own.Options, Out: r.out(i, s, own, &ownValues)}
	withPart := suites.Part{Options: with.Options, Out: r.out(i, s, with, &withValues)}
	withPart.Out.Progress = func(done, total int) { r.progress.at(name, done, total) }
	err, withErr := own.Joint.Run(ctx, r.p.Context, s, ownPart, withPart)
	r.progress.pause()
	r.measured(i, with, 0, withValues, start, withErr)
	r.measured(i, own, 0, ownValues, start, err)
	if err := r.close(ctx, i, s, with, withValues, withErr); err != nil {
		return err
	}
	return r.close(ctx, i, s, own, ownValues, err)
}
