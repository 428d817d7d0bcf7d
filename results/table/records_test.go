package table_test

import (
	"encoding/json"
	"math"

	"github.com/sketchbench/sketchbench/results"
)

// maker writes the records of hand-made runs. Every figure is a small formula
// of its indices, so that a golden file can be worked out again.
type maker struct {
	scenario, run string
	host          string
	recs          []results.Record
}

// start begins a run.
func (m *maker) start(run, host string) {
	m.run, m.host = run, host
	m.recs = append(m.recs, results.Record{Kind: results.KindRun, Run: run, Tool: "sketchbench v0.1.0", Commit: "abc1234", Host: host, Threads: 2,
		Environment: json.RawMessage(`{"cpu":"Test CPU"}`)})
}

// a subject is one case of a hand-made run.
type subject struct {
	id, method, label string
	nominal           float64
	base              bool
	nll               float64 // mean nll per token
	noise             float64 // of windows against the baseline's
	slow              float64 // factor on times
	weightError       float64
	bytes             float64 // of the linears, per 1e6 weights
}

// add adds a line about s.
func (m *maker) add(s subject, r results.Record) {
	r.Schema, r.Run, r.Case, r.Scenario, r.Model, r.Method = results.Schema, m.run, s.id, m.scenario, "demo", s.method
	m.recs = append(m.recs, r)
}

func (m *maker) caseLine(s subject) {
	m.add(s, results.Record{Kind: results.KindCase, Label: s.label, Baseline: s.base, NominalBits: s.nominal})
}

// value adds a value of suite under recipe.
func (m *maker) value(s subject, suite, recipe, metric, item string, v, weight float64, sample, block int) {
	l, _ := results.LookupMetric(metric)
	m.add(s, results.Record{Kind: results.KindValue, Suite: suite, Recipe: recipe, Metric: metric, Unit: l.Unit, Item: item,
		Value: v, Weight: weight, Sample: sample, Block: block, Device: "cpu/avx2"})
}

func (m *maker) done(s subject, suite, recipe string, n int) {
	m.add(s, results.Record{Kind: results.KindDone, Suite: suite, Recipe: recipe, Values: n, Key: "k"})
}

func (m *maker) failure(s subject, suite, recipe, stage, message string) {
	m.add(s, results.Record{Kind: results.KindFailure, Suite: suite, Recipe: recipe, Stage: stage, Class: results.ClassInput, Message: message,
		Label: s.label, NominalBits: s.nominal})
}

// perplexity adds so many windows of 511 targets; windows differ by ±0.2 nat a token, and
// cases from the baseline by noise of half the windows' sign pattern.
func (m *maker) perplexity(s subject, recipe string, windows int) {
	for w := range windows {
		mean := s.nll + 0.2*math.Cos(float64(w)) + s.noise*math.Cos(float64(3*w))
		m.value(s, "perplexity", recipe, "nll", "", 511*mean, 511, w, 0)
		m.value(s, "perplexity", recipe, "nll_sq", "", 511*(mean*mean+4), 511, w, 0)
	}
	m.done(s, "perplexity", recipe, 2*windows)
}

// approx adds two matrices, the second with half the error.
func (m *maker) approx(s subject, recipe string) {
	e := s.weightError * s.weightError
	for i, name := range []string{"q_proj", "o_proj"} {
		f := math.Pow(0.25, float64(i)) // squared error of the second: a quarter
		m.value(s, "approx", recipe, "weight_err_sq", name, e*100*f, 1e6, 0, 0)
		m.value(s, "approx", recipe, "weight_ref_sq", name, 100, 1e6, 0, 0)
		m.value(s, "approx", recipe, "output_err_sq", name, e*50*f, 2e5, 0, 0)
		m.value(s, "approx", recipe, "output_ref_sq", name, 200, 2e5, 0, 0)
	}
	m.done(s, "approx", recipe, 8)
}

