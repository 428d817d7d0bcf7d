package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/scenarios"
)

// TestFaultsTogether: a fault hides no other one, and none is told that only
// follows from another.
func TestFaultsTogether(t *testing.T) {
	const head = "name: x\nmodel: demo\nmethods:\n  - dense\n  - %s\ncalibration: {corpus: demo-calibration, sequences: 1, length: 8}\nsuites:\n  - %s\n"
	for _, c := range []struct{ method, suite, want string }{
		{"{name: int4, bits: 5, grup: 64}", "memory",
			"5:24: methods[1].bits: 5, want one of 2, 3, 4, 8\n5:27: unknown field \"grup\" in methods[1]; did you mean \"group\"?"},
		{"{name: int4, bits: x, group: -1}", "memory",
			"5:24: methods[1].bits: x, want a whole number such as 128, 4k or 2Mi\n5:34: methods[1].group: -1, want 0 (the whole row) or more"},
		{"{name: int4, overrides: [{tensors: \"[\", bits: 7, foo: 1}]}", "memory",
			"5:30: methods[1].overrides[0].tensors: pattern \"[\": syntax error in pattern\n5:51: methods[1].overrides[0].bits: 7, want one of 2, 3, 4, 8\n5:54: unknown field \"foo\" in methods[1].overrides[0]"},
		{"{name: int4, bits: [4, 7], only: \"[\", overrides: [{tensors: a, group: -2}]}", "memory",
			"5:5: methods[1]: pattern \"[\": syntax error in pattern\n5:28: methods[1].bits: 7, want one of 2, 3, 4, 8\n5:75: methods[1].overrides[0].group: -2, want 0 (the whole row) or more"},
		{"{name: svd, bits: [0.01, 0.001], seeds: [1, 2], foo: 1}", "memory",
			"5:24: methods[1].bits: 0.01 are too few for rank 1 of a 128×256 matrix, which takes 0.188 bits per weight\n" +
				"5:30: methods[1].bits: 0.001 are too few for rank 1 of a 128×256 matrix, which takes 0.188 bits per weight\n5:53: unknown field \"foo\" in methods[1]"},
		{"{name: svd, bytes: [0.01bpw, 0, x], rank: 3, per: layer}", "memory",
			"5:25: methods[1].bytes: 81 bytes are too few for rank 1 of a 256×256 matrix, which takes 1024; 0.188bpw would do for every matrix\n" +
				"5:34: methods[1].bytes[1]: 0, want stored bits per weight above 0 and at most 32, such as 0.5bpw\n" +
				"5:37: methods[1].bytes[2]: x, want a number such as 0.5 or 0.5bpw\n" +
				"5:47: methods[1].rank: with bytes the size comes from there: remove one of the two\n" +
				"5:55: methods[1].per: \"layer\", want one of matrix, model"},
		{"{name: svd, bytes: [0.01bpw, 0.5], rank: 3, match: int4}\n  - int4", "memory",
			"5:24: methods[1].bytes: match says the size too: remove one of the two\n5:46: methods[1].rank: with match the size comes from the other method: remove one of the two"},
		{"{name: svd, bytes: [0.01bpw, 2bpw]}", "memory",
			"5:25: methods[1].bytes: 81 bytes are too few for rank 1 of a 256×256 matrix, which takes 1024; 0.188bpw would do for every matrix"},
		{"{name: dense, bytes: 2bpw}", "memory", "5:26: methods[1].bytes: dense has no size to adjust; methods that have: FITTING"},
		{"{name: svd, bits: 2, per: model, overrides: [{tensors: a, rank: 3}]}", "memory",
			"5:31: methods[1].per: says what match or bytes hold for, and neither is there: remove it"},
		{"{name: svd, bytes: 2bpw, overrides: [{tensors: a, rank: 3}]}", "memory",
			"5:61: methods[1].overrides[0].rank: with bytes the size comes from there: remove one of the two"},
		{"{name: svd, bits: 2, rank: [0, 3], overrides: [{tensors: a, rank: 3, bits: 4}, {tensors: b, rank: 3}]}", "memory",
			"5:36: methods[1].rank: bits says the size too: remove one of the two\n5:80: methods[1].overrides[0].bits: rank says the size too: remove one of the two"},
		{"{name: svdllm, rank: 9}", "memory",
			"5:5: methods[1]: 1×8 tokens of calibration are fewer than the 9 that rank 9 of a 256×256 matrix needs: raise sequences or length\n" +
				"5:5: methods[1]: 1×8 tokens of calibration are fewer than the 9 that rank 9 of a 128×256 matrix needs: raise sequences or length\n" +
				"5:5: methods[1]: 1×8 tokens of calibration are fewer than the 9 that rank 9 of a 768×256 matrix needs: raise sequences or length\n" +
				"5:5: methods[1]: 1×8 tokens of calibration are fewer than the 9 that rank 9 of a 256×768 matrix needs: raise sequences or length"},
		{"{name: int4, bits: 7}\n  - {name: svd, match: int4}", "memory", "5:24: methods[1].bits: 7, want one of 2, 3, 4, 8"},
		{"int4", "{name: latency, prompt: [0, x], nw: 3, blocks: 2}",
			"8:30: suites[0].prompt[0]: 0, want at least 1\n8:33: suites[0].prompt[1]: x, want a whole number such as 128, 4k or 2Mi\n" +
				"8:37: unknown field \"nw\" in suites[0]; did you mean \"new\"?\n8:52: suites[0].blocks: 2, want at least 6 (fewer give no 95 % interval of a median)"},
		{"int4", "approx\n  - {name: perplexity, recipe: gptq-64, corpus: {jion: rows}}",
			"9:49: suites[1].corpus.file: missing\n9:50: unknown field \"jion\" in suites[1].corpus; did you mean \"join\"?"},
		{"int4", "approx\n  - {name: perplexity, recipe: gptq-64, corpus: {file: nope.raw, join: raws}}",
			"9:49: suites[1].corpus: open nope.raw: no such file or directory; put the text there (a relative path starts from the scenario's folder) or name a shipped one\n" +
				"9:72: suites[1].corpus.join: raws, want one of rows, lines, raw; did you mean \"rows\"?"},
		{"int4", "approx\n  - {name: perplexity, recipe: gptq-64, corpus: demo, windos: 1}", "9:55: unknown field \"windos\" in suites[1]; did you mean \"windows\"?"},
	} {
		s, _ := scenarios.Parse([]byte(fmt.Sprintf(head, c.method, c.suite)), "x", t.TempDir())
		_, err := Make(s, Settings{Cache: t.TempDir(), Threads: 1})
		want := "x:" + strings.ReplaceAll(strings.ReplaceAll(c.want, "FITTING", strings.Join(fitting(), ", ")), "\n", "\nx:")
		if err == nil {
			t.Errorf("%s, %s: no fault", c.method, c.suite)
		} else if got := strings.ReplaceAll(err.Error(), s.Dir+"/", ""); got != want {
			t.Errorf("%s, %s:\n%s\nwant\n%s", c.method, c.suite, got, want)
		}
	}
}

