package corpus

import (
	"testing"
)

func TestJoin(t *testing.T) {
	// Worked by hand from the definition of the rules. " \n" is how WikiText
	// stores a blank line.
	const text = " \n = Title = \n \nfirst\n\x1c\nlast\n"
	for _, c := range []struct {
		name string
		text string
		rule Rule
		want string
	}{
		{"raw", text, Raw, text},
		{"rows", text, Rows, "\n\n = Title = \n\n\n\n\nfirst\n\n\n\n\nlast\n"},
		{"lines", text, Lines, " \n\n = Title = \n\n \n\nfirst\n\n\x1c\n\nlast"},
		{"rows, no final newline", "a\nb", Rows, "a\n\n\nb"},
		{"lines, no final newline", "a\nb", Lines, "a\n\nb"},
		{"rows of nothing", "", Rows, ""},
		{"rows keep a carriage return", "a\r\nb\r\n", Rows, "a\r\n\n\nb\r\n"},
	} {
		got, err := Join(c.text, c.rule)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	if _, err := Join("a", "row"); err == nil || err.Error() != `join: "row", want one of rows, lines, raw` {
		t.Errorf("unknown rule: %v", err)
	}
}

func TestCheckText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"good \u00e9\n", ""},
		{"", "x.raw: the text is empty"},
		{"one\ntwo \xc3(\n", "x.raw:2: byte 0xc3 at offset 8 is not UTF-8"},
	} {
		got := ""
		if err := CheckText("x.raw", []byte(c.text)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	if err := CheckText("x.raw", []byte("a \uFFFD b")); err != nil {
		t.Errorf("U+FFFD itself: %v", err)
	}
}
