package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// nll returns a value line as a suite makes it.
func nll(c string, window int, v float64) Record {
	return Record{Kind: KindValue, Case: c, Scenario: "s", Model: "demo", Method: "int4", Suite: "perplexity",
		Metric: "nll", Value: v, Weight: 511, Sample: window, Device: "cpu/avx2", Recipe: "3f2a9c10b7de"}
}

func done(c string, n int) Record {
	return Record{Kind: KindDone, Case: c, Scenario: "s", Model: "demo", Method: "int4", Suite: "perplexity",
		Recipe: "3f2a9c10b7de", Values: n, Key: "k1"}
}

func clock() time.Time { return time.Date(2026, 11, 22, 1, 20, 7, 0, time.UTC) }

// appendAll appends recs to the file at path as one run.
func appendAll(t *testing.T, path, run string, recs ...Record) {
	t.Helper()
	w, err := Append(path, run, clock)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWriteFillsAndReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	r := nll("a", 0, 0)
	r.Params = map[string]any{"bits": 4.0}
	appendAll(t, path, "20261122T011400Z-5f3a9c", r)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"value","schema":1,"run":"20261122T011400Z-5f3a9c","case":"a","scenario":"s","model":"demo","method":"int4","params":{"bits":4},"suite":"perplexity","metric":"nll","unit":"nat","weight":511,"device":"cpu/avx2","recipe":"3f2a9c10b7de","at":"2026-11-22T01:20:07Z","value":0,"sample":0}` + "\n"
	if string(b) != want {
		t.Errorf("file holds\n%swant\n%s", b, want)
	}
	got, err := ReadFiles(path, path)
	if err != nil {
		t.Fatal(err)
	}
	r.Schema, r.Run, r.Unit, r.At = 1, "20261122T011400Z-5f3a9c", "nat", "2026-11-22T01:20:07Z"
	if len(got) != 2 || !reflect.DeepEqual(got[1], r) {
		t.Errorf("read %+v, want %+v twice", got, r)
	}
}

func TestTimingsKeepBlockZero(t *testing.T) {
	b, err := json.Marshal(Record{Kind: KindValue, Metric: "ttft"})
	if err != nil || !strings.Contains(string(b), `"block":0`) {
		t.Errorf("%s, %v: no block", b, err)
	}
	b, err = json.Marshal(Record{Kind: KindDone})
	if err != nil || !strings.Contains(string(b), `"values":0`) {
		t.Errorf("%s, %v: no count", b, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	with := func(change func(*Record)) Record { r := nll("a", 0, 1); change(&r); return r }
	for _, tt := range []struct {
		name string
		rec  Record
		want string
	}{
		{"unknown metric", with(func(r *Record) { r.Metric = "ppl" }), `metric: "ppl" is not in the list of metrics`},
		{"derived metric", with(func(r *Record) { r.Metric = "perplexity" }), `metric: "perplexity" is formed when records are read, never recorded`},
		{"wrong unit", with(func(r *Record) { r.Unit = "bit" }), `unit: "bit", nll is in nat`},
		{"wrong suite", with(func(r *Record) { r.Suite = "memory" }), `suite: "memory", but nll belongs to perplexity`},
		{"NaN", with(func(r *Record) { r.Value = math.NaN() }), `value: nll is NaN, want a finite number`},
		{"infinite", with(func(r *Record) { r.Value = math.Inf(1) }), `value: nll is +Inf, want a finite number`},
		{"weight", with(func(r *Record) { r.Weight = math.NaN() }), `weight: NaN, want a finite number, 0 or more`},
		{"seed", with(func(r *Record) { r.Seed = 1 << 53 }), `seed: 9007199254740992, want less than 2^53`},
		{"no case", with(func(r *Record) { r.Case = "" }), `case: missing in a value line`},
		{"negative sample", with(func(r *Record) { r.Sample = -1 }), `sample, block, launch: -1, 0, 0, want 0 or more`},
		{"no item", with(func(r *Record) { r.Suite, r.Metric = "approx", "weight_err_sq" }), `item: missing, weight_err_sq is measured per item`},
		{"tensor class", with(func(r *Record) { r.Suite, r.Metric, r.Item = "memory", "stored_bytes", "attn" }), `item: "attn", want one of linear, embedding, head, norm, bias`},
		{"part of no class", with(func(r *Record) { r.Suite, r.Metric, r.Unit, r.Item = "memory", "part_bytes", "B", "codes" }),
			`item: "codes", want one of linear, embedding, head, norm, bias, a slash and one of dense, codes, tables, scales, factors, cells, indices, seeds, masks, padding, declared`},
		{"unknown part", with(func(r *Record) { r.Suite, r.Metric, r.Unit, r.Item = "memory", "part_bytes", "B", "linear/x" }),
			`item: "linear/x", want one of linear, embedding, head, norm, bias, a slash and one of dense, codes, tables, scales, factors, cells, indices, seeds, masks, padding, declared`},
		{"time 0", with(func(r *Record) { r.Suite, r.Metric, r.Value = "latency", "ttft", 0 }), `value: ttft is 0 s, want more than 0`},
		{"kind", Record{Kind: "note"}, `kind: "note", want one of value, run, recipe, case, done, failure`},
		{"class", Record{Kind: KindFailure, Case: "a", Scenario: "s", Model: "m", Method: "x", Message: "boom", Class: "odd"}, `class: "odd", want one of [input resource diverged crash timeout stopped bug]`},
		{"done without key", with(func(r *Record) { r.Kind = KindDone }), `key: missing in a done line`},
		{"recipe without hash", Record{Kind: KindRecipe, Suite: "approx"}, `recipe or exec: missing in a recipe line`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "r.jsonl")
			w, err := Append(path, "r", clock)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			err = w.Write(tt.rec)
			if want := path + ": " + string(tt.rec.Kind) + " line not written: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
			if b, err := os.ReadFile(path); err != nil || len(b) != 0 {
				t.Errorf("file holds %q, %v", b, err)
			}
		})
	}
}

// fullDisk is a file on a disk with room for so many bytes.
type fullDisk struct {
	bytes.Buffer
	room  int
	syncs int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	d.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}
func (d *fullDisk) Sync() error               { d.syncs++; return nil }
func (d *fullDisk) Truncate(size int64) error { d.Buffer.Truncate(int(size)); return nil }
func (d *fullDisk) Close() error              { return nil }

func TestFullDiskLosesNothingWritten(t *testing.T) {
	d := &fullDisk{room: 700}
	w := NewWriter(d, 0, "r.jsonl", "r", clock)
	if err := w.Write(nll("a", 0, 1), nll("a", 1, 2)); err != nil {
		t.Fatal(err)
	}
	whole := d.String()
	err := w.Write(nll("a", 2, 3))
	if !errors.Is(err, errFull) || !strings.HasPrefix(err.Error(), "r.jsonl: wrote ") {
		t.Errorf("error %v, want one that names path and bytes", err)
	}
	if d.String() != whole {
		t.Errorf("file holds\n%s\nwant\n%s", d, whole)
	}
	d.room = 1 << 20
	if again := w.Write(nll("a", 3, 4)); again != err {
		t.Errorf("the next Write: %v, want the same error", again)
	}
}

func TestDoneIsSynced(t *testing.T) {
	d := &fullDisk{room: 1 << 20}
	w := NewWriter(d, 0, "r.jsonl", "r", clock)
	if err := errors.Join(w.Write(nll("a", 0, 1)), w.Write(done("a", 1))); err != nil || d.syncs != 1 {
		t.Errorf("%d syncs after a value and a done line, %v", d.syncs, err)
	}
}

func TestParse(t *testing.T) {
	good, err := json.Marshal(func() Record { r := nll("a", 0, 1); r.Schema, r.Run, r.Unit = 1, "r", "nat"; return r }())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		recs       int
		torn       bool
		want       string
	}{
		{"empty", "", 0, false, ""},
		{"one", string(good) + "\n", 1, false, ""},
		{"newline alone missing", string(good), 1, false, ""},
		{"torn last line", string(good) + "\n" + string(good[:40]), 1, true, ""},
		{"broken line in the middle", string(good[:40]) + "\n" + string(good) + "\n", 0, false, "x.jsonl:1: unexpected end of JSON input"},
		{"other schema", strings.Replace(string(good), `"schema":1`, `"schema":2`, 1) + "\n", 0, false, "x.jsonl:1: schema: 2, this version reads and writes 1"},
		{"unit", string(good) + "\n" + strings.Replace(string(good), `"nat"`, `"bit"`, 1) + "\n", 0, false, `x.jsonl:2: unit: "bit", nll is in nat`},
	} {
		recs, torn, err := Parse("x.jsonl", []byte(tt.text))
		if msg := errText(err); len(recs) != tt.recs || torn != tt.torn || msg != tt.want {
			t.Errorf("%s: %d records, torn %v, error %q; want %d, %v, %q", tt.name, len(recs), torn, msg, tt.recs, tt.torn, tt.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestResume leaves what a run of three cases may leave: a is done, b lacks its
// done line, c failed, and the last line is torn.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	caseLine := func(c string) Record {
		return Record{Kind: KindCase, Case: c, Scenario: "s", Model: "demo", Method: "int4", Label: c}
	}
	recipe := Record{Kind: KindRecipe, Suite: "perplexity", Recipe: "3f2a9c10b7de", Words: "w"}
	appendAll(t, path, "r0", Record{Kind: KindRun})
	appendAll(t, path, "r1", Record{Kind: KindRun}, recipe, Record{Kind: KindRecipe, Suite: "perplexity", Recipe: "000000000000"},
		caseLine("a"), nll("a", 0, 1), nll("a", 1, 2), done("a", 2), caseLine("b"), nll("b", 0, 1),
		Record{Kind: KindFailure, Case: "c", Scenario: "s", Model: "demo", Method: "svd", Class: ClassInput, Message: "NaN"})
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"kind":"val`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Append(path, "r2", clock); err == nil || err.Error() != path+": the last line is torn; nothing was written" {
		t.Errorf("Append to a torn file: %v", err)
	}

	st, err := Resume(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range st.Records {
		kinds = append(kinds, r.Run+" "+string(r.Kind)+" "+r.Case)
	}
	want := []string{"r1 run ", "r1 recipe ", "r1 case a", "r1 value a", "r1 value a", "r1 done a"}
	if !reflect.DeepEqual(kinds, want) || !st.Torn || st.Dropped != 5 {
		t.Errorf("kept %q, torn %v, dropped %d; want %q, true, 5", kinds, st.Torn, st.Dropped, want)
	}
	if d, ok := st.Done[Cell{"s", "a", "perplexity", "3f2a9c10b7de"}]; len(st.Done) != 1 || !ok || d.Key != "k1" {
		t.Errorf("done %v", st.Done)
	}
	// The file now holds what was kept, and is left alone the next time.
	before, _ := os.Stat(path)
	again, err := Resume(path, nil)
	after, _ := os.Stat(path)
	if err != nil || !reflect.DeepEqual(again.Records, st.Records) || !os.SameFile(before, after) {
		t.Errorf("second Resume: %+v, %v", again, err)
	}
	// Another key: everything is measured again.
	st, err = Resume(path, func(d Record) bool { return d.Key == "k2" })
	if b, _ := os.ReadFile(path); err != nil || len(st.Done) != 0 || len(b) != 0 {
		t.Errorf("with another key: %v, %v, file %q", st, err, b)
	}
	if left, _ := filepath.Glob(path + ".*"); left != nil {
		t.Errorf("left over: %v", left)
	}
}

