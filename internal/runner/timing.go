package runner

import (
	"context"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
)

// timing runs the timing suites in randomised complete blocks.
func (r *run) timing(ctx context.Context) error {
	if r.o.FailFast && len(r.outcome.Failed) > 0 {
		return nil
	}
	for _, su := range r.p.Suites {
		if !su.Timing {
			continue
		}
		if err := r.timingSuite(ctx, su); err != nil {
			return err
		}
	}
	return nil
}

// blockSeed shuffles the blocks: the same order in every run of the same
// cases.
const blockSeed = 0

// timed is one case of a timing suite.
type timed struct {
	index  int
	s      *subject.Subject
	values int
	blocks int // run so far
}

func (r *run) timingSuite(ctx context.Context, su plan.Suite) error {
	var cases []*timed
	defer func() {
		for _, t := range cases {
			t.s.Close()
		}
	}()
	for i := range r.p.Cases {
		if r.failed[i] || r.done[r.cell(i, su)] {
			continue
		}
		open := r.open
		if su.Draws {
			open = r.openDrawn
		}
		s, err := open(ctx, i)
		if err != nil {
			return err
		}
		if s != nil {
			cases = append(cases, &timed{index: i, s: s})
		}
	}
	if len(cases) == 0 {
		return nil
	}
	orders := bench.Blocks(blockSeed, len(cases), su.Blocks(su.Options))
	for b, order := range orders {
		for _, k := range order {
			if err := r.timingBlock(ctx, su, cases[k], b); err != nil {
				return err
			}
		}
	}
	// One write, so that a kill cannot keep the timings of some cases only.
	var done []results.Record
	for _, t := range cases {
		if t.blocks == len(orders) {
			done = append(done, r.doneLine(t.index, t.s, su, t.values))
		}
	}
	if len(done) == 0 {
		return nil
	}
	r.outcome.Measured += len(done)
	return r.write(done...)
}

// timingBlock runs one block of one case, from weights to results; a case
// that failed in an earlier block stays out.
func (r *run) timingBlock(ctx context.Context, su plan.Suite, t *timed, block int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.blocks < block {
		return nil
	}
	n, err := r.suite(ctx, t.index, t.s, su, block, block == 0)
	t.s.CloseEngines()
	if err != nil {
		return r.fail(ctx, t.index, su.Name, err)
	}
	t.values += n
	t.blocks++
	return nil
}
