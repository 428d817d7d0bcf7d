package engine

import (
	"context"
	"fmt"

	"github.com/sketchbench/sketchbench/kernels"
)

// logitsBlock is the number of float32 values of logits that the device
// computes at once, 32 MB: 64 rows of a vocabulary of 128 k.
const logitsBlock = 1 << 23

// Forward runs tokens from an empty context and keeps their final hidden
// states for Logits. Decode may continue from there.
func (e *Engine) Forward(ctx context.Context, tokens []int) error {
	e.scored = 0
	if err := e.makeHidden(); err != nil {
		return err
	}
	d := e.cfg.HiddenSize
	err := e.start(ctx, tokens, func(i, j int) kernels.Buffer { return e.hidden.Slice(i*d, j*d) })
	if err == nil {
		e.scored = len(tokens)
	}
	return err
}

// Logits returns rows [i,j) of the last Forward, row k for the token after
// tokens[:k+1]. They are valid until the next call. The error wraps
// ErrDiverged if a logit is not finite.
func (e *Engine) Logits(i, j int) ([][]float32, error) {
	if i < 0 || j < i || j > e.scored {
		return nil, fmt.Errorf("logits of positions [%d,%d), the last forward pass has %d", i, j, e.scored)
	}
	d := e.cfg.HiddenSize
	return e.rows(e.hidden.Slice(i*d, j*d), i, j)
}

// States returns the final hidden states of the last Forward, a row of
// HiddenSize values for each token: all that Logits are computed from.
func (e *Engine) States() []float32 {
	x := make([]float32, e.scored*e.cfg.HiddenSize)
	if len(x) > 0 {
		e.dev.Read(x, e.hidden.Slice(0, len(x)))
	}
	return x
}

// Restore makes Logits return what they did after the Forward whose States
// these are, of an engine with the same weights. The context is empty then.
func (e *Engine) Restore(states []float32) error {
	e.pos, e.scored = 0, 0
	n := len(states) / e.cfg.HiddenSize
	if n < 1 || n > e.maxTokens || n*e.cfg.HiddenSize != len(states) {
		return fmt.Errorf("%d values of hidden states, want %d for each of 1 to %d tokens", len(states), e.cfg.HiddenSize, e.maxTokens)
	}
	if err := e.makeHidden(); err != nil {
		return err
	}
	e.dev.Write(e.hidden.Slice(0, len(states)), states)
	e.scored = n
	return nil
}

// makeHidden makes the buffer of final hidden states on first use.
func (e *Engine) makeHidden() error {
	if e.hidden != nil {
		return nil
	}
	b, err := e.dev.NewBuffer(e.maxTokens * e.cfg.HiddenSize)
	if err != nil {
		return fmt.Errorf("hidden states of %d positions: %w", e.maxTokens, err)
	}
	e.hidden = b
	return nil
}

// Prefill runs tokens from an empty context and returns the logits of the
// token after them, valid until the next call. The error wraps ErrDiverged
// if one is not finite.
func (e *Engine) Prefill(ctx context.Context, tokens []int) ([]float32, error) {
	e.scored = 0
	d := e.cfg.HiddenSize
	last := 0 // row of the last token within its chunk
	err := e.start(ctx, tokens, func(i, j int) kernels.Buffer {
		last = j - i - 1
		return e.residual.Slice(0, (j-i)*d)
	})
	if err != nil {
		return nil, err
	}
	return e.last(last)
}

// Decode appends one token to the context and returns the logits of the token
// after it, valid until the next call. The error wraps ErrDiverged if one is
// not finite.
func (e *Engine) Decode(ctx context.Context, token int) ([]float32, error) {
	if e.pos >= e.maxTokens {
		return nil, fmt.Errorf("position %d: the context holds %d tokens", e.pos, e.maxTokens)
	}
	tokens := []int{token}
	if err := e.checkTokens(tokens); err != nil {
		return nil, err
	}
	if err := e.chunk(ctx, tokens, e.residual.Slice(0, e.cfg.HiddenSize)); err != nil {
		return nil, err
	}
	return e.last(0)
}

// Generate runs prompt from an empty context and returns n further tokens,
// each the one with the largest logit, the lowest id among equals. It does
// not stop at an end-of-text token.
func (e *Engine) Generate(ctx context.Context, prompt []int, n int) ([]int, error) {
	if n < 0 || len(prompt)+n > e.maxTokens {
		return nil, fmt.Errorf("%d prompt tokens and %d new ones, the context holds %d", len(prompt), n, e.maxTokens)
	}
	if n == 0 {
		return nil, nil
	}
	logits, err := e.Prefill(ctx, prompt)
	var out []int
	for err == nil {
		out = append(out, Argmax(logits))
		if len(out) == n {
			return out, nil
		}
		logits, err = e.Decode(ctx, out[len(out)-1])
	}
	return nil, err
}

