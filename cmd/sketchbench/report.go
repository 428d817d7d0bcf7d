package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
	"github.com/sketchbench/sketchbench/scenarios"
)

func (a *app) reportCommand() *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "report RECORDS…",
		Short: "Summarise records as a table",
		Long:  "Report reads records files, of one run or many, and prints one table for each scenario and model. It needs no model.",
		Args:  usage(cobra.MinimumNArgs(1), "a records file"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.report(args, format, output) },
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, md or json")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write instead of standard output")
	return cmd
}

func (a *app) report(paths []string, format, output string) error {
	render, ok := renderers[format]
	if !ok {
		return fmt.Errorf("%w: --format %s, want text, md or json%s", errUsage, format, scenarios.DidYouMean(format, []string{"text", "md", "json"}))
	}
	recs, err := results.ReadFiles(paths...)
	if err != nil {
		return err
	}
	tables, err := tablesOf(recs)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	if output == "" {
		return render(a.out, tables, width(a.out))
	}
	return writeFile(output, func(w io.Writer) error { return render(w, tables, 0) })
}

// renderers by the name of their format. Only text folds to a width.
var renderers = map[string]func(w io.Writer, t []table.Table, width int) error{
	"text": table.Text,
	"md":   func(w io.Writer, t []table.Table, _ int) error { return table.Markdown(w, t) },
	"json": func(w io.Writer, t []table.Table, _ int) error { return table.JSON(w, t) },
}

func tablesOf(recs []results.Record) ([]table.Table, error) {
	rep, err := summary.Of(recs, "")
	if err != nil {
		return nil, err
	}
	return table.Build(rep), nil
}

// printTable prints the table of one scenario from its records file.
func (a *app) printTable(path, scenario string) error {
	recs, err := results.ReadFiles(path)
	if err != nil {
		return err
	}
	var own []results.Record
	for _, r := range recs {
		if r.Scenario == scenario || r.Scenario == "" {
			own = append(own, r)
		}
	}
	tables, err := tablesOf(own)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return table.Text(a.out, tables, width(a.out))
}

// width is that of the terminal, 0 where w is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// writeFile writes to a temporary name and renames, so that a failure leaves
// what was there.
func writeFile(path string, render func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-"+filepath.Base(path)+"-*")
	if err != nil {
		return cannotWrite(path, err)
	}
	defer func() {
		if err != nil {
			err = cannotWrite(path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	if err := render(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// cannotWrite names the file that was wanted, not the temporary one.
func cannotWrite(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
