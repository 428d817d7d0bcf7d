package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/table"
)

// documents are the README, the pages below docs and the package comment.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{"main.go": string(read(t, filepath.Join(moduleRoot, "cmd/sketchbench/main.go")))}
	paths, err := filepath.Glob(filepath.Join(moduleRoot, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(paths, filepath.Join(moduleRoot, "README.md")) {
		docs[filepath.Base(p)] = string(read(t, p))
	}
	return docs
}

// TestDocumentedCommands parses every command line that the documents show:
// the command is there, and so are its flags and arguments.
func TestDocumentedCommands(t *testing.T) {
	line := regexp.MustCompile(`(?m)^(?://\t|\s*)(?:bin/)?sketchbench ([a-z][^\n]*)$`)
	found := 0
	for name, text := range documents(t) {
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			words, _, _ := strings.Cut(m[1], " #")
			root := newRoot(nil, streams{}, os.Getenv)
			cmd, rest, err := root.Find(strings.Fields(words))
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil || cmd == root {
				t.Errorf("%s: %s: %v", name, words, err)
			}
			found++
		}
	}
	if found < 4 {
		t.Errorf("%d command lines found; has the form of the documents changed?", found)
	}
}

// TestDocumentedScenarios plans every whole scenario on the demo model that
// the documents show. Where the text goes on with what plan says of it, that
// is compared.
func TestDocumentedScenarios(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```\n(\n`sketchbench plan (\\S+)` says\n\n```\n(.*?)```)?")
	found := 0
	for name, text := range documents(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "name:") || !strings.Contains(m[1], "model: demo") {
				continue
			}
			found++
			dir := t.TempDir()
			file := "x.yaml"
			if m[3] != "" {
				file = m[3]
			}
			write(t, filepath.Join(dir, file), []byte(m[1]))
			t.Chdir(dir)
			o := command(dir, nil, "plan", file)
			if o.stderr != m[4] {
				t.Errorf("%s: plan says\n%s\nwant\n%s", name, o.stderr, m[4])
			}
		}
	}
	if found < 2 {
		t.Errorf("%d scenarios found; has the form of the documents changed?", found)
	}
}

// TestPublishedTables: the tables under results/published are those of the
// records beside them, and the README shows that of the demo, as make tables
// puts them there.
func TestPublishedTables(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(moduleRoot, "results/published/*.records.jsonl*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		recs, err := results.ReadFiles(file)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := tablesOf(recs, choice{})
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := table.Markdown(&want, tables); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		if string(read(t, filepath.Join(filepath.Dir(file), name+".md"))) != want.String() {
			t.Errorf("results/published/%s.md is not that of the records; make tables remakes it", name)
		}
		if name != "demo" {
			continue
		}
		_, rest, found := strings.Cut(string(read(t, filepath.Join(moduleRoot, "README.md"))), "<!-- table: begin -->\n")
		got, _, ends := strings.Cut(rest, "<!-- table: end -->")
		if !found || !ends || got != want.String() {
			t.Error("the table in README.md is not that of results/published/demo.records.jsonl; make tables remakes it")
		}
	}
}

// TestMethodsDocumented: the table of docs/methods.md has a row for every
// method, and names the option that a size in bytes adjusts.
func TestMethodsDocumented(t *testing.T) {
	for _, name := range subject.MethodNames() {
		m, _ := subject.LookupMethod(name)
		i := slices.IndexFunc(strings.Split(string(read(t, filepath.Join(moduleRoot, "docs/methods.md"))), "\n"), func(line string) bool {
			first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			if !ok || !strings.HasPrefix(line, "| `") || !strings.Contains(first, "`"+name+"`") {
				return false
			}
			last := strings.TrimSuffix(line[strings.LastIndex(strings.TrimSuffix(line, " |"), "| ")+2:], " |")
			return m.Fit == nil && last == "–" || slices.ContainsFunc(m.Knobs, func(k string) bool { return last == "`"+k+"`" })
		})
		if i < 0 {
			t.Errorf("%s: no row with what match and bytes adjust (%v)", name, m.Knobs)
		}
	}
}