// latency adds blocks with one prefill per prompt and 3 gaps of decoding behind the last.
func (m *maker) latency(s subject, recipe string, prompts []int, blocks int) {
	n := 0
	for b := range blocks {
		drift := 1 + 0.01*float64(b) + 0.002*s.slow*math.Cos(float64(b))
		for _, p := range prompts {
			item := string(json.Number(itoa(p)))
			m.value(s, "latency", recipe, "ttft", "b1,ctx"+item, s.slow*1e-4*float64(p)*drift, 0, 0, b)
			for j := range 3 {
				m.value(s, "latency", recipe, "itl", "b1,d"+item, s.slow*2e-3*drift*(1+0.1*float64(j)), 0, j, b)
			}
			n += 4
		}
	}
	m.done(s, "latency", recipe, n)
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// memory adds a ledger of 4e6 linear weights and 1e6 of embedding in 16 bits.
func (m *maker) memory(s subject, recipe string) {
	m.value(s, "memory", recipe, "stored_bytes", "linear", s.bytes*4, 4e6, 0, 0)
	m.value(s, "memory", recipe, "nominal_bits", "linear", s.nominal*4e6, 4e6, 0, 0)
	m.value(s, "memory", recipe, "stored_bytes", "embedding", 2e6, 1e6, 0, 0)
	m.value(s, "memory", recipe, "nominal_bits", "embedding", 16e6, 1e6, 0, 0)
	m.value(s, "memory", recipe, "peak_anon", "", 40e6+s.bytes, 0, 0, 0)
	m.value(s, "memory", recipe, "vmhwm", "", 60e6+s.bytes, 0, 0, 0)
	m.done(s, "memory", recipe, 6)
}

func (m *maker) recipe(suite, hash, words, corpus string, counts map[string]int64) {
	m.recs = append(m.recs, results.Record{Kind: results.KindRecipe, Run: m.run, Suite: suite, Recipe: hash, Words: words, Corpus: corpus, Counts: counts})
}

var (
	dense  = subject{"c0", "dense", "dense", 16, true, 4, 0, 1, 0, 2e6}
	int4   = subject{"c1", "int4", "int4 b4 g128", 4, false, 4.02, 0.03, 0.8, 0.1, 519500}
	tuned  = subject{"c2", "sketchtune", "sketchtune b4 gpr1", 4, false, 4.001, 0.03, 0.9, 0.09, 503900}
	broken = subject{"c3", "svd", "svd b2", 2, false, 0, 0, 0, 0, 0}
	sketch = subject{"c4", "ultrasketch", "ultrasketch b0.5 r3", 0.5, false, 9, 0.1, 3, 1.01, 62500}
)

const (
	rPpl  = "3f2a9c10b7de"
	rPpl2 = "b00000000002"
	rApx  = "a00000000001"
	rLat  = "d00000000001"
	rMem  = "e00000000001"
)

// demo is a run of all suites in which one case fails and one collapses.
func demo() []results.Record {
	m := &maker{scenario: "demo"}
	m.start("r1", "h1")
	m.recipe("perplexity", rPpl, "gptq-512: lines joined as rows, BOS at the start of the text only, windows of 512 tokens each from an empty context, "+
		"scored from position 1, tail dropped; exp of the mean nll", "demo",
		map[string]int64{"bytes": 25000, "tokens": 6300, "windows": 12, "windows_available": 12, "scored": 6132, "dropped_tail": 156})
	m.recipe("latency", rLat, "greedy generation of 4 tokens at batch 1; runs timed in 6 randomised blocks, after warm-up: 1 each", "", nil)
	all := []subject{dense, int4, tuned, broken, sketch}
	for _, s := range all {
		if s.id == broken.id {
			m.failure(s, "", "", "compress", "model.layers.0.mlp.up_proj.weight[17] is NaN | not finite")
			continue
		}
		m.caseLine(s)
		m.approx(s, rApx)
		m.perplexity(s, rPpl, 12)
		m.memory(s, rMem)
	}
	for _, s := range all {
		if s.id != broken.id {
			m.latency(s, rLat, []int{64, 384}, 6)
		}
	}
	return m.recs
}

// short is a scenario with too few windows and blocks for intervals.
func short() []results.Record {
	m := &maker{scenario: "short"}
	m.start("r2", "h1")
	for _, s := range []subject{dense, int4} {
		m.caseLine(s)
		m.perplexity(s, rPpl, map[string]int{"c0": 3, "c1": 3}[s.id])
		m.latency(s, rLat, []int{128}, 4)
	}
	return m.recs
}

// twoRecipes scores one text under two recipes.
func twoRecipes() []results.Record {
	m := &maker{scenario: "two-recipes"}
	m.start("r3", "h1")
	m.recipe("perplexity", rPpl, "gptq-512", "demo", nil)
	m.recipe("perplexity", rPpl2, "bos-each-512", "demo", nil)
	for _, s := range []subject{dense, int4} {
		m.caseLine(s)
		m.approx(s, rApx)
		m.perplexity(s, rPpl, 12)
		s.nll += 0.5
		m.perplexity(s, rPpl2, 12)
	}
	return m.recs
}