// TestWithoutModel: a model that is not there hides no fault but those that
// turn on its positions and tokens.
func TestWithoutModel(t *testing.T) {
	const text = `name: x
model: nowhere
methods: [{name: int4, bits: 7}]
calibration: {corpus: demo, sequences: 1, length: 8}
suites:
  - approx
  - {name: perplexity, recipe: gpt-64, corpus: demo}
  - {name: perplexity, recipe: gptq-64, corpus: demo}
  - {name: perplexity, recipe: gptq-4096, corpus: demo-calibration, windows: 9999}
  - {name: latency, prompt: 100000, new: 1}
`
	s, _ := scenarios.Parse([]byte(text), "x.yaml", "")
	_, err := Make(s, Settings{Cache: t.TempDir(), Threads: 1})
	const want = `x.yaml:2:8: model: nowhere: no such folder; want demo or a folder with config.json and *.safetensors
x.yaml:3:30: methods[0].bits: 7, want one of 2, 3, 4, 8
x.yaml:7:32: suites[1].recipe: recipe "gpt-64", want one of gptq-L, bos-each-L, llamacpp-Lh (L tokens in a window)
x.yaml:8:49: suites[2].corpus: demo is also the calibration text; a text that methods may look at cannot be scored
x.yaml:10:42: suites[4].new: 1, want at least 2 (the first token is the prompt's)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestField finds the field that a fault starts with.
func TestField(t *testing.T) {
	item := scenarios.Node{Pos: scenarios.Pos{Line: 4, Col: 9}, Kind: scenarios.Scalar, Text: "600"}
	list := scenarios.Node{Pos: scenarios.Pos{Line: 4, Col: 5}, Kind: scenarios.List, Items: []scenarios.Node{{}, item}}
	inner := scenarios.Node{Pos: scenarios.Pos{Line: 5, Col: 7}, Kind: scenarios.Map, Fields: []scenarios.Field{{Key: "eta", Value: list}}}
	n := scenarios.Node{Kind: scenarios.Map, Fields: []scenarios.Field{{Key: "prompt", Value: list}, {Key: "delta", Value: inner}}}
	other := scenarios.Pos{Line: 1, Col: 1}
	for _, c := range []struct {
		fault, message string
		pos            scenarios.Pos
	}{
		{"prompt: too long", "suites[0].prompt: too long", list.Pos},
		{"prompt[1]: 600", "suites[0].prompt[1]: 600", item.Pos},
		{"prompt[7]: 600", "suites[0].prompt[7]: 600", list.Pos},
		{"new: 0", "suites[0].new: 0", other},
		{"delta.eta[1]: 5", "suites[0].delta.eta[1]: 5", item.Pos},
		{"delta: both", "suites[0].delta: both", inner.Pos},
		{"delta.size: 0", "suites[0].delta.size: 0", other},
		{"compresses nothing", "suites[0]: compresses nothing", other},
		{"corpus x: nothing", "suites[0]: corpus x: nothing", other},
	} {
		err := errors.New(c.fault)
		if got := fieldMessage("suites[0]", err); got != c.message {
			t.Errorf("%q gives %q, want %q", c.fault, got, c.message)
		}
		if got := fieldPos(n, other, err); got != c.pos {
			t.Errorf("%q is at %v, want %v", c.fault, got, c.pos)
		}
	}
}

// TestShipped: nothing is wrong with the shipped scenarios; of the one that
// wants a text of its user only that is missing.
func TestShipped(t *testing.T) {
	for _, name := range scenarios.Shipped() {
		loaded, err := scenarios.Load(name, nil)
		if err != nil || len(loaded) != 1 {
			t.Fatalf("%s: %d scenarios, %v", name, len(loaded), err)
		}
		p, err := Make(loaded[0], Settings{Cache: t.TempDir(), Threads: 1})
		if wants := name == "wikitext-int4-svd-sketch"; wants != (err != nil) || wants && (strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "wiki.test.raw")) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			p.Close()
		}
	}
}
