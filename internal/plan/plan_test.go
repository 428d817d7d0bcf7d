package plan

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

const text = `name: x
model: demo
baseline: dense
methods:
  - dense
  - {name: int4, bits: [4, 3], group: 128}
  - {name: svd, match: int4}
  - {name: sketchtune, bits: 2, overrides: [{tensors: "*.q_proj.*", bits: 4}], except: ["*.down_proj.*"]}
  - {name: svd, bytes: [0.5bpw, 1bpw], per: model}
  - {name: ultrasketch, bits: 0.5, seeds: [1, 2]}
  - {name: ultrasketch, bits: 0.5bpw, seeds: 2}
calibration:
  - {corpus: demo-calibration, sequences: 2, length: 64}
  - {corpus: demo-calibration, sequences: 2, length: 64, seed: 1}
suites:
  - {name: approx, windows: 1}
  - {name: perplexity, recipe: gptq-64, corpus: demo, windows: 2}
  - {name: latency, prompt: 8, new: 2}
`

// load parses the scenario s, as in a file in an empty folder.
func load(t *testing.T, s string) *scenarios.Scenario {
	t.Helper()
	sc, err := scenarios.Parse([]byte(s), "x.yaml", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func mustMake(t *testing.T, s string, set Settings) *Plan {
	t.Helper()
	if set.Cache == "" {
		set.Cache = t.TempDir()
	}
	p, err := Make(load(t, s), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func labels(p *Plan) string {
	var l []string
	for _, c := range p.Cases {
		l = append(l, c.Label)
	}
	return strings.Join(l, "\n")
}

// TestCases expands axes, targets, calibrations and seeds; the case that the
// last entry repeats is there once.
func TestCases(t *testing.T) {
	p := mustMake(t, text, Settings{Threads: 1})
	const want = `dense
int4 bits=4 group=128
int4 bits=3 group=128
svd match=int4,bits=4,group=128
svd match=int4,bits=3,group=128
sketchtune bits=2 calibration=demo-calibration,2x64,seed0 tensors=except:*.down_proj.*;override:*.q_proj.*,bits=4
sketchtune bits=2 calibration=demo-calibration,2x64,seed1 tensors=except:*.down_proj.*;override:*.q_proj.*,bits=4
svd bytes=0.5 per=model
svd bytes=1 per=model
ultrasketch bits=0.5 seed=1 calibration=demo-calibration,2x64,seed0
ultrasketch bits=0.5 seed=2 calibration=demo-calibration,2x64,seed0
ultrasketch bits=0.5 seed=1 calibration=demo-calibration,2x64,seed1
ultrasketch bits=0.5 seed=2 calibration=demo-calibration,2x64,seed1`
	got := labels(p)
	if sorted(got) != sorted(want) {
		t.Errorf("cases\n%s\nwant\n%s", got, want)
	}
	ids := map[string]bool{}
	for _, c := range p.Cases {
		if ids[c.ID] || len(c.ID) != 12 || c.Hash[:12] != c.ID {
			t.Errorf("%s: id %q of hash %q", c.Label, c.ID, c.Hash)
		}
		if _, knob := c.Params["bits"]; c.Method.Name == "svd" && knob {
			t.Errorf("%s: parameters %v, in which bits decide nothing", c.Label, c.Params)
		}
		ids[c.ID] = true
		if c.Baseline != (c.Label == "dense") {
			t.Errorf("%s: baseline %v", c.Label, c.Baseline)
		}
	}
	if p.Baseline != "dense" {
		t.Errorf("baseline %q", p.Baseline)
	}
}

func sorted(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestSelect takes patterns over labels, methods and ids, and shares that
// together are all cases, each once.
func TestSelect(t *testing.T) {
	all := mustMake(t, text, Settings{Threads: 1})
	for _, c := range []struct{ sel, want string }{
		{"int4", "int4 bits=4 group=128\nint4 bits=3 group=128"},
		{"int4 bits=3*", "int4 bits=3 group=128"},
		{all.Cases[0].ID, "dense"},
		{"d?nse", "dense"},
		{"", labels(all)},
	} {
		p := mustMake(t, text, Settings{Threads: 1, Cases: c.sel})
		if got := labels(p); got != c.want {
			t.Errorf("--cases %q selects\n%s\nwant\n%s", c.sel, got, c.want)
		}
	}
	var parts []string
	for _, sel := range []string{"1/3", "2/3", "3/3"} {
		parts = append(parts, labels(mustMake(t, text, Settings{Threads: 1, Cases: sel})))
	}
	if sorted(strings.Join(parts, "\n")) != sorted(labels(all)) {
		t.Errorf("three shares are\n%s", strings.Join(parts, "\n--\n"))
	}
	for _, sel := range []string{"0/3", "4/3", "1/0", "-1/3", "none", "[x"} {
		_, err := Make(load(t, text), Settings{Cache: t.TempDir(), Threads: 1, Cases: sel})
		var f *scenarios.Faults
		if !errors.As(err, &f) || !strings.Contains(err.Error(), "--cases: ") {
			t.Errorf("--cases %q: %v, want a fault", sel, err)
		}
	}
}

// TestEmptyShare: more shares than cases leave some without any, which is no
// fault: an array job may have them.
func TestEmptyShare(t *testing.T) {
	p := mustMake(t, text, Settings{Threads: 1, Cases: "14/14"})
	if len(p.Cases) != 0 || p.Total() != 13 || p.CacheBytes() != 0 || len(p.Steps()) != 0 {
		t.Errorf("%d of %d cases, %d bytes, %d steps", len(p.Cases), p.Total(), p.CacheBytes(), len(p.Steps()))
	}
}

// TestLabels: calibration files are told apart by base name, files of one base
// name by the id, targets by their tensors; what stands in the place of
// squeezellm's gradients is told, given or not.
func TestLabels(t *testing.T) {
	s := load(t, `name: x
model: demo
methods:
  - {name: int4, bits: 4, only: "*.q_proj.*"}
  - {name: int4, bits: 4, except: "*.q_proj.*"}
  - {name: svd, match: int4}
  - {name: ultrasketch, bits: 0.5bpw}
  - {name: squeezellm, bits: 3}
calibration:
  - {corpus: {file: a.txt}, sequences: 1, length: 8}
  - {corpus: {file: b.txt}, sequences: 1, length: 8}
  - {corpus: {file: c/b.txt}, sequences: 1, length: 8}
suites: [memory]
`)
	if err := os.Mkdir(filepath.Join(s.Dir, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.txt", "b.txt", "c/b.txt"} {
		words := strings.Repeat([]string{"one ", "two ", "three "}[i], 50)
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(words), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Make(s, Settings{Cache: t.TempDir(), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := `int4 bits=4 tensors=only:*.q_proj.*
int4 bits=4 tensors=except:*.q_proj.*
svd match=int4,bits=4,tensors=only:*.q_proj.*
svd match=int4,bits=4,tensors=except:*.q_proj.*
ultrasketch bits=0.5 calibration=a.txt,1x8,seed0
ultrasketch bits=0.5 calibration=b.txt,1x8,seed0 id=` + p.Cases[5].ID + `
ultrasketch bits=0.5 calibration=b.txt,1x8,seed0 id=` + p.Cases[6].ID + `
squeezellm bits=3 weights=diag-H calibration=a.txt,1x8,seed0
squeezellm bits=3 weights=diag-H calibration=b.txt,1x8,seed0 id=` + p.Cases[8].ID + `
squeezellm bits=3 weights=diag-H calibration=b.txt,1x8,seed0 id=` + p.Cases[9].ID
	if got := labels(p); got != want || p.Cases[5].ID == p.Cases[6].ID {
		t.Errorf("labels\n%s\nwant\n%s", got, want)
	}
}

// TestNamed: * in a pattern of cases also stands for slashes.
func TestNamed(t *testing.T) {
	c := &subject.Case{Label: "int4 bits=4 tensors=only:a/b", ID: "0123456789ab", Method: &subject.Method{Name: "int4"}}
	for pattern, want := range map[string]bool{"int4*": true, "*only:*b": true, "*a/b": true, "*a/c": false, "int?": true, "0123*": true, "[": false, "bits": false} {
		if Named(c, pattern) != want {
			t.Errorf("%q fits: %v, want %v", pattern, !want, want)
		}
	}
}

// TestSettings lets flags win over the scenario.
func TestSettings(t *testing.T) {
	withThreads := text + "threads: 2\ndevice: cpu\n"
	for _, c := range []struct {
		text                string
		set                 Settings
		threads             int // 0 is not looked at
		device, threadsFrom string
	}{
		{withThreads, Settings{}, 2, "the scenario", "the scenario"},
		{withThreads, Settings{Threads: 1, ThreadsFrom: "--threads"}, 1, "the scenario", "--threads"},
		{withThreads, Settings{Device: "auto", DeviceFrom: "SKETCHBENCH_DEVICE"}, 2, "SKETCHBENCH_DEVICE", "the scenario"},
		{text, Settings{}, 0, "the default", "the default"},
	} {
		p := mustMake(t, c.text, c.set)
		if n := p.Env.Gemm.Threads; c.threads > 0 && n != c.threads || p.DeviceFrom != c.device || p.ThreadsFrom != c.threadsFrom {
			t.Errorf("%+v: %d threads from %s, device from %s; want %d, %s, %s", c.set, n, p.ThreadsFrom, p.DeviceFrom, c.threads, c.threadsFrom, c.device)
		}
	}
	if _, err := Make(load(t, withThreads), Settings{Cache: t.TempDir(), Device: "abacus"}); err == nil || !strings.Contains(err.Error(), `"abacus"`) {
		t.Errorf("device abacus: %v", err)
	}
}

// TestLock is the same whatever part of the scenario flags select, and
// another once something that decides results changes.
func TestLock(t *testing.T) {
	whole := string(mustMake(t, text, Settings{Threads: 1}).Lock())
	part := string(mustMake(t, text, Settings{Threads: 2, Cases: "int4", Suites: []string{"perplexity"}}).Lock())
	if whole != part {
		t.Errorf("the lock of a part differs:\n%s\nwhole:\n%s", part, whole)
	}
	other := string(mustMake(t, strings.Replace(text, "windows: 2", "windows: 3", 1), Settings{Threads: 1}).Lock())
	if other == whole {
		t.Error("the lock does not see a window more")
	}
	for _, w := range []string{"scenario: x\n", "model: \"demo@", "sha256: ", "{name: sketchtune, version: ", "case: \"int4 bits=3 group=128\""} {
		if !strings.Contains(whole, w) {
			t.Errorf("the lock lacks %q:\n%s", w, whole)
		}
	}
}

// TestSteps guesses no negative time, and knows what is cached.
func TestSteps(t *testing.T) {
	p := mustMake(t, text, Settings{Threads: 1})
	seen := map[string]int{}
	for _, s := range p.Steps() {
		if s.Guess < 0 || s.Case < 0 || s.Case >= len(p.Cases) {
			t.Errorf("step %+v", s)
		}
		if s.Suite == "" && s.Cached != (p.Cases[s.Case].Method.Name == "dense") {
			t.Errorf("%s: cached %v in an empty cache", p.Cases[s.Case].Label, s.Cached)
		}
		seen[s.Suite]++
	}
	for _, name := range []string{"", "approx", "perplexity", "latency"} {
		if seen[name] != len(p.Cases) {
			t.Errorf("%d steps %q for %d cases", seen[name], name, len(p.Cases))
		}
	}
}

// TestPasses: options that have the work of a method done several times over
// are guessed to take as much longer.
func TestPasses(t *testing.T) {
	for _, c := range []struct {
		fields string
		more   float64
	}{{"int4, mse-clip: [false, true]", 80}, {"loftq, rounds: [1, 5]", 5}, {"svd, ranks: [uniform, waterfill]", 2}} {
		p := mustMake(t, "name: x\nmodel: demo\nmethods: [{name: "+c.fields+"}]\nsuites: [memory]\n", Settings{Threads: 1})
		m := newMachine(p)
		once, more := m.compress(p.Cases[0]).Seconds(), m.compress(p.Cases[1]).Seconds()
		if math.Abs(more/once-c.more) > 0.01*c.more {
			t.Errorf("%s: %v and %v s", c.fields, once, more)
		}
	}
}

func TestCheckSpace(t *testing.T) {
	p := mustMake(t, text, Settings{Threads: 1, Cases: "int4"})
	dir := t.TempDir()
	if err := p.CheckSpace(filepath.Join(dir, "new", "r.jsonl")); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "new", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.Env.Cache.Dir = file
	err := p.CheckSpace(dir)
	for _, w := range []string{"the cache " + file, "--cache DIR", "the records file " + dir, "-o FILE"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v lacks %q", err, w)
		}
	}
}

// TestMoments: without the H-weighted error no second moments are kept, and
// two suites share theirs.
func TestMoments(t *testing.T) {
	for suite, want := range map[string]int64{
		"{name: approx, windows: 1}": 1, "{name: approx, windows: 1, hessian: false}": 0,
		"{name: approx, windows: 1}\n  - {name: approx, windows: 2}": 1,
	} {
		p := mustMake(t, strings.Replace(text, "{name: approx, windows: 1}", suite, 1), Settings{Threads: 1, Cases: "dense"})
		if got := p.CacheBytes(); got != want*p.Env.Model.MomentsBytes() {
			t.Errorf("%s: %d bytes, want those of %d moments", suite, got, want)
		}
	}
}

// TestArtefactBytes is near what cases store: nothing for the model itself,
// at least the codes for others, and less than the model.
func TestArtefactBytes(t *testing.T) {
	p := mustMake(t, text, Settings{Threads: 1})
	var model int64
	for _, f := range p.Env.Model.Sources {
		model += f.Bytes
	}
	for i, c := range p.Cases {
		n := p.Env.ArtefactBytes(p.Cases[i])
		if c.Method.Name == "dense" && n != 0 || c.Method.Name != "dense" && (n < model/10 || n > model) {
			t.Errorf("%s: %d bytes beside a model of %d", c.Label, n, model)
		}
	}
	if n := p.CacheBytes(); n < p.Env.Model.MomentsBytes() {
		t.Errorf("the cache wants %d bytes, the moments alone %d", n, p.Env.Model.MomentsBytes())
	}
}

// TestJoins: a suite that shares a walk is guessed at what it adds to it.
func TestJoins(t *testing.T) {
	const scored = `name: x
model: demo
methods: [dense]
suites:
  - {name: perplexity, recipe: gptq-64, corpus: demo, windows: 8}
  - divergence
`
	p := mustMake(t, scored, Settings{Threads: 1})
	if !p.Joins(p.Suites[1], p.Suites[0]) || p.Joins(p.Suites[0], p.Suites[1]) {
		t.Error("the suites do not join")
	}
	joint := p.cost(p.Suites[1])
	other := mustMake(t, scored, Settings{Threads: 1, Suites: []string{"divergence"}})
	alone := other.cost(other.Suites[0])
	// The case's own forward pass of 8 windows is perplexity's.
	if joint.Tokens != 0 || alone.Tokens != 8*64 || joint.BaseTokens != alone.BaseTokens || joint.BaseTokens < 8*64 {
		t.Errorf("cost %+v, alone %+v", joint, alone)
	}
}
