package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// words encodes text that holds no added tokens: it is cut into words, and
// each word is merged on its own.
type words struct {
	// split cuts a text into words, one stage after the other.
	split  []splitter
	merges merges
	// whole, if not nil, gives the id of a word that is a token as it stands
	// (ignore_merges); keys are bytes of text.
	whole map[string]int32
	// bytes are the ids of single bytes.
	bytes [256]int32
	// byChar: a word starts as its characters, with bytes standing for the
	// characters outside chars; otherwise it starts as its bytes.
	byChar bool
	chars  map[rune]int32
	// spell is the text of each id in bytes. Ids from len(spell)-virtual on
	// stand for characters that occur in merges only; they are written as bytes.
	spell   []string
	virtual int
}

// A splitter cuts s into pieces that join to s.
type splitter func(s string, piece func(string)) error

// Limits of a word cache: words longer than cachedBytes are rare and cheap to
// find again in relation to their length.
const (
	cachedBytes = 64
	cachedWords = 1 << 16
	cachedIDs   = 1 << 19
)

// A state is the working memory of one Encode call, kept for the next: the
// words seen so far and buffers.
type state struct {
	cache   map[string]span
	ids     []int32 // cached words' ids, one after the other
	out     []int
	symbols []int32
	next    []merge
	heap    []candidate
	err     error // of a splitter
}

// A span is ids[begin:end] of a state.
type span struct{ begin, end int32 }

func newState() *state { return &state{cache: make(map[string]span, 1024)} }

func (s *state) emit(id int) { s.out = append(s.out, id) }

// encode appends the ids of a text to s.out.
func (w *words) encode(text string, s *state) { w.stage(0, text, s) }

// stage runs the splitters from number i on.
func (w *words) stage(i int, text string, s *state) {
	if text == "" {
		return
	}
	if i == len(w.split) {
		w.word(text, s)
		return
	}
	next := func(piece string) { w.stage(i+1, piece, s) }
	if i == len(w.split)-1 {
		next = func(piece string) { w.word(piece, s) }
	}
	if err := w.split[i](text, next); err != nil {
		s.err = err
	}
}

// word appends the ids of one word.
func (w *words) word(word string, s *state) {
	if c, ok := s.cache[word]; ok {
		for _, id := range s.ids[c.begin:c.end] {
			s.out = append(s.out, int(id))
		}
		return
	}
	symbols := w.merge(word, s)
	for _, id := range symbols {
		s.out = append(s.out, int(id))
	}
	if len(word) > cachedBytes {
		return
	}
	if len(s.cache) >= cachedWords || len(s.ids) >= cachedIDs {
		clear(s.cache)
		s.ids = s.ids[:0]
	}
	begin := int32(len(s.ids))
	s.ids = append(s.ids, symbols...)
	s.cache[strings.Clone(word)] = span{begin, int32(len(s.ids))}
}

// merge returns the ids of a word; they are valid until the next call.
func (w *words) merge(word string, s *state) []int32 {
	symbols := s.symbols[:0]
	if id, ok := w.whole[word]; ok {
		symbols = append(symbols, id)
		s.symbols = symbols
		return symbols
	}
	if w.byChar {
		symbols = w.characters(symbols, word)
	} else {
		for i := 0; i < len(word); i++ {
			symbols = append(symbols, w.bytes[word[i]])
		}
	}
	s.symbols = symbols
	symbols = w.merges.apply(symbols, s)
	if w.virtual > 0 {
		symbols = w.spellVirtual(symbols)
	}
	return symbols
}

// characters appends the initial symbols of a word: its characters, or the
// bytes of those that have no symbol.
func (w *words) characters(symbols []int32, word string) []int32 {
	for i, r := range word {
		if id, ok := w.chars[r]; ok {
			symbols = append(symbols, id)
			continue
		}
		for _, b := range []byte(word[i : i+utf8.RuneLen(r)]) {
			symbols = append(symbols, w.bytes[b])
		}
	}
	return symbols
}

// spellVirtual replaces symbols that are no tokens by the bytes of their
// character.
func (w *words) spellVirtual(symbols []int32) []int32 {
	first := int32(len(w.spell) - w.virtual)
	found := false
	for _, id := range symbols {
		found = found || id >= first
	}
	if !found {
		return symbols
	}
	var out []int32
	for _, id := range symbols {
		if id < first {
			out = append(out, id)
			continue
		}
		for _, b := range []byte(w.spell[id]) {
			out = append(out, w.bytes[b])
		}
	}
	return out
}

// metaspace is U+2581, which stands for a space in SentencePiece vocabularies.
const metaspace = "\u2581"

// splitMetaspace cuts before each U+2581 that follows another character. It
// is exact for a vocabulary in which no merge makes a symbol with such a place
// inside: no merge can cross the cut, and the order of merges within a word
// does not depend on the other words.
func splitMetaspace(s string, piece func(string)) error {
	start, i := 0, 0
	for {
		j := strings.Index(s[i:], metaspace)
		if j < 0 {
			break
		}
		if j > 0 && i+j > start {
			piece(s[start : i+j])
			start = i + j
		}
		i += j + len(metaspace)
	}
	if start < len(s) {
		piece(s[start:])
	}
	return nil
}

// crossesMetaspace reports whether a token has U+2581 behind another character.
func crossesMetaspace(token string) bool {
	return strings.Contains(strings.TrimLeft(token, metaspace), metaspace)
}
