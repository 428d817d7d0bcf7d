package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
	"github.com/sketchbench/sketchbench/scenarios"
)

// A choice is what --filter, --group and --sort say. The zero value shows everything.
type choice struct {
	filter keys.Filter
	group  []string
	order  []keys.Order
}

func parseChoice(filters, groups, sort []string) (choice, error) {
	c := choice{group: keys.ParseList(groups), order: keys.ParseOrder(sort)}
	var err error
	if c.filter, err = keys.ParseFilter(filters); err != nil {
		err = fmt.Errorf("--filter %s", oneLine(err))
	}
	return c, err
}

// check refuses keys that neither the records nor, to sort by, the columns have.
func (c choice) check(recs []results.Record) error {
	names := keys.NewIndex(recs).Names()
	var faults []string
	find := func(flag, key string, names []string) {
		if !slices.Contains(names, key) {
			faults = append(faults, fmt.Sprintf("%s: no key %q%s", flag, key, scenarios.DidYouMean(key, names)))
		}
	}
	for _, key := range c.filter.Keys() {
		find("--filter", key, names)
	}
	for _, key := range c.group {
		find("--group", key, names)
	}
	if len(c.order) > 0 {
		if rep, err := summary.Of(recs, summary.Options{}); err == nil {
			names = append(names, table.SortKeys(rep)...)
		}
	}
	for _, o := range c.order {
		find("--sort", o.Key, names)
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; keys are %s", errUsage, strings.Join(faults, "; "), strings.Join(short(names), ", "))
}

// short returns names with those of one prefix as one, but for the parameters of methods.
func short(names []string) []string {
	var out []string
	for _, n := range names {
		if prefix, _, nested := strings.Cut(n, "."); nested && prefix != "params" {
			n = prefix + ".…"
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// completeKeys offers the keys of the records files that are named already as values of flags.
func completeKeys(cmd *cobra.Command, flags ...string) {
	var errs []error
	for _, flag := range flags {
		errs = append(errs, cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			recs, err := results.ReadFiles(args...)
			if err != nil || len(recs) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			names := keys.NewIndex(recs).Names()
			if rep, err := summary.Of(recs, summary.Options{}); err == nil && flag == "sort" {
				names = append(names, table.SortKeys(rep)...)
			}
			before := typed[:strings.LastIndex(typed, ",")+1]
			for i, n := range names {
				names[i] = before + n
			}
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}))
	}
	if err := errors.Join(errs...); err != nil {
		panic(err) // a flag is not there, or named twice
	}
}
