package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/scenarios"
)

// app is what all commands share.
type app struct {
	streams
	getenv func(string) string
	args   []string // as typed

	cache, device, progress, logLevel string
	limit                             string // of the cache, as typed
	cacheLimit                        int64  // in bytes, 0 for none
	limitFrom                         string
	threads                           int
	deviceFrom, threadsFrom           string // the flag or the variable, where there is one
	quiet, verbose                    bool
}

func newRoot(args []string, s streams, getenv func(string) string) *cobra.Command {
	a := &app{streams: s, getenv: getenv, args: args}
	root := &cobra.Command{
		Use:   "sketchbench",
		Short: "Measure what compressing a language model's weights costs and saves",
		Long: "Sketchbench compresses the linear layers of a language model by sketching, low rank and integer rounding,\n" +
			"runs the result, and tells with statistics what each method costs and saves.",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.checkShared() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w; %s --help tells the flags", errUsage, err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&a.cache, "cache", "", "folder of compressed models and other stages (default SKETCHBENCH_CACHE, else the user's cache folder)")
	f.StringVar(&a.limit, "cache-limit", "", "most bytes that the cache may take, such as 20GiB; what was used least recently is deleted (default SKETCHBENCH_CACHE_LIMIT, else no limit)")
	f.StringVar(&a.device, "device", "", "auto or cpu (default SKETCHBENCH_DEVICE, else the scenario's, else auto)")
	f.IntVar(&a.threads, "threads", 0, "compute threads (default SKETCHBENCH_THREADS, else the scenario's, else all processors)")
	f.StringVar(&a.progress, "progress", "auto", "auto, bar, plain, jsonl or none")
	f.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn or error")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress, errors only")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log what is done")
	root.SetHelpCommand(helpCommand(root))
	root.CompletionOptions.DisableDefaultCmd = true // it takes an unknown shell for a call for help
	root.AddCommand(a.planCommand(), a.runCommand(), a.reportCommand(), a.verifyCommand(), a.exportCommand(), a.doctorCommand(), a.schemaCommand(), a.versionCommand(), a.completionCommand(root), a.childCommand(), a.timingCommand(), a.workerCommand())
	return root
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, args[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("%w: unknown command %q%s; sketchbench help lists the commands", errUsage, name, scenarios.DidYouMean(name, names))
}

// usage turns a check of arguments into a usage error.
func usage(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %s wants %s", errUsage, cmd.CommandPath(), want)
		}
		return nil
	}
}

// checkShared checks the shared flags and fills in the environment's values.
func (a *app) checkShared() error {
	if a.threads < 0 {
		return fmt.Errorf("%w: --threads %d, want at least 1", errUsage, a.threads)
	}
	if err := a.checkLimit(); err != nil {
		return err
	}
	a.threadsFrom, a.deviceFrom = "--threads", "--device"
	if env := a.getenv("SKETCHBENCH_THREADS"); a.threads == 0 && env != "" {
		n, err := strconv.Atoi(env)
		if err != nil || n < 1 {
			return fmt.Errorf("%w: SKETCHBENCH_THREADS is %q, want a number of at least 1", errUsage, env)
		}
		a.threads, a.threadsFrom = n, "SKETCHBENCH_THREADS"
	}
	if a.device == "" {
		a.device, a.deviceFrom = a.getenv("SKETCHBENCH_DEVICE"), "SKETCHBENCH_DEVICE"
	}
	if a.device != "" && a.device != "auto" && a.device != "cpu" {
		return fmt.Errorf("%w: device %q, want auto or cpu", errUsage, a.device)
	}
	if !oneOf(a.progress, "auto", "bar", "plain", "jsonl", "none") {
		return fmt.Errorf("%w: --progress %s, want auto, bar, plain, jsonl or none", errUsage, a.progress)
	}
	if !oneOf(a.logLevel, "debug", "info", "warn", "error") {
		return fmt.Errorf("%w: --log-level %s, want debug, info, warn or error", errUsage, a.logLevel)
	}
	return nil
}

