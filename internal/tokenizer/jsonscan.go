package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A scanner reads the two large members of a tokenizer.json, vocab and merges,
// several times faster than encoding/json. It is given text that is known to be
// valid JSON, so that only types have to be checked. Strings without an escape
// share the memory of text.
type scanner struct {
	text string
	at   int
}

// take consumes the byte c after white space, if it is there.
func (s *scanner) take(c byte) bool {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
	if s.at >= len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// str reads a string.
func (s *scanner) str() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	start := s.at
	escaped := false
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			s.at++
			if !escaped {
				return s.text[start : s.at-1], true
			}
			var out string
			err := json.Unmarshal([]byte(s.text[start-1:s.at]), &out)
			return out, err == nil
		case '\\':
			escaped = true
			s.at++
		}
		s.at++
	}
	return "", false
}

// natural reads a whole number from 0 to maxVocabulary-1.
func (s *scanner) natural() (int32, bool) {
	s.take(0) // white space
	n, start := int32(0), s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		n = n*10 + int32(s.text[s.at]-'0')
		if n >= maxVocabulary {
			return 0, false
		}
		s.at++
	}
	return n, s.at > start
}

// vocabulary reads {"token": id, …}. On a fault it returns what is wrong.
func (s *scanner) vocabulary() (ids map[string]int32, fault string) {
	ids = make(map[string]int32, len(s.text)/20)
	if !s.take('{') {
		return nil, "want an object of token ids"
	}
	if s.take('}') {
		return ids, ""
	}
	for {
		token, _ := s.str()
		s.take(':')
		id, ok := s.natural()
		if _, twice := ids[token]; twice {
			return nil, fmt.Sprintf("the token %q stands twice", token)
		}
		ids[token] = id
		more := s.take(',')
		if !ok || !more && !s.take('}') {
			return nil, fmt.Sprintf("id of %q: want a whole number from 0 to %d", token, maxVocabulary-1)
		}
		if !more {
			return ids, ""
		}
	}
}

// pairs reads ["a b", …] or [["a", "b"], …]. On a fault it returns the index
// of the merge that is wrong, else -1.
func (s *scanner) pairs() (out [][2]string, wrong int) {
	if !s.take('[') {
		return nil, 0
	}
	out = make([][2]string, 0, len(s.text)/16)
	if s.take(']') {
		return out, -1
	}
	for i := 0; ; i++ {
		p, skip, ok := s.pair()
		if !ok {
			return nil, i
		}
		if !skip {
			out = append(out, p)
		}
		if !s.take(',') {
			return out, -1
		}
	}
}

// pair reads one merge; skip marks the version line of old files.
func (s *scanner) pair() (p [2]string, skip, ok bool) {
	if s.take('[') {
		left, okLeft := s.str()
		s.take(',')
		right, okRight := s.str()
		return [2]string{left, right}, false, okLeft && okRight && s.take(']')
	}
	line, ok := s.str()
	if ok && strings.HasPrefix(line, "#version") {
		return p, true, true
	}
	left, right, two := strings.Cut(line, " ")
	return [2]string{left, right}, false, ok && two && !strings.Contains(right, " ")
}
