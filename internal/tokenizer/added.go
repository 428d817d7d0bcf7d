package tokenizer

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An addedToken is a token whose text is found in the input before anything
// else happens to it.
type addedToken struct {
	id         int
	content    string // normalised, where the token is looked for in normalised text
	singleWord bool   // only where no word character is next to it
	lstrip     bool   // takes the white space before it along
	rstrip     bool   // takes the white space behind it along
}

// A matcher finds added tokens: leftmost first, the longest at one place.
type matcher struct {
	tokens []addedToken // by content, which is not empty, each once
	first  [256]bool    // bytes that some token starts with
	only   int          // the only such byte, or -1
}

// newMatcher returns nil for no tokens. Of tokens with one content the last
// counts.
func newMatcher(tokens []addedToken) *matcher {
	if len(tokens) == 0 {
		return nil
	}
	tokens = slices.Clone(tokens)
	slices.Reverse(tokens)
	byContent := func(a, b addedToken) int { return strings.Compare(a.content, b.content) }
	slices.SortStableFunc(tokens, byContent)
	tokens = slices.CompactFunc(tokens, func(a, b addedToken) bool { return a.content == b.content })
	m := &matcher{tokens: tokens, only: -1}
	for _, t := range tokens {
		m.first[t.content[0]] = true
	}
	if first := tokens[0].content[0]; first == tokens[len(tokens)-1].content[0] {
		m.only = int(first)
	}
	return m
}

// find returns the first match in s at or after from, or token -1.
func (m *matcher) find(s string, from int) (begin, end, token int) {
	for i := from; i < len(s); i++ {
		if m.only >= 0 {
			j := strings.IndexByte(s[i:], byte(m.only))
			if j < 0 {
				break
			}
			i += j
		} else if !m.first[s[i]] {
			continue
		}
		if token := m.longest(s[i:]); token >= 0 {
			return i, i + len(m.tokens[token].content), token
		}
	}
	return len(s), len(s), -1
}

// longest returns the longest token that s starts with, or -1.
func (m *matcher) longest(s string) int {
	token, lo, hi := -1, 0, len(m.tokens)
	for n := 0; n < len(s); n++ {
		// The tokens from lo to hi are those that start with s[:n].
		if len(m.tokens[lo].content) == n {
			token = lo
			lo++
		}
		within := m.tokens[lo:hi]
		hi = lo + sort.Search(len(within), func(k int) bool { return within[k].content[n] > s[n] })
		lo += sort.Search(len(within), func(k int) bool { return within[k].content[n] >= s[n] })
		if lo == hi {
			return token
		}
	}
	if len(m.tokens[lo].content) == len(s) {
		return lo
	}
	return token
}

// cut calls token for each added token in s and rest for each non-empty piece
// of text between them, in order. A nil matcher finds nothing.
func (m *matcher) cut(s string, token func(id int), rest func(piece string)) {
	start := 0
	if m != nil {
		for from := 0; ; {
			begin, end, k := m.find(s, from)
			if k < 0 {
				break
			}
			from = end
			t := &m.tokens[k]
			if t.singleWord && (endsInWord(s[:begin]) || startsWord(s[end:])) {
				continue
			}
			if t.lstrip {
				begin = len(strings.TrimRightFunc(s[:begin], unicode.IsSpace))
			}
			if t.rstrip {
				end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
			}
			begin = max(begin, start)
			if begin > start {
				rest(s[start:begin])
			}
			token(t.id)
			start, from = end, max(from, end)
		}
	}
	if start < len(s) {
		rest(s[start:])
	}
}

func endsInWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func startsWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// isWord is \w of Unicode Technical Standard 18: alphabetic, mark, decimal
// digit, connector punctuation, join control.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
