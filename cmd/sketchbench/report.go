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
	formats               []string
	output                string
	filters, groups, sort []string
}

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report RECORDS…",
		Short: "Summarise records as a table",
		Long: "Report reads records files, of one run or many, and prints one table for each scenario and model. It needs no model.\n" +
			"- reads records from standard input.\n\n" +
			"Keys are those of the records, such as method, params.bits, seed, suite, device, threads, run, commit, environment.cpu.\n" +
			"A filter is conditions with commas between, all of which must hold: KEY=VALUE, or != ~ !~ < <= > >= for =, where ~ matches\n" +
			"a pattern with * and ?. Of several filters one is enough. Values do not count that no filter chooses; ratios stay those\n" +
			"to the baseline, shown or not.",
		Args: usage(cobra.MinimumNArgs(1), "a records file"),
		RunE: func(_ *cobra.Command, args []string) error { return a.report(args, f) },
	}
	cmd.Flags().StringArrayVar(&f.formats, "format", []string{"text"}, "`FORMAT[=FILE]`, of "+orList(formats)+"; may be given several times, once without a file")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write instead of standard output")
	cmd.Flags().StringArrayVar(&f.filters, "filter", nil, "only what meets the conditions of `EXPR`, such as method=int4,params.bits<=4")
	cmd.Flags().StringArrayVar(&f.groups, "group", nil, "a table for each value of these `KEYS`, separated by commas, beside scenario and model")
	cmd.Flags().StringArrayVar(&f.sort, "sort", nil, "sort rows by these `KEYS`, of records or of columns, separated by commas; -KEY sorts downwards")
	complete(cmd, "format", formats)
	completeKeys(cmd, "filter", "group", "sort")
	return cmd
}

func (a *app) report(paths []string, f reportFlags) error {
	var faults []string
	outs := parseOutputs(f.formats, f.output, paths, &faults)
	if i := slices.Index(paths, "-"); i >= 0 && slices.Contains(paths[i+1:], "-") {
		faults = append(faults, "standard input is named twice")
	}
	choice, err := parseChoice(f.filters, f.groups, f.sort)
	if err != nil {
		faults = append(faults, oneLine(err))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s", errUsage, strings.Join(faults, "; "))
	}
	recs, err := a.readRecords(paths)
	if err != nil {
		return err
	}
	if err := choice.check(recs); err != nil {
		return err
	}
	tables, err := tablesOf(recs, choice)
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

// tablesOf summarises records and lays out what c chooses of them.
func tablesOf(recs []results.Record, c choice) ([]table.Table, error) {
	rep, err := summary.Of(recs, summary.Options{Filter: c.filter, Group: c.group})
	if err != nil {
		return nil, err
	}
	return table.Build(rep, c.order), nil
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
	tables, err := tablesOf(own, choice{})
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
