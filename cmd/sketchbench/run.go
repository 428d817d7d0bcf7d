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
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/scenarios"
)

// runFlags are the flags of run.
type runFlags struct {
	output, cases, suites string
	failFast, fresh       bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "Compress, measure, and print the table",
		Long: "Run does what plan shows. A scenario is a file, a folder of files, - for standard input, or a shipped one: " +
			strings.Join(scenarios.Shipped(), ", ") + ".\nRecords are flushed line by line; the same command goes on where an earlier one stopped.",
		Args: usage(cobra.MinimumNArgs(1), "a scenario"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "records file (default NAME.records.jsonl in the working folder)")
	cmd.Flags().StringVar(&f.cases, "cases", "", "only the cases of a pattern over labels, methods or ids, or the share K/N")
	cmd.Flags().StringVar(&f.suites, "suites", "", "only these suites, separated by commas")
	cmd.Flags().BoolVar(&f.failFast, "fail-fast", false, "end at the first case that fails")
	cmd.Flags().BoolVar(&f.fresh, "fresh", false, "ignore what the cache holds")
	return cmd
}

// run runs every scenario and prints its table. Cases that fail and a signal
// still leave the table of what is measured.
func (a *app) run(ctx context.Context, args []string, f runFlags) (err error) {
	ss, err := a.load(args)
	if err != nil {
		return err
	}
	cache, _, err := a.cacheDir()
	if err != nil {
		return err
	}
	if f.fresh {
		if cache, err = freshCache(cache); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	}
	var errs []error
	for _, s := range ss {
		err := a.runOne(ctx, s, cache, f, args)
		errs = append(errs, err)
		if err != nil && !errors.Is(err, errFailed) {
			break
		}
	}
	return errors.Join(errs...)
}

// freshCache makes an empty cache that lasts for one run.
func freshCache(cache string) (string, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("the cache cannot be written: %w; name another with --cache DIR", err)
	}
	return os.MkdirTemp(cache, "fresh-")
}

func (a *app) runOne(ctx context.Context, s *scenarios.Scenario, cache string, f runFlags, args []string) (err error) {
	p, err := a.make(s, cache, f.cases, f.suites)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	path := f.output
	if path == "" {
		path = s.Name + ".records.jsonl"
	}
	if err := p.CheckSpace(path); err != nil {
		return err
	}
	if err := checkLock(p, lockPath(path, s.Name)); err != nil {
		return err
	}
	env := bench.ReadEnvironment(os.DirFS("/"))
	envJSON, err := json.Marshal(env)
	if err != nil {
		return err
	}
	show := a.newProgress()
	start := time.Now()
	out, err := runner.Run(ctx, p, runner.Options{
		Records: path, RunID: newRunID(start), Now: time.Now, Clock: bench.WallClock,
		Tool: moduleVersion(), Commit: buildCommit(), Host: env.Identity(), Environment: envJSON,
		FailFast: f.failFast, Log: a.logger(), Progress: show.event,
	})
	show.close()
	if out == nil {
		return err
	}
	if err == nil || errors.Is(err, runner.ErrStopped) {
		if tableErr := a.printTable(path, s.Name); tableErr != nil && err == nil {
			err = tableErr
		}
	}
	a.sayEnd(s, out, path, time.Since(start), err, args)
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%w: %d; %w", errFailed, len(out.Failed), errTold)
	}
	if errors.Is(err, runner.ErrStopped) {
		err = errors.Join(err, errTold)
	}
	return err
}

// sayEnd prints how to go on, and last one sentence that can be quoted.
func (a *app) sayEnd(s *scenarios.Scenario, out *runner.Outcome, path string, took time.Duration, err error, args []string) {
	again := "sketchbench run " + strings.Join(args, " ")
	for _, f := range out.Failed {
		what := f.Case
		if f.Suite != "" {
			what += ", " + f.Suite
		}
		fmt.Fprintf(a.streams.err, "failed: %s: %v\n", what, f.Err)
	}
	took = took.Round(100 * time.Millisecond)
	switch {
	case errors.Is(err, runner.ErrStopped):
		fmt.Fprintf(a.streams.err, "%s stopped after %v; what was measured is in %s, and the same command goes on: %s\n", s.Name, took, path, again)
	case err != nil:
		fmt.Fprintf(a.streams.err, "%s could not go on after %v; what was written before is in %s\n", s.Name, took, path)
	case len(out.Failed) > 0:
		fmt.Fprintf(a.streams.err, "%s: %d of %d cases complete, %d failures, in %v; records in %s\n", s.Name, out.Cases-failedCases(out), out.Cases, len(out.Failed), took, path)
	case out.Measured == 0:
		fmt.Fprintf(a.streams.err, "%s: all %d cases were measured before; records in %s\n", s.Name, out.Cases, path)
	default:
		if s.Name == "demo" && !a.quiet {
			fmt.Fprintf(a.streams.err, "to go on:\n  sketchbench report --format md %s\n  sketchbench plan my.yaml       # a scenario of your own; start from scenarios/demo.yaml\n"+
				"  sketchbench run my.yaml        # with model: a folder with config.json and *.safetensors of a Llama\n", path)
		}
		fmt.Fprintf(a.streams.err, "%s: %d cases measured in %v; records in %s\n", s.Name, out.Cases, took, path)
	}
}

func failedCases(out *runner.Outcome) int {
	cases := map[string]bool{}
	for _, f := range out.Failed {
		cases[f.Case] = true
	}
	return len(cases)
}

// lockPath is where the lock of a scenario stands: beside the records.
func lockPath(records, name string) string {
	return filepath.Join(filepath.Dir(records), name+".lock.yaml")
}
