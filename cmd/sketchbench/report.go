package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

// reportFlags are the flags of report.
type reportFlags struct {
	formats []string
	output  string
}

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report RECORDS…",
		Short: "Summarise records as a table",
		Long: "Report reads records files, of one run or many, and prints one table for each scenario and model. It needs no model.\n" +
			"- reads records from standard input.",
		Args: usage(cobra.MinimumNArgs(1), "a records file"),
		RunE: func(_ *cobra.Command, args []string) error { return a.report(args, f) },
	}
	cmd.Flags().StringArrayVar(&f.formats, "format", []string{"text"}, "`FORMAT[=FILE]`, of "+orList(formats)+"; may be given several times, once without a file")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write instead of standard output")
	complete(cmd, "format", formats)
	return cmd
}

func (a *app) report(paths []string, f reportFlags) error {
	var faults []string
	outs := parseOutputs(f.formats, f.output, paths, &faults)
	if i := slices.Index(paths, "-"); i >= 0 && slices.Contains(paths[i+1:], "-") {
		faults = append(faults, "standard input is named twice")
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s", errUsage, strings.Join(faults, "; "))
	}
	recs, err := a.readRecords(paths)
	if err != nil {
		return err
	}
	tables, err := tablesOf(recs)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	return a.write(tables, outs)
}

// readRecords returns the records of all files; - is standard input.
func (a *app) readRecords(paths []string) ([]results.Record, error) {
	var all []results.Record
	for _, p := range paths {
		var recs []results.Record
		var err error
		if p == "-" {
			var b []byte
			if b, err = io.ReadAll(a.in); err == nil {
				recs, _, err = results.Parse("standard input", b)
			}
		} else {
			recs, err = results.ReadFiles(p)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, recs...)
	}
	return all, nil
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
	return a.write(tables, []output{{format: "text"}})
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
