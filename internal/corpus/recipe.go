package corpus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Protocol is the family of a recipe: how a stream of tokens is cut into
// windows, and which of them are scored.
type Protocol string

// The protocols. L is the length of a window in tokens.
const (
	// GPTQ: BOS, if the tokenizer puts one, before the stream only; ⌊T/L⌋
	// disjoint windows; every token but a window's first is scored; perplexity
	// is exp of the mean of window means (IST-DASLab/gptq, datautils.py and
	// llama.py).
	GPTQ Protocol = "gptq"
	// BOSEach: the stream is cut into ⌊T/(L-1)⌋ pieces of L-1 tokens, each
	// behind a BOS of its own, so that every token of the text is scored once.
	BOSEach Protocol = "bos-each"
	// Llamacpp: BOS + raw text, ⌊T/L⌋ disjoint windows, the first token of each
	// replaced by BOS; tokens L/2+1 to L-1 are scored (llama.cpp, perplexity).
	Llamacpp Protocol = "llamacpp"
)

// maxWindow bounds the length of a window.
const maxWindow = 1 << 20

// A Recipe is a way to measure perplexity, complete but for model, tokenizer
// and text. Make one with ParseRecipe, then set Join or First if they differ
// from the defaults.
type Recipe struct {
	Protocol Protocol
	Length   int  // tokens of a window, BOS included
	Join     Rule // default: rows, and raw for llamacpp
	First    int  // score only the first windows; 0 is all
}

// ParseRecipe reads "gptq-L", "bos-each-L" or "llamacpp-Lh" with L a positive
// whole number.
func ParseRecipe(name string) (Recipe, error) {
	for _, p := range []struct {
		protocol       Protocol
		prefix, suffix string
		join           Rule
	}{
		{GPTQ, "gptq-", "", Rows},
		{BOSEach, "bos-each-", "", Rows},
		{Llamacpp, "llamacpp-", "h", Raw},
	} {
		rest, ok := strings.CutPrefix(name, p.prefix)
		if !ok {
			continue
		}
		digits, ok := strings.CutSuffix(rest, p.suffix)
		length, err := strconv.Atoi(digits)
		r := Recipe{Protocol: p.protocol, Length: length, Join: p.join}
		least := r.shortest()
		if !ok || err != nil || digits != strconv.Itoa(length) || length < least || length > maxWindow {
			return Recipe{}, fmt.Errorf("recipe %q, want %sL%s with L from %d to %d", name, p.prefix, p.suffix, least, maxWindow)
		}
		return r, nil
	}
	return Recipe{}, fmt.Errorf("recipe %q, want one of gptq-L, bos-each-L, llamacpp-Lh (L tokens in a window)", name)
}

// shortest is the smallest L with something to score.
func (r Recipe) shortest() int {
	if r.Protocol == Llamacpp {
		return 3
	}
	return 2
}

// String is the name that ParseRecipe reads. It does not show Join and First.
func (r Recipe) String() string {
	suffix := ""
	if r.Protocol == Llamacpp {
		suffix = "h"
	}
	return fmt.Sprintf("%s-%d%s", r.Protocol, r.Length, suffix)
}

// scoreFrom is the index in a window of the first token that is scored.
func (r Recipe) scoreFrom() int {
	if r.Protocol == Llamacpp {
		return r.Length/2 + 1
	}
	return 1
}

// step is the number of stream tokens from one window to the next.
func (r Recipe) step() int {
	if r.Protocol == BOSEach {
		return r.Length - 1
	}
	return r.Length
}

// An Identity holds what a recipe contributes to the identity of a perplexity:
// two results are comparable only if it, the text and the tokenizer are equal.
// Changing a field or a value changes every hash made of it.
type Identity struct {
	Recipe     string `json:"recipe"`
	Join       string `json:"join"`        // rows, lines or raw
	BOS        string `json:"bos"`         // stream: the tokenizer's own, before the text; window: before each window
	Window     int    `json:"window"`      // tokens
	Step       int    `json:"step"`        // stream tokens between the starts of windows
	ScoredFrom int    `json:"scored_from"` // index of the first scored token of a window
	Tail       string `json:"tail"`        // drop
	Averaging  string `json:"averaging"`   // mean-of-windows or token-weighted; equal for windows of equal size
	First      int    `json:"first"`       // windows scored; 0 is all
	Normaliser string `json:"normaliser"`  // none: the text is not changed but for Join
	Version    int    `json:"version"`     // of this package's rules
}

