package suites

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/kernelspeed"
)

var kernelspeedSuite = Suite{
	Name:   "kernelspeed",
	Timing: true,
	Draws:  func(any) bool { return true },
	New: func() any {
		o := kernelspeed.DefaultOptions
		return &o
	},
	Prepare: prepareKernelspeed,
	Recipe: func(c *Context, o any) Recipe {
		k := o.(*kernelspeed.Options)
		var shapes []string
		for _, s := range k.List() {
			shapes = append(shapes, s.String())
		}
		id := map[string]any{"shapes": shapes, "batch": k.Batch, "cache": k.Cache, "blocks": int64(k.Blocks), "samples": int64(k.Samples),
			"time": k.Time.Seconds(), "threads": int64(c.Env.Gemm.Threads)}
		exec := c.execution()
		delete(exec, "batch")
		exec["last_cache"] = lastCache()
		words := fmt.Sprintf("products Y = X·Ŵᵀ of random packed matrices with a batch of vectors, in %d randomised blocks; in each of them, after a warm-up call "+
			"unless one call takes %v, until the median is known to ±%g %% or a ceiling is reached, of samples at %d or of time at %v, at least one call",
			k.Blocks, kernelspeed.SlowTimes*k.Time, 100*kernelspeed.HalfWidth, k.Samples, k.Time)
		if k.Time > 0 {
			words += fmt.Sprintf(", and those slower than %v in %d blocks only", kernelspeed.SlowTimes*k.Time, kernelspeed.SlowBlocks)
		}
		return Recipe{Identity: id, Exec: exec, Words: words + "; limits of the machine sampled before each shape"}
	},
	Cost: func(c *Context, o any) Cost {
		k := o.(*kernelspeed.Options)
		cost := Cost{Bytes: k.Memory(lastCache())}
		for _, s := range k.List() {
			for _, b := range k.Batch {
				cost.Products = append(cost.Products, Product{
					Weights: float64(s.Out) * float64(s.In), Batch: b, Times: len(k.Cache) * k.Blocks, Least: k.Time.Seconds()})
			}
		}
		return cost
	},
	Blocks: func(o any) int { return o.(*kernelspeed.Options).Blocks },
	Run:    runKernelspeed,
}

// lastCache is the size of this machine's last cache, 0 if it is not told.
func lastCache() int64 { return bench.ReadEnvironment(os.DirFS("/")).LastCache() }

// prepareKernelspeed checks the shapes against every case that draws a matrix.
func prepareKernelspeed(c *Context, o any) []error {
	k := o.(*kernelspeed.Options)
	if errs := k.Check(); len(errs) > 0 {
		return errs
	}
	var errs []error
	for _, s := range k.List() {
		for _, cs := range c.Cases {
			if err := cs.CheckShape(s.Out, s.In); err != nil {
				errs = append(errs, fmt.Errorf("shapes: %v: %s: %w", s, cs.Label, err))
			}
		}
	}
	return errs
}

// runKernelspeed times one block of a case.
func runKernelspeed(ctx context.Context, c *Context, s *subject.Subject, o any, out Out) error {
	device, ok := c.Env.Device.(kernels.Prober)
	if !ok {
		return errors.New("the device " + c.Env.Device.Name() + " cannot tell its limits")
	}
	k := o.(*kernelspeed.Options)
	if k.Slow == nil {
		k.Slow = map[string]map[string]bool{}
	}
	if k.Slow[s.Case.ID] == nil {
		k.Slow[s.Case.ID] = map[string]bool{}
	}
	return kernelspeed.Block{
		Machine: kernelspeed.Machine{Device: device, Clock: out.Clock, LastCache: lastCache()},
		Options: *k, Index: out.Block, Slow: k.Slow[s.Case.ID], First: out.First, Draw: s.Case.Draw,
		Emit: func(v kernelspeed.Value) error {
			return out.Emit(results.Record{Metric: v.Metric, Item: v.Item, Value: v.Value, Weight: float64(v.Calls), Sample: v.Sample, Block: out.Block})
		},
		Progress: out.Progress, Doubt: out.Doubt,
	}.Run(ctx)
}
