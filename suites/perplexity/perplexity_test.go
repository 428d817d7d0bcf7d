package perplexity

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/softmax"
)

// bigram is a model whose logits depend on the last token only.
type bigram struct {
	logits [][]float32 // logits[last]
	tokens []int
	fail   error
}

func (b *bigram) Forward(_ context.Context, tokens []int) error {
	b.tokens = tokens
	return b.fail
}

func (b *bigram) Logits(i, j int) ([][]float32, error) {
	var rows [][]float32
	for _, t := range b.tokens[i:j] {
		rows = append(rows, b.logits[t])
	}
	return rows, nil
}

func TestOf(t *testing.T) {
	ln2, ln3 := math.Ln2, math.Log(3)
	// From 0: p(1) = 3/4, p(0) = 1/4. From 1: both 1/2.
	skewed := [][]float32{{0, float32(ln3)}, {5, 5}}
	uniform := [][]float32{{0, 0, 0, 0}, {1, 1, 1, 1}, {-90, -90, -90, -90}, {80, 80, 80, 80}}
	for _, c := range []struct {
		name    string
		logits  [][]float32
		w       Window
		targets int
		nll     float64
	}{
		{"uniform over V is ln V each", uniform, Window{[]int{0, 1, 2, 3, 3, 2}, 1}, 5, 5 * 2 * ln2},
		// -ln 3/4 (0→1) - ln 1/2 (1→0) - ln 1/4 (0→0)
		{"skewed", skewed, Window{[]int{0, 1, 0, 0}, 1}, 3, (2*ln2 - ln3) + ln2 + 2*ln2},
		{"second half only", skewed, Window{[]int{0, 1, 0, 0}, 3}, 1, 2 * ln2},
	} {
		s, err := Of(context.Background(), &bigram{logits: c.logits}, c.w)
		if err != nil {
			t.Fatal(err)
		}
		// ln 3 is rounded to float32: 2^-24 relative.
		if s.Targets != c.targets || math.Abs(s.NLL-c.nll) > 1e-6 {
			t.Errorf("%s: %d targets, nll %v, want %d and %v", c.name, s.Targets, s.NLL, c.targets, c.nll)
		}
	}
}

// TestBlocks checks that a text longer than a block of logits gives the sum
// of its parts.
func TestBlocks(t *testing.T) {
	tokens := make([]int, 1000)
	for i := range tokens {
		tokens[i] = i * i % 7 % 2
	}
	m := &bigram{logits: [][]float32{{0, 1.5}, {-2, 0.25}}}
	var want, wantSq float64
	for i, next := range tokens[1:] {
		nll := softmax.NegLogProb(m.logits[tokens[i]], next)
		want, wantSq = want+nll, wantSq+nll*nll
	}
	s, err := Of(context.Background(), m, Window{tokens, 1})
	if err != nil || s.Targets != 999 || s.NLL != want || s.NLLSq != wantSq {
		t.Errorf("%+v, %v, want %v and %v", s, err, want, wantSq)
	}
}

func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	nan := float32(math.NaN())
	for _, c := range []struct {
		m    *bigram
		w    Window
		want string
	}{
		{&bigram{}, Window{[]int{1}, 1}, "scored from position 1 of 1"},
		{&bigram{}, Window{[]int{1, 2}, 0}, "scored from position 0 of 2"},
		{&bigram{fail: boom}, Window{[]int{0, 1}, 1}, "boom"},
		{&bigram{logits: [][]float32{{nan, 0}}}, Window{[]int{0, 1}, 1}, "position 1 is NaN"},
	} {
		if _, err := Of(context.Background(), c.m, c.w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want ...%s", err, c.want)
		}
	}
}
