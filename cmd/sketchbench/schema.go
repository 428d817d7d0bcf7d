package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a scenario, for editors",
		Args:  usage(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			enc := json.NewEncoder(a.out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return enc.Encode(scenarioSchema())
		},
	}
}

// scenarioSchema describes a scenario with all methods and suites.
func scenarioSchema() scenarios.Schema {
	var methods, suiteEntries []scenarios.Entry
	for _, name := range subject.MethodNames() {
		m, _ := subject.LookupMethod(name)
		methods = append(methods, scenarios.Entry{Name: name, Options: m.New(), Seeds: m.Chance, Match: m.Fit != nil})
	}
	for _, s := range suites.All() {
		suiteEntries = append(suiteEntries, scenarios.Entry{Name: s.Name, Options: s.New()})
	}
	return scenarios.FileSchema(methods, suiteEntries)
}
