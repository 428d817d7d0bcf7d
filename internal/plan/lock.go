package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Lock returns NAME.lock.yaml: everything outside the scenario file that
// decides a run's results, whatever part of it flags select. Equal inputs give
// equal bytes.
func (p *Plan) Lock() []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by sketchbench plan --lock. A run beside this file refuses other inputs.")
	line("scenario: %s", p.Scenario.Name)
	line("model: %q", p.Env.Model.Name)
	if !p.Env.Model.None() {
		line("files:")
		for _, f := range p.Env.Model.Sources {
			line("  - {name: %q, bytes: %d, sha256: %s}", f.Name, f.Bytes, f.SHA256)
		}
		line("tokenizer_sha256: %s", p.Env.Model.Tokenizer.Hash())
	}
	line("suites:")
	for _, s := range p.allSuites {
		if s.Recipe.Tokens != "" { // without a text, the scenario file says it all
			line("  - {name: %s, recipe: %s, token_ids_sha256: %s}", s.Name, s.RecipeHash, s.Recipe.Tokens)
		}
		if s.Recipe.Checkpoint != "" {
			line("  - {name: %s, recipe: %s, checkpoint: %q}", s.Name, s.RecipeHash, s.Recipe.Checkpoint)
		}
	}
	line("methods:")
	var seen []string
	for _, c := range p.allCases {
		if entry := fmt.Sprintf("  - {name: %s, version: %d}", c.Method.Name, c.Method.Version); !slices.Contains(seen, entry) {
			seen = append(seen, entry)
			line("%s", entry)
		}
	}
	line("cases:")
	for _, c := range p.allCases {
		line("  - {id: %s, case: %q}", c.ID, c.Label)
	}
	return []byte(b.String())
}
