// Package perplexity sums the negative log-likelihood that a language model
// gives to the windows of a text. Which windows, and which of their tokens
// are scored, is the recipe's choice (internal/corpus); the mean, its interval
// and the exponential are formed when records are read (results/summary).
package perplexity

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/sketchbench/sketchbench/internal/softmax"
)

// A Scorer gives next-token logits, a block of positions at a time.
type Scorer interface {
	// Forward runs tokens from an empty context.
	Forward(ctx context.Context, tokens []int) error
	// Logits returns rows [i,j) of the last Forward, row k for the token after
	// tokens[:k+1]. They are valid until the next call.
	Logits(i, j int) ([][]float32, error)
}

// A Window is a piece of text that is run from an empty context.
type Window struct {
	Tokens []int
	// From is the first scored position: targets are Tokens[From:], each
	// predicted from all tokens of the window before it. At least 1.
	From int
}

// A Score is what one window adds up to.
type Score struct {
	Targets int     // tokens scored
	NLL     float64 // sum of -ln p(target), nat
	NLLSq   float64 // sum of (ln p(target))², for the error that assumes independent tokens
}

// blockLogits bounds the logits that are held at once: 64 rows of Llama-3's
// vocabulary are 33 MB, a small vocabulary gets longer blocks.
const blockLogits = 1 << 23

// Of scores one window. Logits are float32, the log-sum-exp and all sums
// float64. A window without a target is an error, and so is a non-finite sum.
func Of(ctx context.Context, m Scorer, w Window) (Score, error) {
	if w.From < 1 || w.From >= len(w.Tokens) {
		return Score{}, fmt.Errorf("perplexity: scored from position %d of %d, want 1 to %d", w.From, len(w.Tokens), len(w.Tokens)-1)
	}
	if err := m.Forward(ctx, w.Tokens); err != nil {
		return Score{}, err
	}
	var s Score
	block := 64
	for i := w.From - 1; i < len(w.Tokens)-1; {
		j := min(i+block, len(w.Tokens)-1)
		rows, err := m.Logits(i, j)
		if err != nil {
			return Score{}, err
		}
		for k, nll := range rowNLLs(rows, w.Tokens[i+1:j+1]) {
			if math.IsNaN(nll) || math.IsInf(nll, 0) {
				return Score{}, fmt.Errorf("perplexity: -ln p of the token at position %d is %v", i+1+k, nll)
			}
			s.Targets++
			s.NLL += nll
			s.NLLSq += nll * nll
		}
		i = j
		block = max(64, blockLogits/len(rows[0]))
	}
	return s, nil
}

// rowNLLs returns -ln softmax(rows[k])[targets[k]] for every k. Rows are
// spread over the processors; each is summed in order by one of them.
func rowNLLs(rows [][]float32, targets []int) []float64 {
	out := make([]float64, len(rows))
	var wg sync.WaitGroup
	n := min(runtime.GOMAXPROCS(0), len(rows))
	for g := range n {
		wg.Go(func() {
			for k := g; k < len(rows); k += n {
				out[k] = softmax.NegLogProb(rows[k], targets[k])
			}
		})
	}
	wg.Wait()
	return out
}
