package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
)

// An ending is how the run of one scenario ended.
type ending struct {
	p    *plan.Plan
	out  *runner.Outcome
	path string // of the records
	took time.Duration
	err  error
}

// sayEnd prints what failed, how to go on, and last one sentence that can be
// quoted. The error that it returns decides the exit code and has been told.
func (a *app) sayEnd(e ending) error {
	say := func(format string, args ...any) { fmt.Fprintf(a.streams.err, format+"\n", args...) }
	for _, f := range e.out.Failed {
		what := f.Case
		if f.Suite != "" {
			what += ", " + f.Suite
		}
		say("failed: %s: %s", what, oneLine(f.Err))
	}
	name := e.p.Scenario.Name
	switch {
	case exitCode(e.err) == exitStopped:
		say("%s stopped after %v; what was measured is in %s, and the same command goes on: %s", name, e.took, e.path, a.commandLine())
		return fmt.Errorf("%w; %w", e.err, errTold)
	case e.err != nil:
		say("%s could not go on after %v: %s; what was written before is in %s, and the same command goes on", name, e.took, oneLine(e.err), e.path)
		return fmt.Errorf("%w; %w", e.err, errTold)
	case len(e.out.Failed) > 0:
		say("%s: %s failed, %d of %s complete, in %v; records in %s", name, plural(len(e.out.Failed), "part"), e.out.Complete, plural(e.out.Cases, "case"), e.took, e.path)
		return fmt.Errorf("%w: %d; %w", errFailed, len(e.out.Failed), errTold)
	case e.out.Measured == 0:
		say("%s: nothing to do, %s complete before; records in %s", name, plural(e.out.Cases, "case"), e.path)
		return nil
	}
	if name == "demo" && !a.quiet {
		say("to go on:\n  sketchbench report --format md %s\n  sketchbench plan my.yaml       # a scenario of your own; start from scenarios/demo.yaml\n"+
			"  sketchbench run my.yaml        # with model: a folder with config.json and *.safetensors of a Llama", e.path)
	}
	say("%s: %s complete, in %v; records in %s", name, plural(e.out.Cases, "case"), e.took, e.path)
	return nil
}

// plural counts things in English.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// oneLine joins the lines of an error.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./=,:@%+-]+$`)

// commandLine is what was typed, quoted for a shell.
func (a *app) commandLine() string {
	words := []string{"sketchbench"}
	for _, w := range a.args {
		if !plainWord.MatchString(w) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}
