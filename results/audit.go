package results

import (
	"bytes"
	"fmt"
)

// An Audit is what a records file turns out to be.
type Audit struct {
	Lines      int  // records
	Done       int  // cells that are complete
	Unfinished int  // values of cells without a done line
	Torn       bool // the last line is cut short
	Faults     []error
}

// CheckFile checks b, the bytes of a records file called name: that every line is a
// record with a known metric, that done lines count the values that there are,
// and that the values of a case that one run measured are of one artefact. A
// torn last line and values without a done line are what a killed run leaves,
// and no faults.
func CheckFile(name string, b []byte) Audit {
	var a Audit
	bad := func(line int, format string, args ...any) {
		a.Faults = append(a.Faults, fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	values := map[cellRun]int{}
	artefacts := map[[3]string]string{} // scenario, case and run
	type closing struct {
		line int
		rec  Record
	}
	var done []closing
	n := 0
	for len(b) > 0 {
		n++
		end := bytes.IndexByte(b, '\n') + 1
		if end == 0 {
			end = len(b)
		}
		lines, torn, err := parseLines(name, b[:end])
		b = b[end:]
		if err != nil {
			bad(n, "%s", withoutPlace(name, err))
			continue
		}
		a.Torn = a.Torn || torn
		for _, l := range lines {
			a.Lines++
			c := cellRun{l.rec.Cell(), l.rec.Run}
			switch l.rec.Kind {
			case KindValue:
				values[c]++
			case KindDone:
				done = append(done, closing{n, l.rec})
			}
			if l.rec.Artefact == "" {
				continue
			}
			id := [3]string{l.rec.Scenario, l.rec.Case, l.rec.Run}
			if first, ok := artefacts[id]; ok && first != l.rec.Artefact {
				bad(n, "artefact: %s, but the case %s is of %s in this run", l.rec.Artefact, l.rec.Case, first)
			} else if !ok {
				artefacts[id] = l.rec.Artefact
			}
		}
	}
	closed := map[cellRun]bool{}
	for _, d := range done {
		c := cellRun{d.rec.Cell(), d.rec.Run}
		if got := values[c]; got != d.rec.Values {
			bad(d.line, "values: %d in the done line of %s, case %s; the file has %d", d.rec.Values, d.rec.Suite, d.rec.Case, got)
		} else if !closed[c] {
			a.Done++
		}
		closed[c] = true
	}
	for c, n := range values {
		if !closed[c] {
			a.Unfinished += n
		}
	}
	return a
}

// withoutPlace drops the name and line that parseLines puts before an error
// about a piece of a file.
func withoutPlace(name string, err error) string {
	text := err.Error()
	prefix := name + ":1: "
	if len(text) > len(prefix) && text[:len(prefix)] == prefix {
		return text[len(prefix):]
	}
	return text
}
