// Sketchbench measures what sketching, low-rank and integer compression cost
// and save on a language model.
//
// A scenario (a YAML file, or the name of a shipped one) names a model, the
// methods and the suites:
//
//	sketchbench plan demo
//	sketchbench run demo
//	sketchbench report demo.records.jsonl
//	sketchbench verify demo.records.jsonl
//	sketchbench export demo --case 'int4*' -o demo-int4
//	sketchbench doctor
//
// Standard output carries the result alone; progress, logs and warnings go to
// standard error. Exit codes: 0 done; 1 the tool could not go on; 2 usage or
// scenario fault, nothing ran; 6 some cases failed, the others are complete;
// 75 stopped by a signal, the same command goes on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/scenarios"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals...)
	go func() {
		s := <-signals
		cancel(fmt.Errorf("signal: %v", s))
		<-signals
		os.Exit(exitStopped) // records are written a line at a time
	}()
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)
	os.Exit(report(os.Stderr, err))
}

// stopSignals end a run with its records whole; a batch system sends the
// latter two before it takes the machine away.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, sigusr2}

// streams are the process's own, or a test's.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes (cli.md 4).
const (
	exitOK      = 0
	exitTool    = 1
	exitUsage   = 2
	exitFailed  = 6
	exitStopped = 75
)

// errUsage marks errors of the command line.
var errUsage = errors.New("usage")

// errFailed marks a run in which some cases failed.
var errFailed = errors.New("some cases failed")

// errTold marks errors that have been printed already.
var errTold = errors.New("told")

// report prints what of err has not been told and returns the exit code.
func report(w io.Writer, err error) int {
	var faults *scenarios.Faults
	if errors.As(err, &faults) {
		fmt.Fprintln(w, err)
		fmt.Fprintf(w, "%s; nothing was run\n", plural(countFaults(err), "fault"))
		return exitCode(err)
	}
	var untold []error
	for _, e := range joined(err) {
		if !errors.Is(e, errTold) {
			untold = append(untold, e)
		}
	}
	if err := errors.Join(untold...); err != nil {
		fmt.Fprintf(w, "sketchbench: %s\n", oneLine(err))
	}
	return exitCode(err)
}

// joined splits what errors.Join put together. Errors of one sentence that
// wrap several, among them one of our marks, stay whole.
func joined(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if err == nil || !ok || slices.ContainsFunc(j.Unwrap(), isMark) {
		return []error{err}
	}
	var all []error
	for _, e := range j.Unwrap() {
		all = append(all, joined(e)...)
	}
	return all
}

func isMark(err error) bool {
	return err == errUsage || err == errTold || err == errFailed || err == runner.ErrStopped
}

// countFaults counts the faults of all scenarios in err, and as one each the
// other errors beside them.
func countFaults(err error) int {
	switch e := err.(type) {
	case *scenarios.Faults:
		return len(e.List)
	case interface{ Unwrap() []error }:
		n := 0
		for _, err := range e.Unwrap() {
			n += countFaults(err)
		}
		return n
	}
	return 1
}

// exitCode follows the precedence of protocol.md 3.1: of the codes of all
// errors that are joined, 2, 1, 75, 6.
func exitCode(err error) int {
	codes := map[int]bool{}
	addCodes(err, codes)
	for _, code := range []int{exitUsage, exitTool, exitStopped, exitFailed} {
		if codes[code] {
			return code
		}
	}
	return exitOK
}

// addCodes adds the exit code of every error that err joins. What stands
// beside the mark of a usage error or of a stop is its reason.
func addCodes(err error, codes map[int]bool) {
	switch e := err.(type) {
	case nil:
		return
	case *scenarios.Faults:
		codes[exitUsage] = true
		return
	case interface{ Unwrap() []error }:
		parts := e.Unwrap()
		switch {
		case slices.Contains(parts, errUsage):
			codes[exitUsage] = true
		case slices.Contains(parts, runner.ErrStopped):
			codes[exitStopped] = true
		default:
			for _, part := range parts {
				addCodes(part, codes)
			}
		}
		return
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			addCodes(inner, codes)
			return
		}
	}
	switch err {
	case errUsage:
		codes[exitUsage] = true
	case runner.ErrStopped:
		codes[exitStopped] = true
	case errFailed:
		codes[exitFailed] = true
	case errTold:
	default:
		codes[exitTool] = true
	}
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, s streams, getenv func(string) string) error {
	root := newRoot(args, s, getenv)
	root.SetArgs(append([]string{}, args...)) // nil would stand for the process's own
	return root.ExecuteContext(ctx)
}
