package tokenizer

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// The split patterns that have a scanner of their own. patternByteLevel is the
// one that the ByteLevel pre-tokenizer of Hugging Face applies by itself;
// patternGPT2 is the same in OpenAI's later spelling.
const (
	patternByteLevel = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternGPT2      = `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama3    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2     = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// newSplitter returns the splitter of a pattern: a scanner where the text of
// the pattern is known, else regexp2. Text between matches is a piece of its
// own.
func newSplitter(pattern string) (splitter, error) {
	switch pattern {
	case patternByteLevel, patternGPT2:
		return scan(nextGPT2), nil
	case patternLlama3:
		return scan(func(s string) int { return nextLlama3(s, 3) }), nil
	case patternQwen2:
		return scan(func(s string) int { return nextLlama3(s, 1) }), nil
	}
	if ignoresCase(pattern) {
		// regexp2 compares lower case, which does not know that U+017F is an s
		// and U+212A a k.
		return nil, fmt.Errorf("pattern %q ignores case and is none of those with a scanner of their own: not implemented", pattern)
	}
	return newRegexp(pattern)
}

// ignoresCase reports whether a pattern switches case off by a flag group.
func ignoresCase(pattern string) bool {
	for i := 0; i+2 < len(pattern); i++ {
		if pattern[i] != '(' || pattern[i+1] != '?' {
			continue
		}
		for j := i + 2; j < len(pattern) && 'a' <= pattern[j] && pattern[j] <= 'z'; j++ {
			if pattern[j] == 'i' {
				return true
			}
		}
	}
	return false
}

// Bounds of a pattern: no tokenizer's is longer than some hundred bytes, and
// one match takes microseconds, but backtracking may take for ever.
const (
	maxPattern   = 4096 // bytes
	matchTimeout = 2 * time.Second
)

// newRegexp makes a splitter of any pattern that regexp2 reads.
func newRegexp(pattern string) (splitter, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("pattern of %d bytes, want at most %d", len(pattern), maxPattern)
	}
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	re.MatchTimeout = matchTimeout
	return func(s string, piece func(string)) error {
		at, runes := 0, 0 // byte and rune offset of what is not yet in a piece
		advance := func(to int) int {
			i := at
			for ; runes < to; runes++ {
				_, n := utf8.DecodeRuneInString(s[i:])
				i += n
			}
			return i
		}
		put := func(to int) {
			if end := advance(to); end > at {
				piece(s[at:end])
				at = end
			}
		}
		m, err := re.FindStringMatch(s)
		for ; m != nil; m, err = re.FindNextMatch(m) {
			if m.Length > 0 {
				put(m.Index)
				put(m.Index + m.Length)
			}
		}
		if err != nil { // the time limit is all that can be
			return fmt.Errorf("tokenizer: a match of the pattern %q took more than %v", pattern, matchTimeout)
		}
		if at < len(s) {
			piece(s[at:])
		}
		return nil
	}, nil
}

// scan makes a splitter of a function that gives the length of the first piece
// of a non-empty text.
func scan(next func(s string) int) splitter {
	return func(s string, piece func(string)) error {
		for len(s) > 0 {
			n := next(s)
			piece(s[:n])
			s = s[n:]
		}
		return nil
	}
}

// splitDigits cuts out every numeric character (category N): alone, or in runs.
func splitDigits(individual bool) splitter {
	return scan(func(s string) int {
		c, n := classOf(s)
		switch {
		case c != number:
			return n + len(runOf(s[n:], func(c class) bool { return c != number }))
		case individual:
			return n
		}
		return n + len(runOf(s[n:], func(c class) bool { return c == number }))
	})
}

// prefixSpace puts a space before a text that has none.
func prefixSpace(s string, piece func(string)) error {
	if s[0] != ' ' {
		s = " " + s
	}
	piece(s)
	return nil
}

// A class is what split patterns distinguish: \p{L}, \p{N}, \s with line ends
// apart, and the rest.
type class uint8

const (
	other class = iota
	letter
	number
	space
	newline // \r or \n
)

func (c class) white() bool { return c >= space }

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = classifyRune(rune(r))
	}
	return t
}()

func classifyRune(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classOf is the class of the first character of s and its length in bytes; of
// an empty text, other and 0.
func classOf(s string) (class, int) {
	if s == "" {
		return other, 0
	}
	if s[0] < utf8.RuneSelf {
		return asciiClass[s[0]], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return classifyRune(r), n
}

// runOf is the longest prefix of s whose characters are all in a set.
func runOf(s string, in func(class) bool) string {
	i := 0
	for i < len(s) {
		c, n := classOf(s[i:])
		if !in(c) {
			break
		}
		i += n
	}
	return s[:i]
}

// runOfClass is the length of the longest prefix of s in one class.
func runOfClass(s string, want class) int {
	i := 0
	for i < len(s) {
		if b := s[i]; b < utf8.RuneSelf {
			if asciiClass[b] != want {
				break
			}
			i++
			continue
		}
		c, n := classOf(s[i:])
		if c != want {
			break
		}
		i += n
	}
	return i
}

// nextGPT2 is the length of the first match of patternGPT2 in s.
func nextGPT2(s string) int {
	if s[0] == '\'' {
		if n := contraction(s, false); n > 0 {
			return n
		}
	}
	c, n := classOf(s)
	lead := 0
	if s[0] == ' ' { // " ?" of three alternatives
		if next, m := classOf(s[1:]); m > 0 && !next.white() {
			c, n, lead = next, m, 1
		}
	}
	if c.white() {
		return whiteRun(s, n)
	}
	return lead + n + runOfClass(s[lead+n:], c)
}

// nextLlama3 is the length of the first match of patternLlama3 in s, with at
// most digits numeric characters in a piece.
func nextLlama3(s string, digits int) int {
	if s[0] == '\'' {
		if n := contraction(s, true); n > 0 {
			return n
		}
	}
	c, n := classOf(s)
	switch c {
	case letter:
		return n + runOfClass(s[n:], letter)
	case number:
		for i := 1; i < digits; i++ {
			next, m := classOf(s[n:])
			if next != number {
				break
			}
			n += m
		}
		return n
	case newline:
		return newlineRun(s, n)
	}
	// [^\r\n\p{L}\p{N}]?\p{L}+
	next, m := classOf(s[n:])
	if next == letter {
		return n + m + runOfClass(s[n+m:], letter)
	}
	if s[0] == ' ' && m > 0 && next == other {
		c, n = other, n+m
	}
	if c == other { // " ?[^\s\p{L}\p{N}]+[\r\n]*"
		n += runOfClass(s[n:], other)
		return n + runOfClass(s[n:], newline)
	}
	return newlineRun(s, n)
}

// newlineRun matches \s*[\r\n]+|\s+(?!\S)|\s+ in a text that starts with a white
// character of n bytes: up to the last line end of the run, else whiteRun.
func newlineRun(s string, n int) int {
	run := runOf(s, class.white)
	for i := len(run) - 1; i >= 0; i-- {
		if run[i] == '\n' || run[i] == '\r' {
			return i + 1
		}
	}
	return backOff(s, run, n)
}

// whiteRun matches \s+(?!\S)|\s+ in a text that starts with a white character
// of n bytes.
func whiteRun(s string, n int) int { return backOff(s, runOf(s, class.white), n) }

// backOff leaves the last character of a white run to what follows it, unless
// it is the only one or the run ends the text.
func backOff(s, run string, n int) int {
	if len(run) == len(s) || len(run) == n {
		return len(run)
	}
	_, last := utf8.DecodeLastRuneInString(run)
	return len(run) - last
}

// contraction is the length of 's, 't, 'm, 'd, 're, 've or 'll at the start of
// s, or 0. Without regard to case, U+017F (long s) is an s too.
func contraction(s string, anyCase bool) int {
	if len(s) < 2 {
		return 0
	}
	fold := func(b byte) byte {
		if anyCase && 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		return b
	}
	a := fold(s[1])
	switch a {
	case 's', 't', 'm', 'd':
		return 2
	case "\u017f"[0]:
		if anyCase && len(s) > 2 && s[2] == "\u017f"[1] {
			return 3
		}
		return 0
	}
	if len(s) < 3 {
		return 0
	}
	switch b := fold(s[2]); {
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	}
	return 0
}
