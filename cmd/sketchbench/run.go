package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

// runFlags are the flags of run.
type runFlags struct {
	output, cases, suites string
	failFast, fresh       bool
	isolate               bool
	timeLimit             time.Duration
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "Compress, measure, and print the table",
		Long: "Run does what plan shows. A scenario is a file, a folder of files, - for standard input, or a shipped one: " +
			strings.Join(scenarios.Shipped(), ", ") + ".\nRecords are flushed line by line; the same command goes on where an earlier one stopped.",
		Args: usage(cobra.MinimumNArgs(1), "a scenario"), ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "records file (default NAME.records.jsonl in the working folder)")
	cmd.Flags().StringVar(&f.cases, "cases", "", "only the cases of a pattern over labels, methods or ids, or the share K/N")
	cmd.Flags().StringVar(&f.suites, "suites", "", "only these suites, separated by commas")
	cmd.Flags().BoolVar(&f.failFast, "fail-fast", false, "end at the first case that fails")
	cmd.Flags().BoolVar(&f.isolate, "isolate", false, "open and measure each case in a process of its own: a crash, or a want of memory, fails that case only")
	cmd.Flags().DurationVar(&f.timeLimit, "time-limit", 0, "fail a case that takes longer to open and to measure (timing suites aside), such as 30m; 0 for none")
	cmd.Flags().BoolVar(&f.fresh, "fresh", false, "ignore what the cache holds")
	return cmd
}

// run runs every scenario and prints its table. Whatever can be seen to be
// wrong with any of them ends it before any work.
func (a *app) run(ctx context.Context, args []string, f runFlags) (outer error) {
	if f.timeLimit < 0 {
		return fmt.Errorf("%w: --time-limit %v, want 0 or more", errUsage, f.timeLimit)
	}
	cache, remove, err := a.runCache(f.fresh)
	if err != nil {
		return err
	}
	defer func() { outer = errors.Join(outer, remove()) }()
	ran := false
	plans, err := a.plans(args, cache, f.cases, f.suites)
	if err != nil {
		return err
	}
	defer func() {
		outer = errors.Join(outer, closePlans(plans))
		if ran {
			a.trim(ctx, plans)
		}
	}()
	var errs []error
	for _, p := range plans {
		if len(p.Cases) == 0 {
			continue
		}
		path := f.records(p)
		err := p.CheckSpace(path)
		if err == nil {
			err = checkLock(p, lockPath(path, p.Scenario.Name))
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, p := range plans {
		if len(p.Cases) == 0 {
			a.sayEmpty(p, f.cases)
			continue
		}
		ran = true
		e := a.runOne(ctx, p, f)
		if e != nil {
			err = e
		}
		if e != nil && (f.failFast || !errors.Is(e, errFailed)) {
			break
		}
	}
	return err
}

// records is the file that a plan's records go to.
func (f runFlags) records(p *plan.Plan) string {
	if f.output != "" {
		return f.output
	}
	return p.Scenario.Name + ".records.jsonl"
}

// runCache returns the cache of a run and what to do with it at the end. It
// removes what runs with --fresh left that were killed.
func (a *app) runCache(fresh bool) (dir string, remove func() error, err error) {
	dir, _, err = a.cacheDir()
	if err != nil {
		return "", nil, err
	}
	removed, err := stage.RemoveDead(dir)
	for _, path := range removed {
		a.logger(a.err).Info("removed the cache of a run with --fresh that was killed", "path", path)
	}
	if err != nil {
		a.logger(a.err).Warn("caches of killed runs with --fresh stay", "err", err)
	}
	if fresh {
		return stage.Fresh(dir)
	}
	return dir, func() error { return nil }, nil
}

// trim keeps the cache within its limit at the end of a run. That it cannot be
// done costs nothing that was measured.
func (a *app) trim(ctx context.Context, plans []*plan.Plan) {
	if len(plans) == 0 || ctx.Err() != nil {
		return
	}
	if err := plans[0].Env.Cache.Trim(ctx, 0); err != nil {
		a.logger(a.err).Warn("the cache may be above its limit", "err", err)
	}
}

// runOne runs one plan. Cases that fail and a signal still leave the table of
// what is measured.
func (a *app) runOne(ctx context.Context, p *plan.Plan, f runFlags) error {
	env := bench.ReadEnvironment(os.DirFS("/"))
	envJSON, err := json.Marshal(env)
	if err != nil {
		return err
	}
	show := a.newProgress()
	start := time.Now()
	path := f.records(p)
	log := a.logger(show.log())
	log.Info("running", "scenario", p.Scenario.Name, "cases", len(p.Cases), "records", path, "cache", p.Env.Cache.Dir)
	o := runner.Options{
		Records: path, RunID: newRunID(start), Now: time.Now, Clock: bench.WallClock,
		Tool: moduleVersion(), Commit: buildCommit(), Host: env.Identity(), Environment: envJSON,
		FailFast: f.failFast, TimeLimit: f.timeLimit, Log: log, Progress: show.event,
		Launch: runner.Launch(self(suites.TimingCommand)), Meter: bench.Meter{Root: os.DirFS("/")},
		Memory: func() int64 { return bench.AvailableMemory(os.DirFS("/")) },
	}
	if f.isolate {
		o.Worker = self(workerName)
	}
	out, err := runner.Run(ctx, p, o)
	show.close()
	if out == nil {
		return fmt.Errorf("%w; -o FILE names another records file", err)
	}
	if err == nil || errors.Is(err, runner.ErrStopped) {
		if tableErr := a.printTable(path, p.Scenario.Name); tableErr != nil {
			err = errors.Join(err, fmt.Errorf("the table could not be printed: %w", tableErr))
		}
	}
	return a.sayEnd(ending{p: p, out: out, path: path, took: time.Since(start).Round(100 * time.Millisecond), err: err})
}

// lockPath is where the lock of a scenario stands: beside the records.
func lockPath(records, name string) string {
	return filepath.Join(filepath.Dir(records), name+".lock.yaml")
}
