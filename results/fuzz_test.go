package results

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// FuzzResume reads and mends made-up records files: the answer is an error
// that names the file and leaves it alone, or a file of whole records, the
// same when it is mended again, to which can be appended.
func FuzzResume(f *testing.F) {
	var b bytes.Buffer
	line := func(r Record) string {
		r.Schema, r.Run, r.At = Schema, "r1", "2026-11-22T01:20:07Z"
		if r.Kind == KindValue {
			r.Unit = "nat"
		}
		js, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		return string(js) + "\n"
	}
	for _, r := range []Record{{Kind: KindRun}, awkward(), nll("a", 0, 1), nll("a", 1, 2), done("a", 2), nll("b", 0, 1), done("b", 2)} {
		b.WriteString(line(r))
	}
	whole := b.String()
	f.Add([]byte(whole))
	f.Add([]byte(whole[:len(whole)-20]))
	f.Add([]byte(whole[:len(whole)-20] + whole))
	f.Add([]byte(line(nll("a", 0, 1))[:30] + line(nll("a", 0, 1))[:100] + line(done("a", 0))))
	f.Add([]byte("\n\n  \n" + line(Record{Kind: KindRun}) + "\x00\x00\x00"))
	f.Add([]byte(strings.Replace(line(nll("a", 0, 1)), `"value":1`, `"value":1e999`, 1)))
	f.Add([]byte(strings.Replace(line(nll("a", 0, 1)), `"schema":1`, `"schema":2`, 1)))
	f.Add([]byte(strings.Replace(line(done("a", 0)), `"values":0`, `"values":-1,"seed":9007199254740992`, 1)))
	f.Add([]byte(strings.Replace(line(Record{Kind: KindRun}), `{`, `{"environment":{"a":[[[1]]]},`, 1)))
	f.Add([]byte(strings.Repeat(lineStart, 5)))
	f.Add([]byte(`{"kind":"run"}` + "\nnot a record\n"))
	path := filepath.Join(f.TempDir(), "r.jsonl")
	f.Fuzz(func(t *testing.T, b []byte) { checkResume(t, path, b) })
}

func checkResume(t *testing.T, path string, b []byte) {
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	var recs []Record
	var torn bool
	var err error
	fuzztest.Bounded(t, len(b), func() { recs, torn, err = Parse(path, b) })
	var st *State
	var resumeErr error
	fuzztest.Bounded(t, len(b), func() { st, resumeErr = Resume(path, func(Record) bool { return true }) })
	if (err == nil) != (resumeErr == nil) {
		t.Fatalf("Parse: %v, Resume: %v", err, resumeErr)
	}
	mended, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), path+":") || err.Error() != resumeErr.Error() {
			t.Errorf("the error does not name the file: %v, %v", err, resumeErr)
		}
		if !bytes.Equal(b, mended) {
			t.Errorf("a file that was refused was changed")
		}
		return
	}
	if st.Torn != torn || st.Dropped+len(st.Records) != len(recs) {
		t.Errorf("%d records, torn %v, became %d and %d dropped, torn %v", len(recs), torn, len(st.Records), st.Dropped, st.Torn)
	}
	again, torn, err := Parse(path, mended)
	if err != nil || torn || !reflect.DeepEqual(again, append([]Record{}, st.Records...)) {
		t.Errorf("the mended file: %v, torn %v, %d records, want %d", err, torn, len(again), len(st.Records))
	}
	if len(mended) > 0 && mended[len(mended)-1] != '\n' {
		t.Error("the mended file does not end a line")
	}
	second, err := Resume(path, func(Record) bool { return true })
	if err != nil || second.Dropped != 0 || second.Torn || !reflect.DeepEqual(second.Done, st.Done) {
		t.Errorf("mended twice: %+v, %v", second, err)
	}
	for _, r := range st.Records {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	}
}

// TestResumeLarge bounds what files of about half a megabyte cost that say
// little or are torn in many places.
func TestResumeLarge(t *testing.T) {
	run := `{"kind":"run","schema":1,"run":"r"}` + "\n"
	value := `{"kind":"value","schema":1,"run":"20261122T011400Z-5f3a9c","case":"9b1c40d2e87a","scenario":"s","model":"demo","method":"sketchtune",` +
		`"params":{"bits":4,"gpr":1},"seed":1,"suite":"perplexity","metric":"nll","unit":"nat","weight":2047,"device":"cpu/avx512","recipe":"3f2a9c10b7de",` +
		`"exec":"77a0b3c91d25","artefact":"c07d51e9a4f2","at":"2026-11-22T01:20:07Z","value":4742.1,"sample":17}` + "\n"
	for name, text := range map[string]string{
		"values":        strings.Repeat(value, 10_000),
		"empty lines":   strings.Repeat("\n", 1<<19),
		"short lines":   strings.Repeat(run, 1<<13),
		"starts":        strings.Repeat(lineStart, 1<<16),
		"starts, ended": strings.Repeat(lineStart, 1<<16) + "\n" + run,
		"torn lines":    strings.Repeat(lineStart+`"value","a":"`, 1<<14) + "\n",
		"torn runs":     strings.Repeat(run[:len(run)-5], 1<<14) + "\n" + run,
		"one line":      strings.Repeat(strings.TrimSpace(run), 1<<13),
		"no records":    strings.Repeat("{}", 1<<18),
		"deep":          `{"kind":"run","environment":` + strings.Repeat(`{"kind":`, 1<<16),
		"zeros":         run + strings.Repeat("\x00", 1<<20),
		"long message":  `{"kind":"` + strings.Repeat(`\u0001`, 1<<17) + `"}`,
	} {
		t.Run(name, func(t *testing.T) { checkResume(t, filepath.Join(t.TempDir(), "r.jsonl"), []byte(text)) })
	}
}
