package subject_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
	"github.com/sketchbench/sketchbench/suites/memory"
)

const (
	// envMemory, when not empty, runs TestAnonymousMemory on a model of 75
	// million weights, which takes 4 to 7 minutes.
	envMemory = "SKETCHBENCH_MEMORY_TEST"
	// envChild tells a child process of the test what to do.
	envChild = "SKETCHBENCH_MEMORY_CHILD"
)

// A job is what a child process measures.
type job struct {
	Model, Cache, Answer string // folders, and the file for the peaks
	Calibration          subject.Calibration
	Recipe               string
	Spare                int64 // bytes that need no reason
}

// A peak is the most anonymous memory of one step.
type peak struct {
	Case, Step string
	Anon       int64
	Stored     int64 // bytes of the case's artefact
}

// TestAnonymousMemory runs methods and suites one after the other in a child
// process, as run does, and samples its anonymous memory (RssAnon). The bound
// is the packed model + one layer in float32 + while calibrating three d×d
// float32 matrices of the widest input and tokens × width × 4 bytes + KV cache
// + 200 MB. On a small model 200 MB would hide everything else; there it is
// 100 MB.
func TestAnonymousMemory(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("makes and compresses a model of some size")
	}
	if _, _, err := memory.Status(); err != nil {
		t.Skip(err)
	}
	c := subject.Tiny
	c.HiddenSize, c.Intermediate, c.Layers, c.Heads, c.KVHeads, c.HeadDim = 256, 2048, 2, 4, 4, 64
	c.MaxPositions = 512
	j := job{
		Model: t.TempDir(), Cache: t.TempDir(), Answer: filepath.Join(t.TempDir(), "peaks.json"),
		Calibration: subject.Calibration{Corpus: subject.CorpusRef{Name: "demo-calibration"}, Sequences: 4, Length: 512},
		Recipe:      "gptq-512", Spare: 100e6,
	}
	if os.Getenv(envMemory) != "" {
		c.HiddenSize, c.Intermediate, c.Layers, c.Heads, c.KVHeads = 1024, 4096, 4, 16, 16
		j.Calibration.Sequences, j.Spare = 32, 200e6
	}
	subject.WriteModel(t, j.Model, c, nil)
	b, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryChild$")
	cmd.Env = append(os.Environ(), envChild+"="+string(b))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	if b, err = os.ReadFile(j.Answer); err != nil {
		t.Fatal(err)
	}
	var peaks []peak
	if err := json.Unmarshal(b, &peaks); err != nil {
		t.Fatal(err)
	}
	for _, p := range peaks {
		limit := bound(c, j, p)
		t.Logf("%-12s %-10s %4d MB, bound %4d MB, packed model %d MB", p.Case, p.Step, p.Anon/1e6, limit/1e6, p.Stored/1e6)
		if p.Anon > limit {
			t.Errorf("%s: %s: %d bytes of anonymous memory, want at most %d", p.Case, p.Step, p.Anon, limit)
		}
	}
}

// bound is the issue's.
func bound(c model.Config, j job, p peak) int64 {
	var layer, widest int64
	for _, l := range c.Linears(0) {
		layer += 4 * int64(l.Out) * int64(l.In)
		widest = max(widest, int64(l.In))
	}
	n := p.Stored + layer + 8*int64(c.Layers)*int64(c.KVDim())*512 + j.Spare
	if p.Step == "approx" || p.Step == "open" && (strings.HasPrefix(p.Case, "sketchtune") || p.Case == "ultrasketch") {
		n += 3*4*widest*widest + int64(j.Calibration.Sequences*j.Calibration.Length)*int64(c.HiddenSize)*4
	}
	return n
}

// TestMemoryChild is the child process of TestAnonymousMemory.
func TestMemoryChild(t *testing.T) {
	text := os.Getenv(envChild)
	if text == "" {
		t.Skip("only as a child process")
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	m, err := subject.OpenModel(j.Model, j.Model)
	if err != nil {
		t.Fatal(err)
	}
	dev, cfg, err := subject.OpenDevice("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	env := &subject.Env{Model: m, Device: dev, Gemm: cfg, Cache: stage.Cache{Dir: j.Cache}}
	var peaks []peak
	for _, name := range []string{"sketchtune", "int4", "svd", "ultrasketch", "dense"} {
		peaks = append(peaks, j.measure(t, env, name)...)
	}
	b, err := json.Marshal(peaks)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.Answer, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// measure opens a case and runs the quality suites on it.
func (j *job) measure(t *testing.T, env *subject.Env, name string) []peak {
	ctx := context.Background()
	method, _ := subject.LookupMethod(name)
	o := method.New()
	c := &subject.Case{Label: name, Method: method, Options: o, Params: subject.Params(o)}
	if method.Moments != subject.NoMoments {
		c.Calibration = &j.Calibration
	}
	var peaks []peak
	var s *subject.Subject
	step := func(name string, f func() error) {
		p, err := memory.Watch(time.Millisecond, f)
		if err != nil {
			t.Fatalf("%s: %s: %v", c.Label, name, err)
		}
		peaks = append(peaks, peak{c.Label, name, p.Anon, 0})
	}
	step("open", func() (err error) {
		s, err = env.Open(ctx, c, func(subject.Stage, int, int) {})
		return err
	})
	context := &suites.Context{Env: env, Calibrations: []*subject.Calibration{&j.Calibration}}
	out := suites.Out{First: true, Emit: func(results.Record) error { return nil }, Progress: func(int, int) {}, Doubt: func(string) {}}
	for _, suite := range []string{"approx", "perplexity"} {
		su, _ := suites.Lookup(suite)
		options := decode(t, su, map[string]string{"recipe": j.Recipe, "corpus": "demo", "windows": "1"})
		if errs := su.Prepare(context, options); errs != nil {
			t.Fatal(errs)
		}
		step(suite, func() error { return su.Run(ctx, context, s, options, out) })
	}
	ledger, err := s.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for i := range peaks {
		for _, l := range ledger {
			peaks[i].Stored += l.StoredBytes
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return peaks
}

// decode fills a suite's options as a scenario does.
func decode(t *testing.T, su suites.Suite, fields map[string]string) any {
	t.Helper()
	o, n, faults := su.New(), scenarios.Node{Kind: scenarios.Map}, scenarios.Faults{}
	for k, v := range fields {
		n.Fields = append(n.Fields, scenarios.Field{Key: k, Value: scenarios.Node{Kind: scenarios.Scalar, Text: v}})
	}
	if scenarios.Decode(n, su.Name, o, &faults); len(faults.List) > 0 {
		t.Fatal(faults.List)
	}
	return o
}
