package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/kernels/cpu"
)

func (a *app) doctorCommand() *cobra.Command {
	var require []string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this machine can do",
		Args:  usage(cobra.NoArgs, "no arguments"),
		RunE:  func(*cobra.Command, []string) error { return a.doctor(require) },
	}
	cmd.Flags().StringSliceVar(&require, "require", nil, "fail unless these are there: avx2, avx512")
	return cmd
}

func (a *app) doctor(require []string) error {
	root := os.DirFS("/")
	e := bench.ReadEnvironment(root)
	cache, why, err := a.cacheDir()
	if err != nil {
		return err
	}
	have := map[string]bool{}
	var kernels []string
	for _, isa := range cpu.Available() {
		have[string(isa)] = true
		kernels = append(kernels, string(isa))
	}
	w := &errWriter{w: a.out}
	row := func(name, format string, args ...any) {
		w.printf("%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("processor", "%s, %d cores, %d threads usable", orDash(e.CPU), e.Cores, e.Threads)
	row("features", "%s", orUnknown(strings.ToLower(strings.Join(e.Features, " "))))
	row("kernels", "%s; the first is used", strings.Join(kernels, ", "))
	row("caches", "L1d %s, L2 %s, L3 %s", size(e.L1D), size(e.L2), size(e.L3))
	row("memory", "%s, %s available", gibibytes(e.Memory), gibibytes(bench.AvailableMemory(root)))
	row("clock", "%s", cpuClock(root))
	row("governor", "%s", orUnknown(e.Governor))
	row("load", "%.2f over the last minute%s", e.Load.Minute, loadAdvice(e.Load.Minute))
	row("system", "%s/%s, kernel %s, %s", runtime.GOOS, runtime.GOARCH, orUnknown(e.Kernel), e.GoVersion)
	row("gpu", "not in this build")
	row("cache", "%s (from %s): %s", cache, why, a.cacheHealth(cache))
	if wd, err := os.Getwd(); err == nil {
		row("disk", "%s free in %s", free(wd), wd)
	}
	row("hub token", "%s", hubToken(a.getenv))
	if w.err != nil {
		return w.err
	}
	var missing []string
	for _, r := range require {
		if !have[r] {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing on this machine or in this build: %s", strings.Join(missing, ", "))
	}
	return nil
}

func size(n int) string {
	if n <= 0 {
		return "unknown"
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// gibibytes shows bytes; 0 is unknown.
func gibibytes(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// cpuClock tells the clock of the first core, and the highest that it can have
// where the kernel tells it.
func cpuClock(root fs.FS) string {
	const dir = "sys/devices/system/cpu/cpu0/cpufreq/" // in kHz
	mhz := kilohertz(root, dir+"scaling_cur_freq") / 1000
	if mhz == 0 {
		mhz, _ = strconv.ParseFloat(procField(root, "proc/cpuinfo", "cpu MHz"), 64)
	}
	if mhz == 0 {
		return "unknown"
	}
	s := fmt.Sprintf("%.0f MHz now", mhz)
	if most := kilohertz(root, dir+"cpuinfo_max_freq") / 1000; most > 0 {
		s += fmt.Sprintf(", at most %.0f", most)
	}
	return s
}

func kilohertz(root fs.FS, name string) float64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	x, _ := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	return x
}

// procField returns the first value of a field in a file of lines "name: value".
func procField(root fs.FS, file, name string) string {
	b, err := fs.ReadFile(root, file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func loadAdvice(load float64) string {
	if load > 0.5 {
		return "; other work disturbs timings"
	}
	return ""
}

func free(dir string) string {
	if n, ok := plan.FreeBytes(dir); ok {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return "unknown space"
}

// cacheHealth tells what the cache takes, its limit, and what was left in it.
func (a *app) cacheHealth(dir string) string {
	if _, err := os.Stat(dir); err != nil {
		return "not there yet; the first run makes it"
	}
	u, err := stage.Cache{Dir: dir}.Usage()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s, %s free", a.usage(u), free(dir))
}

// usage puts what a cache holds in words.
func (a *app) usage(u stage.Usage) string {
	s := fmt.Sprintf("%d entries, %d bytes", u.Entries, u.Bytes)
	if u.Entries == 1 {
		s = fmt.Sprintf("1 entry, %d bytes", u.Bytes)
	}
	if a.cacheLimit > 0 {
		s += fmt.Sprintf(" of at most %d (from %s)", a.cacheLimit, a.limitFrom)
	}
	if u.Unfinished > 0 {
		s += fmt.Sprintf(", %d unfinished (tmp-*)", u.Unfinished)
	}
	if u.Fresh > 0 {
		s += fmt.Sprintf(", %d of runs with --fresh (fresh-*; the next run removes those of killed ones)", u.Fresh)
	}
	if u.Corrupt > 0 {
		s += fmt.Sprintf(", %d damaged and set aside (corrupt-*, may be removed)", u.Corrupt)
	}
	return s
}

// hubToken tells whether there is a token, never which.
func hubToken(getenv func(string) string) string {
	if getenv("HF_TOKEN") != "" {
		return "present (HF_TOKEN)"
	}
	home := getenv("HF_HOME")
	if home == "" {
		if user, err := os.UserCacheDir(); err == nil {
			home = filepath.Join(user, "huggingface")
		}
	}
	if _, err := os.Stat(filepath.Join(home, "token")); err == nil {
		return "present (token file)"
	}
	return "absent; none is needed for local models"
}
