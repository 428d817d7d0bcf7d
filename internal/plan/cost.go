package plan

import (
	"slices"
	"time"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites"
)

// A Step is a part of a run with a guess at how long it takes.
type Step struct {
	Case  int    // index in Plan.Cases
	Suite string // "" for opening the case
	Guess time.Duration
	// Cached says that opening finds the artefact in the cache.
	Cached bool
}

// Steps lists what a run does, in order, with guesses from the work and this
// machine's measured speed. Progress corrects them while the run goes on.
func (p *Plan) Steps() []Step {
	m := newMachine(p)
	var steps []Step
	moments := false
	for i, c := range p.Cases {
		cached := p.Env.Cached(c)
		open := 10 * time.Millisecond
		if !cached {
			open = m.compress(c)
		}
		if !p.opens() {
			open = 0
		}
		steps = append(steps, Step{Case: i, Guess: open, Cached: cached})
		for _, s := range p.Suites {
			if s.Timing {
				continue
			}
			guess := m.suite(c, p.cost(s))
			if wantsMoments(s) && !moments {
				moments = true
				if _, ok := p.Env.Cache.Lookup("moments", p.Env.MomentsKey(*p.Context.Calibration())); !ok {
					guess += m.walk(p.Context.Calibration(), true)
				}
			}
			steps = append(steps, Step{Case: i, Suite: s.Name, Guess: guess})
		}
	}
	for _, s := range p.Suites {
		if !s.Timing {
			continue
		}
		for i, c := range p.Cases {
			guess := m.suite(c, s.Cost(p.Context, s.Options))
			if s.Launched != nil && i == p.controlled() {
				guess *= 2
			}
			steps = append(steps, Step{Case: i, Suite: s.Name, Guess: guess})
		}
	}
	return steps
}

// Joins reports whether s is measured in one walk with another suite.
func (p *Plan) Joins(s, with Suite) bool {
	return s.Joint != nil && s.Joint.With == with.Name && s.Joint.Fits(p.Context, s.Options, with.Options)
}

// cost estimates a suite on one case. Work that it shares with another suite
// is counted there.
func (p *Plan) cost(s Suite) suites.Cost {
	for _, with := range p.Suites {
		if p.Joins(s, with) {
			return s.Joint.Cost(p.Context, s.Options)
		}
	}
	return s.Cost(p.Context, s.Options)
}

// opens reports whether any suite wants the cases' models.
func (p *Plan) opens() bool {
	return slices.ContainsFunc(p.Suites, func(s Suite) bool { return !s.DrawsWeights() })
}

// controlled returns the case that is timed twice, the A/A control: the
// baseline, or the first one without a baseline.
func (p *Plan) controlled() int {
	return max(slices.IndexFunc(p.Cases, func(c *subject.Case) bool { return c.Baseline }), 0)
}

// wantsMoments reports whether a suite measures the H-weighted error, for which
// the second moments of the first calibration are wanted.
func wantsMoments(s Suite) bool {
	hessian, _ := s.Recipe.Identity["hessian"].(bool)
	return hessian
}

// machine turns work into time.
type machine struct {
	cfg     model.Config
	flops   float64 // float32 multiply-adds per second, times two
	linears float64 // weights of the linear layers
	all     float64 // and of the head
	widest  float64
}

func newMachine(p *Plan) machine {
	m := machine{cfg: p.Env.Model.Config, flops: p.gemmRate()}
	for layer := range m.cfg.Layers {
		for _, s := range m.cfg.Linears(layer) {
			m.linears += float64(s.Out) * float64(s.In)
			m.widest = max(m.widest, float64(s.In))
		}
	}
	m.all = m.linears + float64(m.cfg.Vocab)*float64(m.cfg.HiddenSize)
	return m
}

// gemmRate times a small matrix product.
func (p *Plan) gemmRate() float64 {
	const n = 384
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	best := time.Duration(1 << 62)
	for range 3 {
		start := time.Now()
		p.Env.Gemm.Gemm(false, true, n, n, n, 1, a, n, b, n, 0, c, n)
		best = min(best, time.Since(start))
	}
	return 2 * n * n * n / max(best.Seconds(), 1e-6)
}

// Rates per thread pair that no quick probe tells, from benchmarks; guesses
// only, never part of a result.
const (
	prefillShare  = 0.6 // of the matrix product's rate, attention and the rest included
	decodeWeights = 2e9 // weights per second of a decoding step, packed formats
	hashedWeights = 2e8 // weights per second of reading cells one by one
	kmeansWeights = 2e6 // weights per second of clustering and compensation
	roundWeights  = 1e8 // weights per second of rounding
	sketchWeights = 3e7 // weights per second of building cells
	svdWeights    = 4e6 // weights per second of the exact decomposition of small matrices
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// walk guesses a calibration walk over the base or the compressed model.
func (m machine) walk(c *subject.Calibration, gram bool) time.Duration {
	tokens := float64(c.Sequences) * float64(c.Length)
	flops := 2 * tokens * m.linears * 1.7 // attention and gate, up run twice
	if gram {
		for layer := range m.cfg.Layers {
			for _, in := range model.Inputs() {
				d := float64(m.cfg.Group(layer, in)[0].In)
				flops += tokens * d * d
			}
		}
	}
	return seconds(flops / (m.flops * prefillShare))
}

func (m machine) compress(c *subject.Case) time.Duration {
	covered := 0.0
	for layer := range m.cfg.Layers {
		for _, s := range m.cfg.Linears(layer) {
			if c.Covers(s.Name) {
				covered += float64(s.Out) * float64(s.In)
			}
		}
	}
	var d time.Duration
	if c.Calibration != nil {
		d = m.walk(c.Calibration, c.Method.Moments == subject.SecondMoments)
		if c.Method.Budget != nil && c.Method.Budget(c.Options) != nil {
			d *= 2
		}
	}
	var work float64
	switch {
	case c.Method.Moments == subject.SecondMoments && !c.Method.Decomposes:
		work = covered/kmeansWeights + covered*m.widest*2/m.flops
	case c.Method.Decomposes:
		work = max(covered*m.widest*8/m.flops, covered/svdWeights)
	case c.Method.Hashed:
		work = covered / sketchWeights
	default:
		work = covered / roundWeights
	}
	if c.Method.Passes != nil {
		work *= c.Method.Passes(c.Options)
	}
	return d + seconds(work)
}

// suite guesses one suite on one case.
func (m machine) suite(c *subject.Case, cost suites.Cost) time.Duration {
	s := cost.Seconds + 2*float64(cost.Tokens+cost.BaseTokens)*m.all/(m.flops*prefillShare)
	perStep := m.all / decodeWeights
	if c.Method.Hashed {
		perStep = m.linears / hashedWeights
		s += float64(cost.Tokens) / 512 * m.linears / hashedWeights
	}
	for _, p := range cost.Products {
		once := 2*p.Weights*float64(p.Batch)/m.flops + p.Weights/decodeWeights
		if c.Method.Hashed {
			once += p.Weights / hashedWeights
		}
		s += float64(p.Times) * max(once, p.Least)
	}
	return seconds(s + float64(cost.Steps)*perStep)
}