// Argmax returns the index of the largest value, the first among equals.
func Argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// start runs tokens from an empty context. The residual stream of positions
// [i,j) goes through rows(i, j).
func (e *Engine) start(ctx context.Context, tokens []int, rows func(i, j int) kernels.Buffer) error {
	e.pos = 0
	if len(tokens) == 0 || len(tokens) > e.maxTokens {
		return fmt.Errorf("%d tokens, want 1 to %d", len(tokens), e.maxTokens)
	}
	if err := e.checkTokens(tokens); err != nil {
		return err
	}
	for i := 0; i < len(tokens); i += e.ws.chunk {
		j := min(i+e.ws.chunk, len(tokens))
		if err := e.chunk(ctx, tokens[i:j], rows(i, j)); err != nil {
			e.pos = 0
			return err
		}
	}
	return nil
}

func (e *Engine) checkTokens(tokens []int) error {
	for i, id := range tokens {
		if id < 0 || id >= e.cfg.Vocab {
			return fmt.Errorf("token %d: id %d, want 0 to %d", i, id, e.cfg.Vocab-1)
		}
	}
	return nil
}

// chunk runs at most ws.chunk tokens behind those in the caches and leaves
// their final hidden states in X. The context grows only if it succeeds.
func (e *Engine) chunk(ctx context.Context, tokens []int, x kernels.Buffer) error {
	t := len(tokens)
	e.dev.Embed(x, tokens, e.embed)
	for i, l := range e.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.AddAttention(e.ws, x, e.caches[i], t, e.pos)
		l.AddMLP(e.ws, x, t)
	}
	if err := e.dev.Sync(); err != nil {
		return fmt.Errorf("positions %d to %d: %w", e.pos, e.pos+t-1, err)
	}
	e.pos += t
	return nil
}

// last returns the logits of row r of the residual buffer, the last position
// of the context.
func (e *Engine) last(r int) ([]float32, error) {
	d := e.cfg.HiddenSize
	rows, err := e.rows(e.residual.Slice(r*d, (r+1)*d), e.pos-1, e.pos)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// rows applies the final norm and the head to X, hidden states of positions
// [i,j).
func (e *Engine) rows(x kernels.Buffer, i, j int) ([][]float32, error) {
	d, vocab := e.cfg.HiddenSize, e.cfg.Vocab
	if n := (j - i) * vocab; cap(e.host) < n {
		e.host = make([]float32, n)
	}
	host := e.host[:(j-i)*vocab]
	step := max(1, min(e.ws.chunk, logitsBlock/vocab))
	for k := i; k < j; k += step {
		t := min(step, j-k)
		y, err := e.logitsBuffer(t * vocab)
		if err != nil {
			return nil, err
		}
		h := e.ws.norm.Slice(0, t*d)
		e.dev.RMSNorm(h, x.Slice((k-i)*d, (k-i+t)*d), e.finalNorm, t, float32(e.cfg.NormEps))
		e.dev.Mul(y, h, t, e.head)
		if err := e.dev.Sync(); err != nil {
			return nil, fmt.Errorf("logits of positions %d to %d: %w", k, k+t-1, err)
		}
		e.dev.Read(host[(k-i)*vocab:(k-i+t)*vocab], y)
	}
	rows := make([][]float32, j-i)
	for k := range rows {
		rows[k] = host[k*vocab : (k+1)*vocab]
		if err := checkLogits(rows[k]); err != nil {
			return nil, fmt.Errorf("position %d: %w", i+k, err)
		}
	}
	return rows, nil
}

// logitsBuffer returns n values on the device.
func (e *Engine) logitsBuffer(n int) (kernels.Buffer, error) {
	if e.logits == nil || e.logits.Len() < n {
		b, err := e.dev.NewBuffer(n)
		if err != nil {
			return nil, fmt.Errorf("logits: %w", err)
		}
		e.logits = b
	}
	return e.logits.Slice(0, n), nil
}

// checkLogits reports the first value that is not finite.
func checkLogits(x []float32) error {
	for i, v := range x {
		if !finite(v) {
			return fmt.Errorf("logit of token %d is %v: %w", i, v, ErrDiverged)
		}
	}
	return nil
}
