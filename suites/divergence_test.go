package suites

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites/divergence"
)

// values are lines by metric and window, or item.
func values(recs []results.Record, metric string) []results.Record {
	var out []results.Record
	for _, r := range recs {
		if r.Metric == metric {
			out = append(out, r)
		}
	}
	return out
}

func sum(recs []results.Record) (v, weight float64) {
	for _, r := range recs {
		v, weight = v+r.Value, weight+r.Weight
	}
	return v, weight
}

// together runs divergence and perplexity in one walk.
func together(t *testing.T, c *Context, s *subject.Subject, d, p any) (own, with *tape) {
	t.Helper()
	own, with = &tape{}, &tape{}
	err, withErr := divergenceSuite.Joint.Run(context.Background(), c, s,
		Part{d, own.out(t, "divergence")}, Part{p, with.out(t, "perplexity")})
	if err != nil || withErr != nil || with.done != with.total || with.total == 0 {
		t.Fatalf("%v, %v, progress %d of %d", err, withErr, with.done, with.total)
	}
	return own, with
}

// TestJoint: one walk gives both suites the records, to the bit, that each of
// them has alone; also where the uncompressed model's states are kept from an
// earlier case, and of the uncompressed model itself.
func TestJoint(t *testing.T) {
	text := scenarios.Corpus{Name: "demo"}
	p := &perplexityOptions{Recipe: "gptq-48", Corpus: text, Windows: 6}
	e := newEnv(t, demo.Model)
	c := &Context{Env: e, Scored: perplexitySuite.Scores(p)}
	d := &divergenceOptions{}
	const some = "model.layers.0.*"
	dense := measure(t, "perplexity", c, openCase(t, e, "dense", nil), p).records
	for _, s := range []*subject.Subject{
		openCase(t, e, "int4", func(o any) { *o.(*int4.Options) = int4.Options{Bits: 2, Group: 64} }, some),
		openCase(t, e, "int4", func(o any) { *o.(*int4.Options) = int4.Options{Bits: 4, Group: 64} }, some),
		openCase(t, e, "dense", nil),
	} {
		own := measure(t, "divergence", c, s, d)
		with := measure(t, "perplexity", c, s, p)
		s2 := *s
		s2.Env = newEnv(t, demo.Model)
		for _, s := range []*subject.Subject{s, &s2} { // with states kept, and without
			jointOwn, jointWith := together(t, c, s, d, p)
			if !reflect.DeepEqual(jointOwn.records, own.records) {
				t.Errorf("%s: divergence differs in one walk", s.Case.Label)
			}
			if !reflect.DeepEqual(jointWith.records, with.records) {
				t.Errorf("%s: perplexity differs in one walk", s.Case.Label)
			}
		}
		checkDivergence(t, s, own.records, with.records, values(dense, "nll"))
	}
}

// checkDivergence compares the records of a case with what they must be.
func checkDivergence(t *testing.T, s *subject.Subject, recs, perplexity, denseNLL []results.Record) {
	t.Helper()
	windows, control := 6, controlWindows
	if s.Case.Method.Compress == nil {
		windows, control = denseWindows, denseWindows
	}
	kl, self := values(recs, "kl"), values(recs, "self_kl")
	if len(kl) != windows || len(self) != control || kl[windows-1].Sample != windows-1 || kl[0].Weight != 47 {
		t.Fatalf("%s: %d windows, %d of control", s.Case.Label, len(kl), len(self))
	}
	total, n := sum(kl)
	floor, m := sum(self)
	// Rounding of float32 logits: their differences are some 1e-6 of values near
	// 10, and a divergence is half the mean square of differences.
	if floor = floor / m; !(math.Abs(floor) < 1e-9) || floor == 0 {
		t.Errorf("%s: floor %v", s.Case.Label, floor)
	}
	top1, _ := sum(values(recs, "top1"))
	top5, _ := sum(values(recs, "top5"))
	dp, _ := sum(values(recs, "dp"))
	dpSq, _ := sum(values(recs, "dp_sq"))
	if !(top1 <= n && top5 <= n && top1 > 0 && top5 > 0) || !(dp*dp/n <= dpSq) {
		t.Errorf("%s: of %v targets top-1 %v, top-5 %v, Δp %v, Δp² %v", s.Case.Label, n, top1, top5, dp, dpSq)
	}
	if s.Case.Method.Compress == nil {
		if total/n != floor || top1 < n-1 {
			t.Errorf("dense: KL %v, floor %v, top-1 %v of %v", total/n, floor, top1, n)
		}
	} else if !(total/n > 1e3*math.Abs(floor)) || top1 == n {
		t.Errorf("%s: KL %v, floor %v, top-1 %v of %v", s.Case.Label, total/n, floor, top1, n)
	}
	for i, r := range values(recs, "base_nll") {
		// In other chunks the uncompressed model's nll is rounded otherwise.
		if want := denseNLL[i].Value; r.Value != want && (s.Case.Method.Compress != nil || math.Abs(r.Value-want) > 1e-5*want) {
			t.Errorf("%s: window %d: base nll %v, want %v", s.Case.Label, i, r.Value, want)
		}
	}
	// An entropy is at most ln of the vocabulary.
	if h, n := sum(values(recs, "base_entropy")); !(h > 0 && h/n < math.Log(4096)) {
		t.Errorf("%s: entropy %v", s.Case.Label, h/n)
	}
	last := values(recs, "kl_percentile")
	if len(last) == 0 || last[len(last)-1].Item != "max" || !(last[len(last)-1].Value >= total/n) || last[0].Item != "p50" {
		t.Errorf("%s: percentiles %+v", s.Case.Label, last)
	}
	if len(perplexity) != 12 {
		t.Errorf("%s: %d lines of perplexity", s.Case.Label, len(perplexity))
	}
}

