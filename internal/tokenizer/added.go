package tokenizer

import (
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
	nodes  []trieNode
	first  [256]bool // bytes that some token starts with
	only   int       // the only such byte, or -1
	tokens []addedToken
}

// A trieNode is a prefix of some token; token is -1 or the one that ends here.
type trieNode struct {
	next  map[byte]int
	token int
}

// newMatcher returns nil for no tokens.
func newMatcher(tokens []addedToken) *matcher {
	if len(tokens) == 0 {
		return nil
	}
	m := &matcher{nodes: []trieNode{{token: -1}}, tokens: tokens, only: -1}
	for i, t := range tokens {
		at := 0
		for _, b := range []byte(t.content) {
			next, ok := m.nodes[at].next[b]
			if !ok {
				next = len(m.nodes)
				m.nodes = append(m.nodes, trieNode{token: -1})
				if m.nodes[at].next == nil {
					m.nodes[at].next = make(map[byte]int)
				}
				m.nodes[at].next[b] = next
			}
			at = next
		}
		m.nodes[at].token = i
		m.first[t.content[0]] = true
	}
	if len(m.nodes[0].next) == 1 {
		m.only = int(tokens[0].content[0])
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
		at, token := 0, -1
		for j := i; j < len(s); j++ {
			next, ok := m.nodes[at].next[s[j]]
			if !ok {
				break
			}
			at = next
			if k := m.nodes[at].token; k >= 0 {
				token, end = k, j+1
			}
		}
		if token >= 0 {
			return i, end, token
		}
	}
	return len(s), len(s), -1
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
