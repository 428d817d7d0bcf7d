// Package corpus turns a text into the windows of tokens that a perplexity
// recipe scores or that a method is calibrated on, by rules that are part of
// the result's identity. It runs no model and reads no files.
package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Encoder turns text into token ids; *tokenizer.Tokenizer is one.
type Encoder interface {
	// Encode returns ids without BOS.
	Encode(text string) ([]int, error)
	// BOS is the token that the tokenizer puts before a text, if it puts one.
	BOS() (id int, ok bool)
}

// A Rule says how the lines of a text file are joined before it is encoded.
type Rule string

// The joining rules. A line ends at "\n"; a final newline ends the last line
// and starts no further one.
const (
	// Rows is what scripts see that join a Hugging Face data set by "\n\n": a
	// blank line is the empty string, any other line keeps its newline. Only
	// this rule gives the well-known token counts of WikiText-2.
	Rows Rule = "rows"
	// Lines joins the lines, without their newlines, by "\n\n".
	Lines Rule = "lines"
	// Raw is the text as it is.
	Raw Rule = "raw"
)

// Rules lists the joining rules.
func Rules() []Rule { return []Rule{Rows, Lines, Raw} }

// Check returns nil for a known rule.
func (r Rule) Check() error {
	for _, known := range Rules() {
		if r == known {
			return nil
		}
	}
	return fmt.Errorf("join: %q, want one of rows, lines, raw", string(r))
}

// Join joins the lines of text by a rule. The only error is an unknown rule.
func Join(text string, rule Rule) (string, error) {
	if err := rule.Check(); err != nil {
		return "", err
	}
	if rule == Raw {
		return text, nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for i, line := range lines {
		switch {
		case rule == Lines:
			lines[i] = strings.TrimSuffix(line, "\n")
		case blank(line):
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n\n"), nil
}

// blank reports whether Python's str.strip leaves nothing of a line, which is
// the data set's own test: Unicode's white space and U+001C to U+001F.
func blank(line string) bool {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if 0x1c <= r && r <= 0x1f {
			return ' '
		}
		return r
	}, line)) == ""
}

// CheckText faults a text that cannot be encoded as it stands: an empty one,
// or bytes that are not UTF-8, with their place. name stands before the fault.
func CheckText(name string, text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("%s: the text is empty", name)
	}
	line := 1
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return fmt.Errorf("%s:%d: byte %#02x at offset %d is not UTF-8", name, line, text[i], i)
		}
		if r == '\n' {
			line++
		}
		i += n
	}
	return nil
}

// TextHash is the SHA-256 of a text in hex.
func TextHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
