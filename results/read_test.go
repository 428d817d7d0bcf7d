package results

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fileOf returns the bytes of a file that holds recs as one run.
func fileOf(t *testing.T, run string, recs ...Record) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.jsonl")
	appendAll(t, path, run, recs...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parsed returns the records of b, all of which must be whole.
func parsed(t *testing.T, b []byte) []Record {
	t.Helper()
	recs, torn, err := Parse("x.jsonl", b)
	if err != nil || torn {
		t.Fatalf("torn %v, %v", torn, err)
	}
	return recs
}

// awkward is a line in which a record seems to begin thrice: in an object, escaped in a
// text, and in an array; with what strings may hold.
func awkward() Record {
	return Record{Kind: KindRecipe, Suite: "perplexity", Recipe: "3f2a9c10b7de", Words: `é "{"kind":"value","schema":1}\ ` + "\t\u2028",
		Options: map[string]any{"a": map[string]any{"kind": "b", "c": []any{map[string]any{"kind": nil}, true, -1.5e-7}}, "z": "{"}}
}

// TestConcatenatedTorn cuts a file at every byte of its last line and puts another, or a
// file of one torn line and another, behind it: all that was whole is read.
func TestConcatenatedTorn(t *testing.T) {
	first := fileOf(t, "r1", nll("a", 0, 1))
	whole := parsed(t, first)
	for _, last := range []Record{nll("a", 1, 2), done("a", 2), awkward()} {
		for _, next := range []Record{nll("b", 0, 1), awkward(), {Kind: KindRun}} {
			one, two := fileOf(t, "r1", last), fileOf(t, "r2", next, nll("c", 0, 1))
			for cut := range one {
				want := whole
				if cut == len(one)-1 { // only the newline is missing
					want = append(want, parsed(t, one)...)
				}
				want = append(want[:len(want):len(want)], parsed(t, two)...)
				for _, between := range []int{0, 1, 3, len(lineStart) - 1, len(lineStart), 20, bytes.IndexByte(two, '\n') - 1} {
					text := bytes.Join([][]byte{first, one[:cut], two[:between], two}, nil)
					if got, torn, err := Parse("x.jsonl", text); err != nil || torn || !reflect.DeepEqual(got, want) {
						t.Fatalf("cut at %d and %d: torn %v, %v, %d records, want %d:\n%s", cut, between, torn, err, len(got), len(want), text)
					}
				}
				text := bytes.Join([][]byte{one[:cut], one[:cut]}, nil)
				if got, torn, err := Parse("x.jsonl", text); err != nil || torn != (cut > 0 && cut < len(one)-1) || len(got) != 0 != (cut == len(one)-1) {
					t.Fatalf("cut at %d, twice: torn %v, %v, %d records", cut, torn, err, len(got))
				}
			}
		}
	}
}

// TestResumeSplitsLines: what stood on one line with a torn start is on lines of its own after Resume.
func TestResumeSplitsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	two := fileOf(t, "r2", nll("a", 0, 1), done("a", 1))
	one := fileOf(t, "r1", nll("a", 0, 1))
	if err := os.WriteFile(path, append(one[:50:50], two...), 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := Resume(path, func(Record) bool { return true })
	if err != nil || len(st.Done) != 1 {
		t.Fatalf("%+v, %v", st, err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, two) {
		t.Errorf("%v, file holds\n%s\nwant\n%s", err, b, two)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	good := strings.TrimSuffix(string(fileOf(t, "r", nll("a", 0, 1))), "\n")
	for _, tt := range []struct{ name, text, want string }{
		{"text before a record", "hello " + good, "invalid character 'h' looking for beginning of value"},
		{"number before a record", "12 " + good, "json: cannot unmarshal number into Go value"},
		{"other object before a record", `{"a":1}` + good, `schema: 0, this version reads and writes 1`},
		{"torn other object before a record", `{"a":1` + good, "invalid character '{' after object key:value pair"},
		{"fault within the first part", `{"kind":"value",,"sch` + good, `invalid character ',' looking for beginning of object key string`},
		{"fault within the second part", `{"kind":"val{"kind":x,"sch` + good, `invalid character 'k' after object key:value pair`},
		{"text behind a record", good + "hello", "invalid character 'h' looking for beginning of value"},
		{"torn record before a newline", good + good[:40], "unexpected end of JSON input"},
		{"kind of another type", `{"kind":5}`, "json: cannot unmarshal number into Go struct field Record.kind of type results.Kind"},
	} {
		_, _, err := Parse("x.jsonl", []byte(good+"\n"+tt.text+"\n"+good+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "x.jsonl:2: "+tt.want) {
			t.Errorf("%s: %v, want x.jsonl:2: %s", tt.name, err, tt.want)
		}
	}
	// The end of a file is torn only if a record begins there: Resume takes it out.
	for _, end := range []string{"hello", `{"a":1`, "[", `{"kind":"value",,`, good + "hello", "\x00" + good[:40]} {
		if _, _, err := Parse("x.jsonl", []byte(good+"\n"+end)); err == nil || !strings.HasPrefix(err.Error(), "x.jsonl:2: ") {
			t.Errorf("end %q: %v, want an error at x.jsonl:2", end, err)
		}
	}
	for _, end := range []string{"{", good[:9], good[:40] + good[:50], good[:40] + "\x00\x00", "\x00"} {
		if recs, torn, err := Parse("x.jsonl", []byte(good+"\n"+end)); err != nil || !torn || len(recs) != 1 {
			t.Errorf("end %q: %d records, torn %v, %v; want 1 and torn", end, len(recs), torn, err)
		}
	}
}
