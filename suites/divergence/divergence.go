// Package divergence measures how far the next-token distributions of a
// compressed model are from those of its base: Kullback-Leibler divergence,
// agreement of the likeliest tokens, and the change of the target's
// probability. The logits of both are compared a block of positions at a time
// and never stored. Which windows, and which of their tokens are scored, is
// the recipe's choice (internal/corpus); means and intervals are formed when
// records are read (results/summary), percentiles over tokens here.
package divergence

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/sketchbench/sketchbench/internal/softmax"
)

// A Model gives next-token logits, a block of positions at a time.
type Model interface {
	// Forward runs tokens from an empty context.
	Forward(ctx context.Context, tokens []int) error
	// Logits returns rows [i,j) of the last Forward, row k for the token after
	// tokens[:k+1]. They are valid until the next call.
	Logits(i, j int) ([][]float32, error)
}

// ErrNotFinite is in the chain of errors about a divergence that is not
// finite, ErrNegative of one that is negative beyond rounding: a bug.
var (
	ErrNotFinite = errors.New("not finite")
	ErrNegative  = errors.New("negative")
)

// least is the KL divergence below which the two log-softmax cannot have been
// formed alike (protocol.md 2.6).
const least = -1e-6

// A Score is what the scored targets of one window add up to. With p the
// distribution of the base and q that of the other model:
type Score struct {
	Targets int
	KL      float64 // Σ over targets of Σ_v p_v·(ln p_v - ln q_v), nat
	Top1    int     // targets at which both find the same token likeliest
	Top5    float64 // Σ of the share of common tokens among the 5 likeliest of each
	Ties    int     // targets at which the largest logit of either is shared
	DP      float64 // Σ q(target) - p(target)
	DPSq    float64 // Σ (q(target) - p(target))²

	BaseNLL     float64 // Σ -ln p(target), nat
	BaseEntropy float64 // Σ over targets of -Σ_v p_v·ln p_v, nat

	Tokens []Token // one per target
}

// A Token is what percentiles are taken of.
type Token struct{ KL, DP float64 }

// Of scores a window of tokens from position from on: the targets are
// tokens[from:], each predicted from all tokens of the window before it.
func Of(ctx context.Context, base, other Model, tokens []int, from int) (Score, error) {
	if from < 1 || from >= len(tokens) {
		return Score{}, fmt.Errorf("divergence: scored from position %d of %d, want 1 to %d", from, len(tokens), len(tokens)-1)
	}
	p := &Pair{Base: base, Other: other}
	if err := p.Forward(ctx, tokens); err != nil {
		return Score{}, err
	}
	block := 64
	for i := from - 1; i < len(tokens)-1; {
		j := min(i+block, len(tokens)-1)
		rows, err := p.Logits(i, j)
		if err != nil {
			return Score{}, err
		}
		i = j
		block = max(64, blockLogits/len(rows[0]))
	}
	return p.Score()
}

// blockLogits bounds the logits of one model that are held at once: 64 rows of
// Llama-3's vocabulary are 33 MB, a small vocabulary gets longer blocks.
const blockLogits = 1 << 23

// A Pair runs two models side by side and compares the logits that are read.
// It is itself a Model that answers as Other does, so that whoever scores
// Other by it has both compared in the same walk. Trouble of Base, and of the
// comparison, stays out of those answers: Score tells it.
type Pair struct {
	Base, Other Model

	tokens []int
	score  Score
	err    error
}

// Forward runs tokens through both models and begins a new Score.
func (p *Pair) Forward(ctx context.Context, tokens []int) error {
	p.tokens, p.score, p.err = tokens, Score{}, nil
	if err := p.Other.Forward(ctx, tokens); err != nil {
		p.err = err
		return err
	}
	if err := p.Base.Forward(ctx, tokens); err != nil {
		p.err = fmt.Errorf("base model: %w", err)
	}
	return nil
}

