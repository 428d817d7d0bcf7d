package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites"
)

// child runs this program with the given arguments and returns what it
// prints. It is killed when ctx ends.
func child(ctx context.Context, args ...string) ([]byte, error) {
	p, err := self(args...)()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = p.Kill() })()
	out, readErr := io.ReadAll(p.Out)
	if err := p.Wait(); err != nil {
		return nil, err
	}
	return out, readErr
}

// childCommand is what the memory suite runs in a process of its own.
func (a *app) childCommand() *cobra.Command {
	var c subject.Child
	var prompt, n int
	cmd := &cobra.Command{
		Use:    suites.ChildCommand,
		Short:  "Measure the memory of this process while it runs a model",
		Hidden: true,
		Args:   usage(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c.Threads = a.threads
			go endWithParent(a.in)
			peak, err := suites.MeasureMemory(cmd.Context(), c, prompt, n)
			if err != nil {
				return err
			}
			return json.NewEncoder(a.out).Encode(peak)
		},
	}
	cmd.Flags().StringVar(&c.Model, "model", "", "as in the scenario")
	cmd.Flags().StringVar(&c.Folder, "folder", "", "of the model")
	cmd.Flags().StringVar(&c.Artefact, "artefact", "", "folder of the artefact; none is the uncompressed model")
	cmd.Flags().IntVar(&prompt, "prompt", 1, "tokens of the prompt")
	cmd.Flags().IntVar(&n, "new", 1, "tokens to generate")
	return cmd
}

// timingCommand is what measures blocks of a timing suite in a process of its own.
func (a *app) timingCommand() *cobra.Command {
	return &cobra.Command{
		Use:    suites.TimingCommand,
		Short:  "Time a model in this process, as standard input asks",
		Hidden: true,
		Args:   usage(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return suites.Serve(cmd.Context(), a.in, a.out, bench.WallClock)
		},
	}
}
