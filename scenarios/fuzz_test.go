package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// FuzzParse decodes made-up scenarios: the answer is a *Faults that names the
// file and places within it, or a scenario that has what it must have.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	for _, name := range Shipped() {
		b, err := shipped.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, text := range []string{
		"a: &a [*a]\nname: *a\n",
		"a: &a {b: *a, <<: *a}\n",
		"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
		"name: !!binary aGk=\nmodel: !!float 1\nthreads: !!int '3'\nmethods: !!set {dense}\n",
		"? [a]\n: b\n? {c: d}\n",
		"name: |\n  a\n b\n",
		"--- {}\n---\n{}\n",
		"%YAML 1.1\n%TAG ! tag:x,2000:\n---\n!foo\n",
		"\tname: x\n",
		"name: x\nname: y\n",
		"\xff\xfen\x00",
		"name: \"\\u0000\\ud800\"\n",
		"threads: 99999999999999999999k\nmethods: [[[[]]]]\nsuites: {name: }\n",
		"methods: [{name: int4, bits: [], overrides: {}, match: [a, b], seeds: -1, only: {a: b}}]\n",
		"calibration: [{corpus: {file: '', join: x}, sequences: 0, length: 1e400Gi}]\n",
		strings.Repeat("[", 100) + strings.Repeat("{a: ", 100),
		strings.Repeat("- ", 200),
		strings.Repeat("? ", 200),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, b []byte) {
	var s *Scenario
	var err error
	fuzztest.Bounded(t, len(b), func() { s, err = Parse(b, "dir/p.yaml", "dir") })
	if err != nil {
		checkFaults(t, b, err)
		return
	}
	if !namePattern.MatchString(s.Name) || s.Model == "" || len(s.Methods) == 0 || len(s.Suites) == 0 || len(s.Faults) > 0 {
		t.Errorf("accepted as %+v", s)
	}
	for _, m := range s.Methods {
		if m.Name == "" {
			t.Errorf("%s: no name", m.Path)
		}
	}
	for _, s := range s.Suites {
		if s.Name == "" || s.Params.Kind != Map {
			t.Errorf("%s: name %q, params %v", s.Path, s.Name, s.Params.Kind)
		}
	}
	again, err := Parse(b, "dir/p.yaml", "dir")
	if err != nil || !reflect.DeepEqual(s, again) {
		t.Errorf("a second reading differs: %+v, %v", again, err)
	}
}

func checkFaults(t *testing.T, b []byte, err error) {
	var faults *Faults
	if !errors.As(err, &faults) || len(faults.List) == 0 || !strings.HasPrefix(err.Error(), "dir/p.yaml:") {
		t.Errorf("%T %v, want faults with the name of the file", err, err)
		return
	}
	// The parser counts CR, NEL, LS and PS as ends of lines too.
	lines := 2 + len(b)
	for _, f := range faults.List {
		if f.Line < 0 || f.Line > lines || f.Col < 0 || f.Message == "" {
			t.Errorf("fault %+v in a file of %d bytes", f, len(b))
		}
	}
}

// TestParseLarge bounds what scenarios cost that say little in many words.
func TestParseLarge(t *testing.T) {
	for name, text := range map[string]string{
		"list":           "[" + strings.Repeat("a,", maxBytes/2-1) + "]",
		"lists":          "[" + strings.Repeat("[],", maxBytes/3-1) + "]",
		"block list":     strings.Repeat("-\n", maxBytes/2),
		"mappings":       "[" + strings.Repeat("{},", maxBytes/3-1) + "]",
		"keys":           "methods: [{" + keys(maxBytes-100, ",") + "}]",
		"top-level keys": keys(maxBytes-100, "\n"),
		"deep lists":     strings.Repeat("[", maxBytes),
		"deep blocks":    strings.Repeat("- ", maxBytes/2),
		"deep keys":      strings.Repeat("? ", maxBytes/2),
		"anchors":        "[" + strings.Repeat("&a a,", maxBytes/5-1) + "]",
		"aliases":        "a: &a [x]\nb: [" + strings.Repeat("*a,", maxBytes/3-20) + "]",
		"documents":      strings.Repeat("---\n", maxBytes/4),
		"comments":       strings.Repeat("#\n", maxBytes/2),
		"colons":         strings.Repeat(":", maxBytes),
		"long word":      "name: " + strings.Repeat("x", maxBytes-6),
		"long key":       strings.Repeat("x", maxBytes-6) + ": 1",
		"escapes":        `name: "` + strings.Repeat(`\x01`, maxBytes/4-3) + `"`,
		"tabs":           strings.Repeat("\tx\n", maxBytes/3),
		"too long":       strings.Repeat("x", maxBytes+1),
	} {
		t.Run(name, func(t *testing.T) { checkParse(t, []byte(text)) })
	}
}

// keys makes n bytes of different keys with values.
func keys(n int, separator string) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x: 1%s", i, separator)
	}
	return b.String()
}
