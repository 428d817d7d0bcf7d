package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/scenarios"
)

// shells lists the shells that command lines can be completed in.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script that completes command lines in a shell",
		Long: "Completion prints a script for " + strings.Join(shells, ", ") + ". In bash, for one session:\n\n" +
			"  source <(sketchbench completion bash)",
		Args: usage(cobra.ExactArgs(1), "one of "+strings.Join(shells, ", ")), ValidArgs: shells,
		RunE: func(_ *cobra.Command, args []string) error { return completion(root, a.out, args[0]) },
	}
}

func completion(root *cobra.Command, w io.Writer, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return fmt.Errorf("%w: completion: no shell %q, want one of %s%s", errUsage, shell, strings.Join(shells, ", "), scenarios.DidYouMean(shell, shells))
}

// completeScenarios offers the shipped scenarios, and files.
func completeScenarios(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenarios.Shipped(), cobra.ShellCompDirectiveDefault
}

// complete offers words as the value of a flag.
func complete(cmd *cobra.Command, flag string, words []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not there, or named twice
	}
}
