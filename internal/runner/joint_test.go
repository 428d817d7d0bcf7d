package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// quality has two suites that share a walk, in the order that the walk has not.
const quality = `name: x
model: demo
methods:
  - dense
  - {name: svd, bits: 0.25, only: ["*.0.self_attn.q_proj.weight"]}
suites:
  - divergence
  - {name: perplexity, recipe: gptq-16, corpus: demo, windows: 2}
`

// recorded lists what a suite recorded of a case.
func recorded(t *testing.T, path, suite, method string) string {
	t.Helper()
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range recs {
		if r.Kind == results.KindValue && r.Suite == suite && r.Method == method {
			fmt.Fprintln(&b, r.Metric, r.Item, r.Sample, r.Value, r.Weight)
		}
	}
	return b.String()
}

// alone counts calls of Run of the suites of a plan.
func alone(p *plan.Plan) map[string]int {
	calls := map[string]int{}
	for i := range p.Suites {
		name, was := p.Suites[i].Name, p.Suites[i].Run
		p.Suites[i].Run = func(ctx context.Context, c *suites.Context, s *subject.Subject, o any, out suites.Out) error {
			calls[name]++
			return was(ctx, c, s, o, out)
		}
	}
	return calls
}

// TestTogether measures two suites in one walk, each with a cell of its own;
// where one of them is done, the other runs alone and has the same values.
func TestTogether(t *testing.T) {
	p := makePlan(t, quality)
	calls := alone(p)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	var steps []string
	o := options(t, path)
	o.Progress = func(e Event) {
		if e.Case == "dense" && !slices.Contains(steps, e.Step) {
			steps = append(steps, e.Step)
		}
	}
	out, err := Run(context.Background(), p, o)
	if err != nil || out.Measured != 4 || out.Complete != 2 || len(calls) > 0 {
		t.Fatalf("%+v, %v, alone %v", out, err, calls)
	}
	if !slices.Contains(steps, "perplexity, divergence") || slices.Contains(steps, "perplexity") || slices.Contains(steps, "divergence") {
		t.Errorf("steps %q", steps)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{"divergence", "perplexity"} {
		want := recorded(t, path, lost, "svd")
		var kept [][]byte
		for l := range bytes.Lines(b) {
			if !bytes.Contains(l, []byte(`"done"`)) || !bytes.Contains(l, []byte(`"suite":"`+lost)) || !bytes.Contains(l, []byte(`"svd"`)) {
				kept = append(kept, l)
			}
		}
		if err := os.WriteFile(path, bytes.Join(kept, nil), 0o644); err != nil {
			t.Fatal(err)
		}
		clear(calls)
		if out, err := Run(context.Background(), p, options(t, path)); err != nil || out.Measured != 1 || out.Dropped == 0 || calls[lost] != 1 || len(calls) != 1 {
			t.Errorf("without %s: %+v, %v, alone %v", lost, out, err, calls)
		}
		if got := recorded(t, path, lost, "svd"); got != want || got == "" {
			t.Errorf("%s alone:\n%s\nin one walk:\n%s", lost, got, want)
		}
	}
	out, err = Run(context.Background(), p, options(t, path))
	if err != nil || out.Measured != 0 {
		t.Errorf("again: %+v, %v", out, err)
	}
}

// TestTogetherFails records the failure of one suite and the values of the
// other; a divergence that cannot be is a bug.
func TestTogetherFails(t *testing.T) {
	p := makePlan(t, quality)
	joint := *p.Suites[0].Joint
	was := joint.Run
	joint.Run = func(ctx context.Context, c *suites.Context, s *subject.Subject, own, with suites.Part) (err, withErr error) {
		if s.Case.Method.Name != "svd" {
			return was(ctx, c, s, own, with)
		}
		_, withErr = was(ctx, c, s, suites.Part{Options: own.Options, Out: discard(own.Out)}, with)
		return fmt.Errorf("%w: window 1: negative", suites.ErrBug), withErr
	}
	p.Suites[0].Joint = &joint
	path := filepath.Join(t.TempDir(), "r.jsonl")
	out, err := Run(context.Background(), p, options(t, path))
	if err != nil || out.Measured != 3 || len(out.Failed) != 1 || out.Failed[0].Suite != "divergence" || out.Complete != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(recs, func(r results.Record) bool { return r.Kind == results.KindFailure })
	if i < 0 || recs[i].Class != results.ClassBug || recs[i].Suite != "divergence" || !strings.Contains(recs[i].Message, "window 1") {
		t.Errorf("failure line %+v", recs)
	}
	if recorded(t, path, "perplexity", "svd") == "" {
		t.Error("perplexity is lost")
	}
}

// discard is out without records.
func discard(out suites.Out) suites.Out {
	out.Emit = func(results.Record) error { return nil }
	return out
}
