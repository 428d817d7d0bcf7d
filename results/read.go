package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// line is one whole line of a records file with what it says.
type line struct {
	text []byte // without the newline
	rec  Record
}

// Parse returns the records in b, the bytes of a records file. A last line
// that a crash or a full disk cut short is left out, and torn is true. Any
// other line that is not a record is an error with name and line number.
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

// parseLines is Parse with the text of the lines. Empty lines are left out.
func parseLines(name string, b []byte) (lines []line, torn bool, err error) {
	for n := 1; len(b) > 0; n++ {
		text, rest, whole := bytes.Cut(b, []byte("\n"))
		b = rest
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l := line{text: text}
		if err := json.Unmarshal(text, &l.rec); err != nil {
			if !whole {
				// No strict prefix of a JSON object is a JSON object, so this is a
				// line whose write did not finish.
				return lines, true, nil
			}
			return nil, false, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if err := l.rec.Check(); err != nil {
			return nil, false, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		lines = append(lines, l)
	}
	return lines, false, nil
}

// ReadFiles returns the records of all files, one file after the other: what
// reading their concatenation gives, but for torn last lines, which are left
// out of each.
func ReadFiles(paths ...string) ([]Record, error) {
	var all []Record
	for _, p := range paths {
		b, err := os.ReadFile(p)
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