// TestResumeKeepsFailures keeps the failure lines that the caller wants, with
// the lines of their run and case.
func TestResumeKeepsFailures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	failure := func(c string) Record {
		return Record{Kind: KindFailure, Case: c, Scenario: "s", Model: "demo", Method: "svd", Label: c, Class: ClassInput, Message: "NaN"}
	}
	appendAll(t, path, "r1", Record{Kind: KindRun}, failure("a"), failure("b"), nll("c", 0, 1))
	st, err := Resume(path, func(r Record) bool { return r.Case == "b" })
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range st.Records {
		kinds = append(kinds, string(r.Kind)+" "+r.Case)
	}
	if want := []string{"run ", "failure b"}; !reflect.DeepEqual(kinds, want) || len(st.Done) != 0 {
		t.Errorf("kept %q, done %v, want %q", kinds, st.Done, want)
	}
}

func TestResumeCountsValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if st, err := Resume(path, nil); err != nil || len(st.Done) != 0 {
		t.Errorf("no file: %v, %v", st, err)
	}
	appendAll(t, path, "r1", nll("a", 0, 1), done("a", 2))
	if st, err := Resume(path, nil); err != nil || len(st.Done) != 0 || st.Dropped != 2 {
		t.Errorf("done says 2 values and 1 is there: %+v, %v", st, err)
	}
}