// TestJointFaults: what fails divergence leaves perplexity's values, and what
// fails perplexity fails both.
func TestJointFaults(t *testing.T) {
	p := &perplexityOptions{Recipe: "gptq-16", Corpus: scenarios.Corpus{Name: "demo"}, Windows: 3}
	e := newEnv(t, demo.Model)
	c := &Context{Env: e, Scored: perplexitySuite.Scores(p)}
	d := &divergenceOptions{}
	if errs := divergenceSuite.Prepare(c, d); errs != nil {
		t.Fatal(errs)
	}
	s := openCase(t, e, "int4", nil, "model.layers.0.self_attn.q_proj.weight")
	full := errors.New("disk full")
	for _, tt := range []struct{ own, with int }{{3, 0}, {0, 3}} { // the line that fails
		own, with := &tape{}, &tape{}
		ownOut, withOut := own.out(t, "divergence"), with.out(t, "perplexity")
		ownOut.Emit, withOut.Emit = failing(own, tt.own, full), failing(with, tt.with, full)
		err, withErr := divergenceSuite.Joint.Run(context.Background(), c, s, Part{d, ownOut}, Part{p, withOut})
		if !errors.Is(err, full) || (withErr != nil) != (tt.with > 0) {
			t.Errorf("%+v: %v, %v", tt, err, withErr)
		}
		if tt.with == 0 && (len(with.records) != 6 || with.done != 3) {
			t.Errorf("perplexity has %d lines", len(with.records))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p1, p2 := &tape{}, &tape{}
	err, withErr := divergenceSuite.Joint.Run(ctx, c, s, Part{d, p1.out(t, "divergence")}, Part{p, p2.out(t, "perplexity")})
	if !errors.Is(err, context.Canceled) || !errors.Is(withErr, context.Canceled) {
		t.Errorf("canceled: %v, %v", err, withErr)
	}
}

// failing keeps lines on the tape but for the n-th, which it refuses.
func failing(p *tape, n int, err error) func(results.Record) error {
	lines := 0
	return func(r results.Record) error {
		if lines++; lines == n {
			return err
		}
		p.records = append(p.records, r)
		return nil
	}
}

// TestClasses: a negative divergence is a bug, one that is not finite diverged.
func TestClasses(t *testing.T) {
	r := &divergenceRun{}
	for _, tt := range []struct{ err, is error }{
		{divergence.ErrNegative, ErrBug}, {divergence.ErrNotFinite, subject.ErrDiverged}, {errors.New("x"), nil},
	} {
		err := r.window(context.Background(), 4, divergence.Score{}, tt.err)
		if !strings.HasPrefix(err.Error(), "window 4: ") || !errors.Is(err, tt.err) || errors.Is(err, ErrBug) != (tt.is == ErrBug) || errors.Is(err, subject.ErrDiverged) != (tt.is == subject.ErrDiverged) {
			t.Errorf("%v became %v", tt.err, err)
		}
	}
}
