package divergence

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"
)

// bigram is a model whose logits depend on the last token only.
type bigram struct {
	logits     [][]float32 // logits[last]
	tokens     []int
	fail       error // of Forward
	failLogits error
}

func (b *bigram) Forward(_ context.Context, tokens []int) error {
	b.tokens = tokens
	return b.fail
}

func (b *bigram) Logits(i, j int) ([][]float32, error) {
	if b.failLogits != nil {
		return nil, b.failLogits
	}
	var rows [][]float32
	for _, t := range b.tokens[i:j] {
		rows = append(rows, b.logits[t])
	}
	return rows, nil
}

func ln(x float64) float32 { return float32(math.Log(x)) }

// near allows for logits rounded to float32: 2^-24 of ln 3.
func near(a, b float64) bool { return math.Abs(a-b) <= 3e-7 }

// TestByHand: after token 0 the base says (3/4, 1/4) and the other (1/2, 1/2);
// after token 1 it is the other way round, with logits far from 0.
func TestByHand(t *testing.T) {
	base := &bigram{logits: [][]float32{{ln(3), 0}, {80, 80}}}
	other := &bigram{logits: [][]float32{{-90, -90}, {ln(3), 0}}}
	// Targets 0 after 0, 1 after 0, 0 after 1.
	s, err := Of(context.Background(), base, other, []int{0, 0, 1, 0}, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Twice 3/4·ln(3/2) + 1/4·ln(1/2), once 1/2·ln(2/3) + 1/2·ln 2.
	after0 := 0.75*math.Log(1.5) - 0.25*math.Ln2
	after1 := 0.5*math.Log(2.0/3) + 0.5*math.Ln2
	entropy := 0.75*math.Log(4.0/3) + 0.25*math.Log(4)
	for name, got := range map[string][2]float64{
		"KL":    {s.KL, 2*after0 + after1},
		"token": {s.Tokens[2].KL, after1},
		// 1/2 - 3/4, 1/2 - 1/4, 3/4 - 1/2.
		"Δp":      {s.DP, 0.25},
		"Δp²":     {s.DPSq, 3.0 / 16},
		"nll":     {s.BaseNLL, math.Log(4.0/3) + math.Log(4) + math.Ln2},
		"entropy": {s.BaseEntropy, 2*entropy + math.Ln2},
		// A vocabulary of two shares both of its two likeliest tokens.
		"top-5": {s.Top5, 3},
		// Equal logits: the lowest id, 0, which the skewed rows prefer as well.
		"top-1": {float64(s.Top1), 3}, "ties": {float64(s.Ties), 3}, "targets": {float64(s.Targets), 3},
	} {
		if !near(got[0], got[1]) {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
}

// TestTwoTokens: logits (a, 0) and (b, 0) give p = σ(a), q = σ(b) and
// KL = p·(a-b) - ln(1+e^a) + ln(1+e^b).
func TestTwoTokens(t *testing.T) {
	for _, a := range []float64{-20, -3, -0.5, 0, 0.25, 8} {
		for _, b := range []float64{-30, -1, 0, 0.5, 4, 25} {
			want := (a-b)/(1+math.Exp(-a)) - math.Log1p(math.Exp(a)) + math.Log1p(math.Exp(b))
			got := compare([]float32{float32(a), 0}, []float32{float32(b), 0}, 0)
			// The series of the exponential: 7e-12 of terms up to |a-b|.
			if math.Abs(got.kl-want) > 1e-11*(1+math.Abs(a-b)) {
				t.Errorf("a %v, b %v: %v, want %v", a, b, got.kl, want)
			}
		}
	}
}

// random returns n logits of spread s.
func random(rng *rand.Rand, n int, s float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s * rng.NormFloat64())
	}
	return x
}

// probabilities is the softmax of logits in float64, by math.Exp.
func probabilities(logits []float32) []float64 {
	p := make([]float64, len(logits))
	var sum float64
	for i, l := range logits {
		p[i] = math.Exp(float64(l))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// TestAgainstGonum compares divergence and entropy with gonum's over the
// probabilities, of small and of large vocabularies. Shifting by the maximum
// in float32 moves a logit of size up to 40 by 2^-19.
func TestAgainstGonum(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{2, 5, 7, 255, 256, 257, 4096, 128256} {
		x := random(rng, n, 4)
		y := make([]float32, n)
		for i := range y {
			y[i] = x[i] + float32(0.3*rng.NormFloat64())
		}
		p, q := probabilities(x), probabilities(y)
		c := compare(x, y, 1)
		if want := stat.KullbackLeibler(p, q); math.Abs(c.kl-want) > 2e-6*(1+want) {
			t.Errorf("%d tokens: KL %v, want %v", n, c.kl, want)
		}
		if want := stat.Entropy(p); math.Abs(c.entropy-want) > 4e-6*(1+want) {
			t.Errorf("%d tokens: entropy %v, want %v", n, c.entropy, want)
		}
		if want := q[1] - p[1]; math.Abs(c.dp-want) > 4e-6 {
			t.Errorf("%d tokens: Δp %v, want %v", n, c.dp, want)
		}
	}
}

// TestSelf: a model has no divergence from itself, to the bit.
func TestSelf(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var rows [][]float32
	for range 8 {
		rows = append(rows, random(rng, 3001, 5))
	}
	s, err := Of(context.Background(), &bigram{logits: rows}, &bigram{logits: rows}, []int{0, 1, 2, 3, 4, 5, 6, 7, 0}, 2)
	if err != nil || s.KL != 0 || s.DP != 0 || s.DPSq != 0 || s.Top1 != 7 || s.Top5 != 7 || s.Targets != 7 || s.Ties != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestInvariant: adding a constant to all logits of a row changes nothing but
// their rounding; the constants are multiples of the logits' last bit.
func TestInvariant(t *testing.T) {
	x, y := []float32{1, 2.5, -3, 0.25}, []float32{1.5, 2, -2, 0}
	want := compare(x, y, 2)
	for i := range x {
		x[i], y[i] = x[i]+16, y[i]-8
	}
	if got := compare(x, y, 2); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestLikeliest(t *testing.T) {
	for _, c := range []struct {
		logits []float32
		want   []int
	}{
		{[]float32{3, 1, 2}, []int{0, 2, 1}},
		{[]float32{0, 0, 0, 0, 0, 0, 0}, []int{0, 1, 2, 3, 4}},
		{[]float32{1, 5, 2, 5, 4, 3, 5, 9}, []int{7, 1, 3, 6, 4}},
		{[]float32{1, 2, 3, 4, 5, 5, 0, 6}, []int{7, 4, 5, 3, 2}},
	} {
		if got := likeliest(c.logits); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, want %v", c.logits, got, c.want)
		}
	}
	if got := overlap([]int{7, 1, 3, 6, 4}, []int{4, 2, 1, 9, 8}); got != 0.4 {
		t.Errorf("overlap %v, want 2 of 5", got)
	}
	// The base prefers 1, the other ties 0 and 1: its answer is 0.
	c := compare([]float32{0, 1, -1}, []float32{1, 1, -1}, 0)
	if c.top1 || !c.tie || c.top5 != 1 {
		t.Errorf("%+v", c)
	}
}

// TestBlocks: a text longer than a block gives the sum of its parts, and a
// Pair read in other blocks the same.
func TestBlocks(t *testing.T) {
	tokens := make([]int, 700)
	for i := range tokens {
		tokens[i] = i * i % 7 % 2
	}
	base := &bigram{logits: [][]float32{{0, 1.5}, {-2, 0.25}}}
	other := &bigram{logits: [][]float32{{0.5, 1.5}, {-2, -1}}}
	var want Score
	for i, next := range tokens[1:] {
		want.add(compare(base.logits[tokens[i]], other.logits[tokens[i]], next))
	}
	got, err := Of(context.Background(), base, other, tokens, 1)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, sums differ", err)
	}
	p := &Pair{Base: base, Other: other}
	if err := p.Forward(context.Background(), tokens); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(tokens); i += 100 {
		rows, err := p.Logits(i, i+100) // the last row predicts nothing
		if err != nil || len(rows) != 100 || !reflect.DeepEqual(rows[3], other.logits[tokens[i+3]]) {
			t.Fatalf("rows of %d: %v", i, err)
		}
	}
	if got, err := p.Score(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read in hundreds: %v, sums differ", err)
	}
}

func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	fine := [][]float32{{0, 1}, {1, 0}}
	nan := float32(math.NaN())
	for _, c := range []struct {
		base, other *bigram
		tokens      []int
		from        int
		want        string
		is          error
	}{
		{&bigram{}, &bigram{}, []int{1}, 1, "scored from position 1 of 1, want 1 to 0", nil},
		{&bigram{logits: fine}, &bigram{fail: boom}, []int{0, 1}, 1, "boom", boom},
		{&bigram{fail: boom}, &bigram{logits: fine}, []int{0, 1}, 1, "base model: boom", boom},
		{&bigram{logits: fine, failLogits: boom}, &bigram{logits: fine}, []int{0, 1}, 1, "base model: boom", boom},
		{&bigram{logits: fine}, &bigram{logits: fine, failLogits: boom}, []int{0, 1}, 1, "boom", boom},
		{&bigram{logits: fine}, &bigram{logits: [][]float32{{0, 1}, {nan, 0}}}, []int{0, 1, 1}, 1, "position 2 is NaN", ErrNotFinite},
	} {
		_, err := Of(context.Background(), c.base, c.other, c.tokens, c.from)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("got %v, want ...%s", err, c.want)
		}
	}
	// Rounding may leave a KL a little below 0; more is a bug.
	if err := (comparison{kl: -0.9e-6}).check(4); err != nil {
		t.Error(err)
	}
	err := comparison{kl: -1.5e-6}.check(4)
	if !errors.Is(err, ErrNegative) || !strings.Contains(err.Error(), "position 4 is -1.5e-06, want at least -1e-06") {
		t.Error(err)
	}
}

// TestBaseFails: trouble of the base, in either call, leaves the other's
// answers as they are, and the next window begins anew.
func TestBaseFails(t *testing.T) {
	fine := [][]float32{{0, 1}, {1, 0}}
	base := &bigram{logits: fine, failLogits: errors.New("boom")}
	p := &Pair{Base: base, Other: &bigram{logits: fine}}
	for range 2 {
		if err := p.Forward(context.Background(), []int{0, 1, 0}); err != nil {
			t.Fatal(err)
		}
		if rows, err := p.Logits(0, 2); err != nil || len(rows) != 2 {
			t.Errorf("%v, %v", rows, err)
		}
		if _, err := p.Score(); err == nil {
			t.Error("no error")
		}
		base.fail = errors.New("boom")
	}
	base.fail, base.failLogits = nil, nil
	if err := p.Forward(context.Background(), []int{0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Logits(0, 2); err != nil {
		t.Fatal(err)
	}
	if s, err := p.Score(); err != nil || s.Targets != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPercentiles: of 0..3000 percentile p is 30·p; what few values do not
// support is left out.
func TestPercentiles(t *testing.T) {
	tokens := make([]Token, 3001)
	for i := range tokens {
		j := (i * 1000) % 3001 // in no order; 3001 is prime
		tokens[i] = Token{KL: float64(j), DP: -float64(j)}
	}
	want := []Percentile{{"p50", 1500}, {"p90", 2700}, {"p95", 2850}, {"p99", 2970}, {"p99.9", 2997}, {"max", 3000}}
	equal := func(got, want []Percentile) bool {
		ok := len(got) == len(want)
		for i := 0; ok && i < len(got); i++ {
			ok = got[i].Name == want[i].Name && math.Abs(got[i].Value-want[i].Value) < 1e-9
		}
		return ok
	}
	if got := OfKL(tokens); !equal(got, want) {
		t.Errorf("KL: %v", got)
	}
	want = []Percentile{{"min", -3000}, {"p0.1", -2997}, {"p1", -2970}, {"p5", -2850}, {"p10", -2700}, {"p50", -1500},
		{"p90", -300}, {"p95", -150}, {"p99", -30}, {"p99.9", -3}, {"max", 0}}
	if got := OfDP(tokens); !equal(got, want) {
		t.Errorf("Δp: %v", got)
	}
	// 0.05 = 0.9ⁿ at n = 28.4, 0.95ⁿ at 58.4, 0.5ⁿ at 4.3.
	four := []Token{{1, 0}, {2, 0}, {3, 0}, {4, 0}}
	if got := OfKL(four); !equal(got, []Percentile{{"max", 4}}) {
		t.Errorf("four: %v", got)
	}
	if got := OfKL(append(four, Token{10, 0})); !equal(got, []Percentile{{"p50", 3}, {"max", 10}}) {
		t.Errorf("five: %v", got)
	}
	if n := []int{minimalN(0.5), minimalN(0.9), minimalN(0.1), minimalN(0.95), minimalN(0.999), minimalN(0.001)}; !reflect.DeepEqual(n, []int{5, 29, 29, 59, 2995, 2995}) {
		t.Errorf("minimal numbers %v", n)
	}
	if got := OfDP(nil); got != nil {
		t.Errorf("none: %v", got)
	}
}

// BenchmarkCompare compares rows of the demo's vocabulary.
func BenchmarkCompare(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	x, y := random(rng, 4096, 4), random(rng, 4096, 4)
	for b.Loop() {
		compare(x, y, 17)
	}
}