// Logits returns rows [i,j) of Other and adds the comparison with those of
// Base to the Score; a row that predicts no token of the window is left out.
func (p *Pair) Logits(i, j int) ([][]float32, error) {
	other, err := p.Other.Logits(i, j)
	if err != nil {
		p.err = err
		return nil, err
	}
	if p.err != nil {
		return other, nil
	}
	base, err := p.Base.Logits(i, j)
	if err != nil {
		p.err = fmt.Errorf("base model: %w", err)
		return other, nil
	}
	targets := p.tokens[i+1 : min(j+1, len(p.tokens))]
	for k, c := range compareRows(base, other, targets) {
		if p.err = c.check(i + 1 + k); p.err != nil {
			break
		}
		p.score.add(c)
	}
	return other, nil
}

// Score returns what the rows read since Forward add up to, or why there is
// none.
func (p *Pair) Score() (Score, error) { return p.score, p.err }

// add adds one target.
func (s *Score) add(c comparison) {
	s.Targets++
	s.KL += c.kl
	s.DP += c.dp
	s.DPSq += c.dp * c.dp
	s.Top5 += c.top5
	s.BaseNLL += c.baseNLL
	s.BaseEntropy += c.entropy
	if c.top1 {
		s.Top1++
	}
	if c.tie {
		s.Ties++
	}
	s.Tokens = append(s.Tokens, Token{c.kl, c.dp})
}

// compareRows compares rows for the tokens after them. Rows are spread over
// the processors; each pair is summed in order by one of them.
func compareRows(base, other [][]float32, targets []int) []comparison {
	out := make([]comparison, len(targets))
	var wg sync.WaitGroup
	n := min(runtime.GOMAXPROCS(0), len(targets))
	for g := range n {
		wg.Go(func() {
			for k := g; k < len(targets); k += n {
				out[k] = compare(base[k], other[k], targets[k])
			}
		})
	}
	wg.Wait()
	return out
}

// A comparison is that of two rows of logits.
type comparison struct {
	kl, dp, baseNLL, entropy float64
	top5                     float64
	top1, tie                bool
}

// compare compares two rows over the whole vocabulary. With x_v the logits of
// p and y_v those of q, both shifted by their maxima in float32, and X, Y the
// sums of their exponentials in float64, ln p_v = x_v - ln X, so that
//
//	Σ p_v·(ln p_v - ln q_v) = Σ e^x_v·(x_v - y_v) / X - ln X + ln Y
//
// and the entropy is ln X - Σ e^x_v·x_v / X. Equal rows give 0 exactly.
func compare(p, q []float32, target int) comparison {
	pMax, qMax := softmax.Max(p), softmax.Max(q)
	var sum, cross, energy float64
	var e [256]float64
	for i := 0; i < len(p); i += len(e) {
		n := min(len(e), len(p)-i)
		xs, ys := p[i:i+n], q[i:i+n]
		softmax.Exps(e[:n], xs, pMax)
		for k, v := range e[:n] {
			x := float64(xs[k] - pMax)
			sum += v
			cross += v * (x - float64(ys[k]-qMax))
			energy += v * x
		}
	}
	lnX, lnY := math.Log(sum), math.Log(softmax.SumExp(q, qMax))
	c := comparison{
		kl: cross/sum - (lnX - lnY), entropy: lnX - energy/sum,
		baseNLL: lnX - float64(p[target]-pMax),
	}
	c.dp = math.Exp(float64(q[target]-qMax)-lnY) - math.Exp(-c.baseNLL)
	ofP, ofQ := likeliest(p), likeliest(q)
	c.top1 = ofP[0] == ofQ[0]
	c.top5 = overlap(ofP, ofQ)
	c.tie = len(p) > 1 && (p[ofP[0]] == p[ofP[1]] || q[ofQ[0]] == q[ofQ[1]])
	return c
}

// check refuses what cannot be a divergence of the prediction of the token at
// a position.
func (c comparison) check(position int) error {
	switch {
	case math.IsNaN(c.kl) || math.IsInf(c.kl, 0):
		return fmt.Errorf("divergence: KL of the prediction of the token at position %d is %v: %w", position, c.kl, ErrNotFinite)
	case c.kl < least:
		return fmt.Errorf("divergence: KL of the prediction of the token at position %d is %v, want at least %v: %w, which no two distributions can be", position, c.kl, least, ErrNegative)
	}
	return nil
}
