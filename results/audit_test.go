package results

import (
	"errors"
	"strings"
	"testing"
)

// TestCheckFile: what is wrong with each line, and what a killed run leaves.
func TestCheckFile(t *testing.T) {
	const head = `,"schema":1,"run":"r","case":"c","scenario":"s","model":"m","method":"dense","suite":"perplexity","recipe":"p","artefact":"a"`
	value := `{"kind":"value"` + head + `,"metric":"nll","unit":"nat","value":1,"weight":3}` + "\n"
	done := `{"kind":"done"` + head + `,"values":2,"key":"k"}` + "\n"
	for _, c := range []struct {
		name, text       string
		lines, done, not int
		torn             bool
		faults           []string
	}{
		{"whole", value + value + done, 3, 1, 0, false, nil},
		{"torn", value + value + done + value[:40], 3, 1, 0, true, nil},
		{"unfinished", value + value, 2, 0, 2, false, nil},
		{"lost value", value + done, 2, 0, 0, false, []string{"f:2: values: 2 in the done line of perplexity, case c; the file has 1"}},
		{"other artefact", value + strings.Replace(value, `"artefact":"a"`, `"artefact":"b"`, 1) + done, 3, 1, 0, false,
			[]string{"f:2: artefact: b, but the case c is of a in this run"}},
		{"two bad lines", strings.Replace(value, `"nll"`, `"nil"`, 1) + "what\n" + value + value + done, 3, 1, 0, false,
			[]string{`f:1: metric: "nil" is not in the list`, "f:2: invalid character"}},
	} {
		a := CheckFile("f", []byte(c.text))
		if a.Lines != c.lines || a.Done != c.done || a.Unfinished != c.not || a.Torn != c.torn || len(a.Faults) != len(c.faults) {
			t.Errorf("%s: %+v", c.name, a)
			continue
		}
		said := ""
		if err := errors.Join(a.Faults...); err != nil {
			said = err.Error()
		}
		for _, want := range c.faults {
			if !strings.Contains(said, want) {
				t.Errorf("%s: %q, want %q", c.name, said, want)
			}
		}
	}
}
