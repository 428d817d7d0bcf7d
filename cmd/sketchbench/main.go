// Sketchbench measures what sketching, low-rank and integer compression cost
// and save on a language model.
//
// A scenario (a YAML file, or the name of a shipped one) names a model, the
// methods and the suites:
//
//	sketchbench plan demo
//	sketchbench run demo
//	sketchbench report demo.records.jsonl
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

// report prints err and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil || errors.Is(err, errTold) {
		return exitCode(err)
	}
	var faults *scenarios.Faults
	if !errors.As(err, &faults) {
		fmt.Fprintf(w, "sketchbench: %s\n", oneLine(err))
		return exitCode(err)
	}
	fmt.Fprintln(w, err)
	fmt.Fprintf(w, "%s; nothing was run\n", plural(countFaults(err), "fault"))
	return exitCode(err)
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

// exitCode follows the precedence of protocol.md 3.1: 2, 1, 75, 6.
func exitCode(err error) int {
	var faults *scenarios.Faults
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &faults), errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, runner.ErrStopped):
		return exitStopped
	case errors.Is(err, errFailed):
		return exitFailed
	}
	return exitTool
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, s streams, getenv func(string) string) error {
	root := newRoot(args, s, getenv)
	root.SetArgs(append([]string{}, args...)) // nil would stand for the process's own
	return root.ExecuteContext(ctx)
}