// TestCutAnywhere cuts a file at every 13th byte and at all bytes near an end of a
// line: what is left is read, and mended to whole lines.
func TestCutAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	appendAll(t, path, "r1", nll("a", 0, 1), done("a", 1), nll("b", 0, 1), done("b", 1))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	firstDone := bytes.Index(b, []byte(`}`+"\n"+`{"kind":"value","schema":1,"run":"r1","case":"b"`)) + 1
	for n := range b {
		if n%13 != 0 && !bytes.Contains(b[max(0, n-2):min(len(b), n+2)], []byte("\n")) {
			continue
		}
		if err := os.WriteFile(path, b[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		st, err := Resume(path, nil)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		want := 0
		switch {
		case n == len(b)-1: // only the last newline is missing
			want = 2
		case n >= firstDone:
			want = 1
		}
		if len(st.Done) != want {
			t.Errorf("cut at %d of %d: %d cells done, want %d", n, len(b), len(st.Done), want)
		}
		if w, err := Append(path, "r2", clock); err != nil {
			t.Errorf("cut at %d: %v", n, err)
		} else {
			w.Close()
		}
	}
}

func TestMetricsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Metrics() {
		if m.Name == "" || m.Suite == "" || m.Unit == "" || m.Better == "" || m.Assume == "" || m.Pairing == "" || m.Formula == "" || seen[m.Name] {
			t.Errorf("incomplete or repeated: %+v", m)
		}
		seen[m.Name] = true
	}
}