// Identity returns the recipe's part of a result's identity.
func (r Recipe) Identity() Identity {
	id := Identity{
		Recipe: r.String(), Join: string(r.Join), BOS: "window", Window: r.Length, Step: r.step(), ScoredFrom: r.scoreFrom(),
		Tail: "drop", Averaging: "token-weighted", First: r.First, Normaliser: "none", Version: 1,
	}
	if r.Protocol == GPTQ {
		id.BOS, id.Averaging = "stream", "mean-of-windows"
	}
	return id
}

// A Window is a sequence of tokens that a model reads from an empty context.
type Window struct {
	// Tokens has Recipe.Length ids.
	Tokens []int
	// ScoreFrom is the index of the first token that is scored: Tokens[j], for
	// j from ScoreFrom on, by the logits after Tokens[:j].
	ScoreFrom int
	// Begin is where in the stream the window starts. In bos-each the BOS of
	// the window is not in the stream.
	Begin int
}

// Targets is the number of tokens scored.
func (w Window) Targets() int { return len(w.Tokens) - w.ScoreFrom }

// A Set is the windows of a text, with what became of the text.
type Set struct {
	Windows []Window
	Stats   Stats
}

// Stats counts what a recipe makes of a text.
type Stats struct {
	Bytes       int    // of the text before joining
	JoinedBytes int    // of the text that was encoded
	Tokens      int    // in the stream, with the BOS that stands before it
	StreamHash  string // SHA-256 in hex of the stream's ids as little-endian int32
	Available   int    // windows in the text
	Windows     int    // windows scored
	Scored      int    // tokens scored
	DroppedTail int    // stream tokens behind the last available window
	HasBOS      bool   // BOS was used
}

// A TooFewError says that a text has fewer windows than are asked for.
type TooFewError struct {
	Recipe    Recipe
	Available int
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("recipe %v: windows: %d, but the text has %d", e.Recipe, e.Recipe.First, e.Available)
}

// Cut joins and encodes a text and cuts it into windows. Errors: First larger
// than the number of windows, a text shorter than one window, a protocol that
// needs BOS with a tokenizer that has none, an unknown rule.
func (r Recipe) Cut(tok Encoder, text string) (Set, error) {
	joined, err := Join(text, r.Join)
	if err != nil {
		return Set{}, err
	}
	if r.Length < r.shortest() || r.First < 0 {
		return Set{}, fmt.Errorf("recipe %v: length %d, want at least %d; windows %d, want at least 0", r, r.Length, r.shortest(), r.First)
	}
	bos, hasBOS := tok.BOS()
	if !hasBOS && r.Protocol != GPTQ {
		return Set{}, fmt.Errorf("recipe %v puts BOS before each window, but the tokenizer has no BOS", r)
	}
	var stream []int
	if hasBOS && r.Protocol != BOSEach {
		stream = append(stream, bos)
	}
	ids, err := tok.Encode(joined)
	if err != nil {
		return Set{}, fmt.Errorf("recipe %v: %w", r, err)
	}
	stream = append(stream, ids...)
	available := len(stream) / r.step()
	switch {
	case available == 0:
		return Set{}, fmt.Errorf("recipe %v: the text has %d tokens, want at least %d for one window", r, len(stream), r.step())
	case r.First > available:
		return Set{}, &TooFewError{Recipe: r, Available: available}
	}
	set := Set{Stats: Stats{
		Bytes: len(text), JoinedBytes: len(joined), Tokens: len(stream), StreamHash: StreamHash(stream),
		Available: available, Windows: available, DroppedTail: len(stream) - available*r.step(), HasBOS: hasBOS,
	}}
	if r.First > 0 {
		set.Stats.Windows = r.First
	}
	for i := range set.Stats.Windows {
		w := r.window(stream, i*r.step(), bos)
		set.Windows = append(set.Windows, w)
		set.Stats.Scored += w.Targets()
	}
	return set, nil
}

// window copies the window that starts at begin, so that windows share no
// memory.
func (r Recipe) window(stream []int, begin, bos int) Window {
	tokens := make([]int, 0, r.Length)
	if r.Protocol == BOSEach {
		tokens = append(tokens, bos)
	}
	tokens = append(tokens, stream[begin:begin+r.step()]...)
	if r.Protocol == Llamacpp {
		tokens[0] = bos
	}
	return Window{Tokens: tokens, ScoreFrom: r.scoreFrom(), Begin: begin}
}

// StreamHash is the SHA-256 in hex of ids as little-endian int32.
func StreamHash(ids []int) string {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