// checkLimit reads the limit of the cache.
func (a *app) checkLimit() error {
	a.limitFrom = "--cache-limit"
	if a.limit == "" {
		a.limit, a.limitFrom = a.getenv("SKETCHBENCH_CACHE_LIMIT"), "SKETCHBENCH_CACHE_LIMIT"
	}
	if a.limit == "" {
		return nil
	}
	n, err := scenarios.ParseCount(a.limit)
	if err != nil || n < 1 {
		return fmt.Errorf("%w: %s is %q, want bytes such as 500M or 20GiB", errUsage, a.limitFrom, a.limit)
	}
	a.cacheLimit = n
	return nil
}

func oneOf(s string, words ...string) bool {
	for _, w := range words {
		if s == w {
			return true
		}
	}
	return false
}

// cacheDir is the flag, the environment or the user's cache folder, and says
// which.
func (a *app) cacheDir() (dir, why string, err error) {
	if a.cache != "" {
		return a.cache, "--cache", nil
	}
	if dir := a.getenv("SKETCHBENCH_CACHE"); dir != "" {
		return dir, "SKETCHBENCH_CACHE", nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("no folder for the cache: %w; name one with --cache DIR", err)
	}
	return filepath.Join(user, "sketchbench"), "the user's cache folder", nil
}

// logger writes to w.
func (a *app) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		panic(err) // checked before
	}
	switch {
	case a.quiet:
		level = slog.LevelError
	case a.verbose:
		level = min(level, slog.LevelInfo)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// plans reads all scenario arguments and plans them: all faults of all of
// them come before any work. The caller closes them.
func (a *app) plans(args []string, cacheDir, cases, suites string) (plans []*plan.Plan, err error) {
	var errs []error
	names := map[string]string{}
	for _, arg := range args {
		ss, err := scenarios.Load(arg, a.in)
		errs = append(errs, err)
		for _, s := range ss {
			if first, dup := names[s.Name]; dup && s.Name != "" {
				f := &scenarios.Faults{Path: s.Path}
				f.Add(scenarios.Pos{}, "name: %s, which %s has too; the name tells records apart", s.Name, first)
				errs = append(errs, f)
				continue
			}
			names[s.Name] = s.Path
			p, err := a.make(s, cacheDir, cases, suites)
			if errs = append(errs, err); err == nil {
				plans = append(plans, p)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, closePlans(plans))
	}
	return plans, nil
}

func closePlans(plans []*plan.Plan) error {
	var errs []error
	for _, p := range plans {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// make plans a scenario with the flags' settings.
func (a *app) make(s *scenarios.Scenario, cacheDir, cases, suites string) (*plan.Plan, error) {
	set := plan.Settings{Cache: cacheDir, CacheLimit: a.cacheLimit, Cases: cases, Child: child,
		Device: a.device, DeviceFrom: a.deviceFrom, Threads: a.threads, ThreadsFrom: a.threadsFrom,
		Warn: func(err error) { a.logger(a.err).Warn(err.Error()) },
		Evicted: func(path string, bytes int64, lastUse time.Time) {
			a.logger(a.err).Info("deleted to keep within the limit of the cache", "path", path, "bytes", bytes, "used", lastUse.UTC().Format(time.RFC3339))
		}}
	if suites != "" {
		set.Suites = strings.Split(suites, ",")
	}
	p, err := plan.Make(s, set)
	if err == nil {
		a.logger(a.err).Info("planned", "scenario", s.Name, "file", s.Path, "model", p.Env.Model.Name, "cases", len(p.Cases), "suites", len(p.Suites),
			"device", p.Env.Device.Name(), "threads", p.Env.Gemm.Threads, "cache", cacheDir)
	}
	return p, err
}

// sayEmpty tells of a share of the cases that has none.
func (a *app) sayEmpty(p *plan.Plan, share string) {
	fmt.Fprintf(a.streams.err, "%s: --cases %s is an empty share of %s: nothing to do\n", p.Scenario.Name, share, plural(p.Total(), "case"))
}
