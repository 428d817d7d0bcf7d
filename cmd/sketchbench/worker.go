package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
)

// workerName is the hidden command of a process that measures one case.
const workerName = "worker"

// self returns what starts this program with the given arguments.
func self(args ...string) func() (*launch.Process, error) {
	return func() (*launch.Process, error) {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return launch.Start(exe, nil, args...)
	}
}

func (a *app) workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    workerName,
		Short:  "Measure one case, told on standard input, and print messages for the parent process",
		Hidden: true,
		Args:   usage(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := bufio.NewReader(a.in)
			line, err := in.ReadBytes('\n')
			if err != nil {
				return fmt.Errorf("no job on standard input: %w", err)
			}
			var j runner.Job
			if err := json.Unmarshal(line, &j); err != nil {
				return fmt.Errorf("standard input: %.80q is no job: %w", line, err)
			}
			go endWithParent(in)
			return runner.Work(cmd.Context(), j, a.out, plan.Settings{Child: child}, runner.Options{Now: time.Now, Clock: bench.WallClock})
		},
	}
}

// endWithParent ends this process when its standard input closes: its parent
// is gone, and nobody would keep what it measures.
func endWithParent(in io.Reader) {
	_, _ = io.Copy(io.Discard, in) // however it ends
	os.Exit(exitStopped)
}
