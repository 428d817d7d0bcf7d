package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/stage"
)

// planFlags are the flags of plan.
type planFlags struct {
	format, cases, suites string
	explain, output       string
	lock                  bool
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan SCENARIO…",
		Short: "Show cases, stages, bytes and time; run nothing",
		Args:  usage(cobra.MinimumNArgs(1), "a scenario"), ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error { return a.plan(args, f) },
	}
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	cmd.Flags().StringVar(&f.explain, "explain", "", "tell of the cases of a pattern what is cached and measured, and what changed where it is not")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "records file that --explain looks at (default NAME.records.jsonl in the working folder)")
	cmd.Flags().StringVar(&f.cases, "cases", "", "only the cases of a pattern over labels, methods or ids, or the share K/N")
	cmd.Flags().StringVar(&f.suites, "suites", "", "only these suites, separated by commas")
	cmd.Flags().BoolVar(&f.lock, "lock", false, "write NAME.lock.yaml with hashes and versions, which run then obeys")
	return cmd
}

func (a *app) plan(args []string, f planFlags) (err error) {
	if f.format != "text" && f.format != "json" {
		return fmt.Errorf("%w: --format %s, want text or json", errUsage, f.format)
	}
	if f.explain != "" && f.lock {
		return fmt.Errorf("%w: --explain and --lock: want one of them", errUsage)
	}
	if f.explain == "" && f.output != "" {
		return fmt.Errorf("%w: -o %s is for --explain: plan writes no records", errUsage, f.output)
	}
	cache, why, err := a.cacheDir()
	if err != nil {
		return err
	}
	plans, err := a.plans(args, cache, f.cases, f.suites)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closePlans(plans)) }()
	if f.explain != "" {
		return a.explain(plans, f)
	}
	for _, p := range plans {
		if f.lock {
			if err := a.writeLock(p); err != nil {
				return err
			}
		}
		v := view(p, cache, why)
		usage, err := p.Env.Cache.Usage()
		v.CacheUsage, v.CacheLimit, v.usage = usage, a.cacheLimit, a.usage(usage)
		if err != nil {
			v.usage = err.Error() // run tells what to do
		}
		if fault := p.CheckLimit(); fault != nil {
			a.logger(a.err).Warn(fault.Error())
		}
		if f.format == "json" {
			enc := json.NewEncoder(a.out)
			enc.SetIndent("", "  ")
			err = enc.Encode(v)
		} else {
			err = v.text(a.out)
		}
		if err != nil {
			return err
		}
		if len(p.Cases) == 0 {
			a.sayEmpty(p, f.cases)
		}
	}
	return nil
}

// writeLock writes the lock of a plan to the working folder, beside the
// records that run writes by default.
func (a *app) writeLock(p *plan.Plan) error {
	path := p.Scenario.Name + ".lock.yaml"
	if err := writeFiles(file{path, p.Lock()}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.streams.err, "wrote %s\n", path)
	return err
}

// planView is what plan prints.
type planView struct {
	Scenario   string      `json:"scenario"`
	Model      string      `json:"model"`
	Device     string      `json:"device"`
	DeviceFrom string      `json:"device_from"`
	Threads    int         `json:"threads"`
	ThreadFrom string      `json:"threads_from"`
	Baseline   string      `json:"baseline"`
	Cache      string      `json:"cache"`
	CacheFrom  string      `json:"cache_from"`
	CacheBytes int64       `json:"cache_bytes"` // that the run adds
	CacheUsage stage.Usage `json:"cache_usage"`
	CacheLimit int64       `json:"cache_limit"` // bytes, 0 for none
	usage      string      // in words
	Seconds    float64     `json:"seconds"` // a guess
	Cases      []caseView  `json:"cases"`
	Suites     []suiteView `json:"suites"`
}

type caseView struct {
	ID      string         `json:"id"`
	Label   string         `json:"label"`
	Params  map[string]any `json:"params"`
	Seed    uint64         `json:"seed"`
	Cached  bool           `json:"cached"`
	Bytes   int64          `json:"bytes"`  // of the artefact
	Memory  int64          `json:"memory"` // bytes, the most that opening and the quality suites take: a guess to the high side
	Seconds float64        `json:"seconds"`
}

type suiteView struct {
	Name   string           `json:"name"`
	Recipe string           `json:"recipe"`
	Words  string           `json:"words"`
	Counts map[string]int64 `json:"counts,omitempty"`
}

func view(p *plan.Plan, cache, why string) planView {
	v := planView{Scenario: p.Scenario.Name, Model: p.Env.Model.Name, Baseline: p.Baseline,
		Device: p.Env.Device.Name(), DeviceFrom: p.DeviceFrom, Threads: p.Env.Gemm.Threads, ThreadFrom: p.ThreadsFrom,
		Cache: cache, CacheFrom: why, CacheBytes: p.CacheBytes(), Cases: []caseView{}}
	for i, c := range p.Cases {
		v.Cases = append(v.Cases, caseView{ID: c.ID, Label: c.Label, Params: c.Params, Seed: c.Seed, Bytes: p.Env.ArtefactBytes(c), Memory: p.MemoryBytes(i)})
	}
	for _, s := range p.Steps() {
		v.Cases[s.Case].Seconds += s.Guess.Seconds()
		v.Seconds += s.Guess.Seconds()
		if s.Suite == "" {
			v.Cases[s.Case].Cached = s.Cached
		}
	}
	for _, s := range p.Suites {
		v.Suites = append(v.Suites, suiteView{s.Name, s.RecipeHash, s.Recipe.Words, s.Recipe.Counts})
	}
	return v
}

func (v planView) text(w io.Writer) error {
	ew := &errWriter{w: w}
	ew.printf("%s: model %s, baseline %s\n", v.Scenario, v.Model, orDash(v.Baseline))
	ew.printf("device %s (from %s), %s (from %s)\n", v.Device, v.DeviceFrom, plural(v.Threads, "thread"), v.ThreadFrom)
	ew.printf("cache %s (from %s): %s\n\n", v.Cache, v.CacheFrom, v.usage)
	widest := len("case")
	for _, c := range v.Cases {
		widest = max(widest, len(c.Label))
	}
	ew.printf("%-12s  %-*s  %-8s  %12s  %8s  %8s\n", "id", widest, "case", "artefact", "bytes", "memory", "seconds")
	for _, c := range v.Cases {
		state := "to make"
		switch {
		case c.Bytes == 0:
			state = "–"
		case c.Cached:
			state = "cached"
		}
		ew.printf("%-12s  %-*s  %-8s  %12d  %8s  %8.0f\n", c.ID, widest, c.Label, state, c.Bytes, mebibytes(c.Memory), c.Seconds)
	}
	ew.printf("\n")
	for _, s := range v.Suites {
		ew.printf("%s, recipe %s: %s\n", s.Name, s.Recipe, s.Words)
	}
	ew.printf("\n%s; about %s of running; about %d bytes to be added to the cache\n",
		plural(len(v.Cases), "case"), clock(time.Duration(v.Seconds*float64(time.Second))), v.CacheBytes)
	return ew.err
}

// mebibytes shows bytes.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// errWriter prints until something fails.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}
