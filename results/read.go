package results

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// line is one record's text with what it says.
type line struct {
	text []byte // without the newline
	rec  Record
}

// lineStart is how every line begins that Writer writes.
const lineStart = `{"kind":`

// Parse returns the records in b, the bytes of a records file or of several one
// after the other. What a crash or a full disk cut short is left out: a last line, and then
// torn is true, and the start of a line that goes on with a record, the first of the next
// file. Any other line that is not a record is an error with name and line number.
func Parse(name string, b []byte) (recs []Record, torn bool, err error) {
	lines, torn, err := parseLines(name, b)
	if err != nil {
		return nil, false, err
	}
	recs = make([]Record, len(lines))
	for i := range lines {
		recs[i] = lines[i].rec
	}
	return recs, torn, nil
}

// usualLine is about the shortest line of a value, in bytes.
const usualLine = 300

// parseLines is Parse with the text of the records. Empty lines are left out.
func parseLines(name string, b []byte) (lines []line, torn bool, err error) {
	lines = make([]line, 0, min(bytes.Count(b, []byte("\n")), len(b)/usualLine)+1)
	for n := 1; len(b) > 0; n++ {
		text, rest, whole := bytes.Cut(b, []byte("\n"))
		b = rest
		for text = bytes.TrimSpace(text); len(text) > 0; text = bytes.TrimSpace(text) {
			l, after, err := first(text)
			// A power cut may leave zeros where bytes were to be.
			if err != nil && !whole && isTorn(bytes.TrimRight(text, "\x00")) {
				return lines, true, nil
			}
			if err != nil {
				return nil, false, fmt.Errorf("%s:%d: %w", name, n, err)
			}
			lines, text = append(lines, l), after
		}
	}
	return lines, false, nil
}

// maxStarts is the number of places in a line at which a record is looked for. What crashes
// and files put behind each other leave on one line is a few, and each place may cost a
// reading of the whole line.
const maxStarts = 16

// first returns the record that text begins with, be it after the torn start of another,
// and the text behind it.
func first(text []byte) (line, []byte, error) {
	l := line{text: text}
	fault := json.Unmarshal(text, &l.rec)
	if fault == nil {
		return l, nil, l.rec.Check()
	}
	for i, n := 0, 0; i >= 0 && n < maxStarts; i, n = nextStart(text, i), n+1 {
		var object json.RawMessage
		d := json.NewDecoder(bytes.NewReader(text[i:]))
		if d.Decode(&object) != nil {
			continue
		}
		l := line{text: object}
		err := json.Unmarshal(object, &l.rec)
		if err == nil {
			err = l.rec.Check()
		}
		if i == 0 || err == nil && isTorn(text[:i]) {
			return l, text[i+int(d.InputOffset()):], err
		}
	}
	return line{}, nil, fault
}

// nextStart returns the next place behind i where a record may begin in text; -1 when there
// is none. A nested object may begin like a record too.
func nextStart(text []byte, i int) int {
	n := bytes.Index(text[i+1:], []byte(lineStart))
	if n < 0 {
		return -1
	}
	return i + 1 + n
}

// isTorn reports whether text is the torn start of a record, or of several one after the
// other, which files of a single torn line leave.
func isTorn(text []byte) bool {
	for len(text) > 0 {
		n := 0 // bytes of lineStart
		for n < min(len(text), len(lineStart)) && text[n] == lineStart[n] {
			n++
		}
		switch {
		case n == len(text):
			return true
		case n == 0:
			return false
		case n < len(lineStart):
			text = text[n:]
			continue
		}
		err := json.NewDecoder(bytes.NewReader(text)).Decode(new(json.RawMessage))
		var syntax *json.SyntaxError
		if !errors.As(err, &syntax) {
			return errors.Is(err, io.ErrUnexpectedEOF) // else a whole object
		}
		// What follows a torn start is refused within three bytes of its own start
		// ({" may still be read as the end of a string), so that is the last { so far.
		next := bytes.LastIndexByte(text[:syntax.Offset], '{')
		if next <= 0 {
			return false
		}
		text = text[next:]
	}
	return true
}

// ReadFiles returns the records of all files, one file after the other. A name
// that ends in .gz is that of a compressed file.
func ReadFiles(paths ...string) ([]Record, error) {
	var all []Record
	for _, p := range paths {
		b, err := readFile(p)
		if err != nil {
			return nil, err
		}
		recs, _, err := Parse(p, b)
		if err != nil {
			return nil, err
		}
		all = append(all, recs...)
	}
	return all, nil
}

// readFile returns what a file holds, unpacked if it is compressed.
func readFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(z)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}
