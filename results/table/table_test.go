package table_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name, or rewrites it under -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", name, got)
	}
}

// build makes the tables of records.
func build(t *testing.T, recs []results.Record, baseline string) []table.Table {
	t.Helper()
	return buildWith(t, recs, summary.Options{Baseline: baseline}, nil)
}

// buildWith makes tables of records, which go through a file first.
func buildWith(t *testing.T, recs []results.Record, opts summary.Options, order []keys.Order) []table.Table {
	t.Helper()
	var file bytes.Buffer
	for _, r := range recs {
		r.Schema = results.Schema
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		file.Write(append(b, '\n'))
	}
	read, _, err := results.Parse("hand-made", file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	rep, err := summary.Of(read, opts)
	if err != nil {
		t.Fatal(err)
	}
	return table.Build(rep, order)
}

func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name  string
		recs  []results.Record
		width int
	}{
		{"demo", demo(), 0},
		{"demo-160", demo(), 160},
		{"demo-80", demo(), 80},
		{"short", short(), 0},
		{"two-recipes", twoRecipes(), 0},
		// Two files one after the other: two tables, nothing joined across.
		{"concatenated", slices.Concat(short(), twoRecipes()), 140},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text bytes.Buffer
			if err := table.Text(&text, build(t, tt.recs, ""), tt.width); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".txt", text.Bytes())
			for line := range strings.Lines(text.String()) {
				if n := utf8.RuneCountInString(line) - 1; tt.width > 0 && n > tt.width {
					t.Errorf("a line of %d runes, want at most %d: %s", n, tt.width, line)
				}
			}
		})
	}
}

func TestMarkdownGolden(t *testing.T) {
	var b bytes.Buffer
	if err := table.Markdown(&b, build(t, demo(), "dense")); err != nil {
		t.Fatal(err)
	}
	golden(t, "demo.md", b.Bytes())
	// Every table line has the same number of unescaped bars.
	bars := map[int]bool{}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "|") {
			bars[strings.Count(line, "|")-strings.Count(line, `\|`)] = true
		}
	}
	if len(bars) != 1 {
		t.Errorf("numbers of bars per line: %v, want one", bars)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	s := int4
	s.label = "a|b *c*"
	m := &maker{scenario: "x"}
	m.start("r", "h")
	m.caseLine(dense)
	m.caseLine(s)
	var b bytes.Buffer
	if err := table.Markdown(&b, build(t, m.recs, "")); err != nil {
		t.Fatal(err)
	}
	if want := `| a\|b \*c\* | 4 |`; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, &b)
	}
}

func TestJSONGolden(t *testing.T) {
	var b bytes.Buffer
	if err := table.JSON(&b, build(t, demo(), "")); err != nil {
		t.Fatal(err)
	}
	golden(t, "demo.json", b.Bytes())
	var doc struct {
		Tables []struct {
			Columns []struct{ Key, Unit string }
			Rows    []struct {
				Method string
				Cells  []struct {
					Text          string
					Value, Lo, Hi *float64
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	cell := func(row int, key string) (v, lo, hi *float64) {
		tab := doc.Tables[0]
		i := slices.IndexFunc(tab.Columns, func(c struct{ Key, Unit string }) bool { return c.Key == key })
		if i < 0 {
			t.Fatalf("no column %q", key)
		}
		c := tab.Rows[row].Cells[i]
		return c.Value, c.Lo, c.Hi
	}
	// Worked by hand from records_test.go: the mean of int4's window means over
	// that of dense, cos summed over 12 windows.
	var d float64
	for w := range 12 {
		d += 0.02 + 0.03*math.Cos(float64(3*w))
	}
	if v, lo, hi := cell(1, "perplexity_ratio"); math.Abs(*v-math.Exp(d/12)) > 1e-9 || !(*lo < *v && *v < *hi) {
		t.Errorf("ratio %v [%v, %v], want %v", *v, *lo, *hi, math.Exp(d/12))
	}
	// √(1+¼)/√2 of 0.1; 4 MB·8 bits; (519500·4 + 2e6)·8/5e6.
	for key, want := range map[string]float64{"weight_error": 0.1 * math.Sqrt(1.25/2), "bits_linears": 519500 * 8 / 1e6,
		"bits_model": (519500*4 + 2e6) * 8 / 5e6, "model_bytes": 519500*4 + 2e6, "bits_nominal": 4, "peak_bytes": 40519500} {
		if v, _, _ := cell(1, key); v == nil || math.Abs(*v-want) > 1e-9*want {
			t.Errorf("%s: %v, want %v", key, v, want)
		}
	}
	// Medians of six blocks: the mean of the third and fourth of the drifts.
	if v, lo, hi := cell(0, "ttft_384"); !(*lo < *v && *v < *hi) || *v < 38.4e-3 || *v > 41e-3 {
		t.Errorf("TTFT %v [%v, %v] s", *v, *lo, *hi)
	}
	if v, _, _ := cell(3, "perplexity"); v != nil {
		t.Errorf("the failed case has a perplexity of %v", *v)
	}
}

// TestAllFailed has no column in which a dash could stand.
func TestAllFailed(t *testing.T) {
	m := &maker{scenario: "x"}
	m.start("r", "h")
	m.failure(dense, "", "", "load", "no such file")
	m.failure(broken, "", "", "load", "no such file")
	var b bytes.Buffer
	if err := table.Text(&b, build(t, m.recs, "dense"), 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"│ dense¹  │", "¹ dense failed in load (input): no such file", "² svd b2 failed in load (input): no such file"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

// TestBetterThanBaseline: a row whose windows all score better carries the
// mark and a word of caution; its mirror image carries the mark alone.
func TestBetterThanBaseline(t *testing.T) {
	for _, c := range []struct {
		step float64 // nat per token
		want bool
	}{{-0.02, true}, {0.02, false}} {
		m := &maker{scenario: "x"}
		m.start("r", "h")
		for _, s := range []subject{dense, broken} {
			m.caseLine(s)
			for w := range 12 {
				nll := 400 + 10*float64(w%5)
				if s.label == broken.label {
					nll += 100 * c.step * (1 + 0.1*float64(w%3))
				}
				m.value(s, "perplexity", "p", "nll", "", nll, 100, w, 0)
			}
			m.done(s, "perplexity", "p", 12)
		}
		var b bytes.Buffer
		if err := table.Text(&b, build(t, m.recs, "dense"), 0); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "No gain of quality follows"); got != c.want || !strings.Contains(b.String(), "] *") {
			t.Errorf("step %v: told %v, want %v, in\n%s", c.step, got, c.want, &b)
		}
	}
}

// TestDeclaredNote: stored sizes that another program declares carry a note, on
// their own row only.
func TestDeclaredNote(t *testing.T) {
	m := &maker{scenario: "declared"}
	m.start("r1", "h1")
	for _, s := range []subject{dense, int4} {
		m.caseLine(s)
		m.memory(s, rMem)
		m.recs = m.recs[:len(m.recs)-1] // its done line
		part := map[bool]string{true: "dense", false: "declared"}[s.base]
		m.value(s, "memory", rMem, "part_bytes", results.PartItem("linear", part), s.bytes*4, 4e6, 0, 0)
		m.done(s, "memory", rMem, 7)
	}
	var text bytes.Buffer
	if err := table.Text(&text, build(t, m.recs, ""), 0); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(text.String(), "bytes that the folder of the weights declares"); got != 1 {
		t.Errorf("the note stands %d times, want once:\n%s", got, text.String())
	}
}
