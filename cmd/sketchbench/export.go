package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/internal/export"
	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// exportFlags are the flags of export.
type exportFlags struct{ name, output string }

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export SCENARIO --case CASE -o DIR",
		Short: "Write a case as an ordinary model folder, for other programs",
		Long: "Export makes a case, or finds it in the cache, and writes it as a folder in Hugging Face layout: every tensor dequantised\n" +
			"to bf16, config and tokenizer beside. Programs such as lm-eval and vLLM open it; what the case stores is not seen there.",
		Args: usage(cobra.ExactArgs(1), "one scenario"), ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVar(&f.name, "case", "", "the case: a pattern over labels, methods or ids that fits one")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "folder to be made; nothing is overwritten")
	return cmd
}

// export writes one case of a scenario to a folder.
func (a *app) export(ctx context.Context, args []string, f exportFlags) (outer error) {
	if f.name == "" || f.output == "" {
		return fmt.Errorf("%w: export wants --case CASE and -o DIR; plan lists the cases", errUsage)
	}
	if _, err := os.Lstat(f.output); err == nil {
		return fmt.Errorf("%w: -o %s: something is there already; nothing is overwritten", errUsage, f.output)
	}
	if parent := filepath.Dir(filepath.Clean(f.output)); !isFolder(parent) {
		return fmt.Errorf("%w: -o %s: %s is no folder; make it first", errUsage, f.output, parent)
	}
	cache, _, err := a.cacheDir()
	if err != nil {
		return err
	}
	plans, err := a.plans(args, cache, "", "")
	if err != nil {
		return err
	}
	defer func() { outer = errors.Join(outer, closePlans(plans)) }()
	p, c, err := oneCase(plans, f.name)
	if err != nil {
		return err
	}
	err = a.exportCase(ctx, p, c, f.output)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", runner.ErrStopped, context.Cause(ctx))
	}
	return err
}

// isFolder reports whether a path is a folder.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// oneCase finds the case of a pattern, which must fit one, and its plan.
func oneCase(plans []*plan.Plan, name string) (of *plan.Plan, found *subject.Case, err error) {
	var labels, named []string
	for _, p := range plans {
		for _, c := range p.Cases {
			labels = append(labels, c.Label)
			if plan.Named(c, name) {
				named = append(named, c.Label)
				of, found = p, c
			}
		}
	}
	switch {
	case len(named) == 0:
		return nil, nil, fmt.Errorf("%w: --case: %q is no case%s", errUsage, name, scenarios.DidYouMean(name, labels))
	case len(named) > 1:
		return nil, nil, fmt.Errorf("%w: --case %s is %d cases, want one: %s", errUsage, name, len(named), strings.Join(named, "; "))
	case of.Env.Model.None():
		return nil, nil, fmt.Errorf("%w: %s: there is no model (model: %s) to be written", errUsage, of.Scenario.Path, subject.NoModel)
	}
	return of, found, nil
}

// exportCase opens a case of a plan and writes it.
func (a *app) exportCase(ctx context.Context, p *plan.Plan, c *subject.Case, dir string) (err error) {
	show := a.newProgress()
	start := time.Now()
	said := func(step string, done, total int) {
		show.event(runner.Event{Index: 1, Of: 1, Case: c.Label, Step: step, Done: done, Total: total, Elapsed: time.Since(start)})
	}
	defer show.close()
	s, err := p.Env.Open(ctx, c, func(step subject.Stage, done, total int) { said(string(step), done, total) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := export.Model{Config: p.Env.Model.Config, Weights: s.Weights(), Files: p.Env.Model.Small, About: map[string]string{
		"sketchbench_case": c.ID, "sketchbench_label": c.Label, "sketchbench_model": p.Env.Model.Name, "sketchbench_artefact": s.Artefact.Hash(),
	}}
	o := export.Options{Gemm: p.Env.Gemm, Progress: func(done, total int) { said("export", done, total) }}
	if err := export.Write(ctx, dir, m, o); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.streams.err, "wrote %s: %s of %s in bf16\n", dir, c.Label, p.Env.Model.Name)
	return err
}
