package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `name: x
model: demo
baseline: dense
methods:
  - dense
  - {name: int4, bits: [4, 3], group: [64, 128]}
  - {name: ultrasketch, bits: 0.5bpw, seeds: [1, 2]}
calibration: {corpus: c, sequences: 16, length: 4k}
suites:
  - approx
  - {name: latency, prompt: [64, 384]}
`

func TestParse(t *testing.T) {
	s, err := Parse([]byte(good), "x.yaml", ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Methods) != 3 || s.Methods[0].Name != "dense" || len(s.Methods[1].Expand()) != 4 {
		t.Errorf("methods %+v", s.Methods)
	}
	// The last parameter varies fastest: (4,64) (4,128) (3,64) (3,128).
	third := s.Methods[1].Expand()[2]
	if third.Field("bits").Text != "3" || third.Field("group").Text != "64" {
		t.Errorf("third case %+v", third)
	}
	if got := s.Methods[2].Seeds; len(got) != 2 || got[1] != 2 {
		t.Errorf("seeds %v", got)
	}
	if c := s.Calibration[0]; c.Length != 4000 || c.Sequences != 16 || c.Corpus.Name != "c" {
		t.Errorf("calibration %+v", c)
	}
	var o struct {
		Prompt []int `yaml:"prompt"`
		New    int   `yaml:"new"`
	}
	o.New = 32
	f := &Faults{}
	Decode(s.Suites[1].Params, s.Suites[1].Path, &o, f)
	if f.Err() != nil || len(o.Prompt) != 2 || o.Prompt[1] != 384 || o.New != 32 {
		t.Errorf("options %+v, %v", o, f.Err())
	}
}

// TestNested: a mapping is decoded as strictly as the file, and one that is not
// there leaves nil.
func TestNested(t *testing.T) {
	type options struct {
		Delta *struct {
			Eta   []float64 `yaml:"eta"`
			Draws int       `yaml:"draws"`
		} `yaml:"delta"`
	}
	decode := func(suite string) (o options, f Faults) {
		s, err := Parse([]byte(strings.Replace(good, "  - approx", "  - "+suite, 1)), "x.yaml", ".")
		if err != nil {
			t.Fatal(err)
		}
		Decode(s.Suites[0].Params, s.Suites[0].Path, &o, &f)
		return o, f
	}
	if o, f := decode("{name: approx, delta: {eta: [0.5, 1], draws: 4k}}"); f.Err() != nil || o.Delta == nil || len(o.Delta.Eta) != 2 || o.Delta.Draws != 4000 {
		t.Errorf("%+v, %v", o.Delta, f.Err())
	}
	if o, f := decode("approx"); f.Err() != nil || o.Delta != nil {
		t.Errorf("%+v, %v", o.Delta, f.Err())
	}
	for suite, want := range map[string]string{
		"{name: approx, delta: {eat: 1, draws: x}}": `unknown field "eat" in suites[0].delta; did you mean "eta"?; suites[0].delta.draws: x, want a whole number such as 128, 4k or 2Mi`,
		"{name: approx, delta: demo}":               "suites[0].delta: got a scalar, want a mapping",
		"{name: approx, delta: [demo]}":             "suites[0].delta: got a list, want a mapping",
	} {
		_, f := decode(suite)
		var all []string
		for _, fault := range f.List {
			all = append(all, fault.Message)
		}
		if got := strings.Join(all, "; "); got != want {
			t.Errorf("%s: got %s, want %s", suite, got, want)
		}
	}
}

// TestFaults holds the message of every fault that Parse finds by itself.
func TestFaults(t *testing.T) {
	deep := "a: &a [x]\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "p:1:1: empty, want a scenario"},
		{"unknown field", strings.Replace(good, "model", "modle", 1),
			"p:1:1: model: missing\np:2:1: unknown field \"modle\"; did you mean \"model\"?"},
		{"bare scalar", "demo\n", "p:1:1: the file: got a scalar, want a mapping"},
		{"several at once", "name: X y\nmodel: demo\nmethods: []\nsuites: 3\n",
			"p:1:7: name: \"X y\", want lower-case letters, digits and hyphens (it names the records file)\n" +
				"p:3:10: methods: empty, want at least one\np:4:9: suites: got a scalar, want a list"},
		{"duplicate", "name: a\nname: b\nmodel: m\nmethods: [dense]\nsuites: [approx]\n", "p:2:1: duplicate field \"name\", first at line 1"},
		{"second document", good + "---\nname: y\n", "p:12:1: a second YAML document, want one scenario to a file"},
		{"tab", "name: a\nmethods:\n\t- dense\n", "p:3:1: a tab in the indentation, want spaces"},
		{"loop", "name: a\nmodel: m\nmethods: &m [*m]\nsuites: [approx]\n",
			"p:3:14: anchor \"m\" contains itself\np:3:14: methods[0]: got nothing, want a name or a mapping with a name"},
		{"bad seeds", strings.Replace(good, "[1, 2]", "[-1, yes]", 1),
			"p:7:47: methods[2].seeds[0]: -1, want a whole number from 0 to 2^53-1\np:7:51: methods[2].seeds[1]: yes, want a whole number from 0 to 2^53-1"},
		{"bad calibration", strings.Replace(good, "sequences: 16, length: 4k", "sequnces: 16, length: 1", 1),
			"p:8:26: unknown field \"sequnces\" in calibration; did you mean \"sequences\"?\np:8:48: calibration.length: 1, want at least 2"},
		{"file without path", strings.Replace(good, "corpus: c,", "corpus: {jion: rows},", 1),
			"p:8:23: calibration.corpus.file: missing\np:8:24: unknown field \"jion\" in calibration.corpus; did you mean \"join\"?"},
		{"override", strings.Replace(good, "group: [64, 128]", "overrides: [{bits: 8}, {tensors: x}]", 1),
			"p:6:44: methods[1].overrides[0].tensors: missing, want a name pattern such as \"*.down_proj.*\"\np:6:55: methods[1].overrides[1]: changes nothing"},
		{"empty axis", strings.Replace(good, "bits: [4, 3]", "bits: []", 1), "p:6:24: methods[1].bits: empty, want at least one value"},
		{"too large", deep + strings.Repeat("# padding\n", 200_000), "p: 2000010 bytes, want at most 131072 (128 KiB)"},
		{"not YAML", "name: [\n", "p:1:1: not YAML: did not find expected node content"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), "p", ".")
			if err == nil {
				t.Fatal("no fault")
			}
			if err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestAliasesAreBounded: nine levels of ten aliases stand for 10^9 values.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		prev := string(rune('0' + i - 1))
		b.WriteString("l" + string(rune('0'+i)) + ": &l" + string(rune('0'+i)) + " [" + strings.Repeat("*l"+prev+",", 10) + "]\n")
	}
	_, err := Parse([]byte(b.String()), "p", ".")
	if err == nil || !strings.Contains(err.Error(), "aliases are expanded") {
		t.Errorf("got %v", err)
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]int64{"4k": 4000, "2Mi": 2 << 20, "1 GiB": 1 << 30, "7": 7, "1.5k": 1500, "3MB": 3e6, "4bpw": 4} {
		if got, err := ParseCount(s); err != nil || got != want {
			t.Errorf("ParseCount(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "k", "1.5", "x", "1e30", "4 kk", "nan", "0.5bpw", "4kbpw"} {
		if got, err := ParseCount(s); err == nil {
			t.Errorf("ParseCount(%q) = %d, want an error", s, got)
		}
	}
	if x, err := ParseNumber("0.5bpw"); err != nil || x != 0.5 {
		t.Errorf("0.5bpw = %v, %v", x, err)
	}
	for _, s := range []string{"inf", "nan", "1bp", ""} {
		if _, err := ParseNumber(s); err == nil {
			t.Errorf("ParseNumber(%q): want an error", s)
		}
	}
}

// TestShipped loads every shipped scenario by its bare name.
func TestShipped(t *testing.T) {
	names := Shipped()
	for _, want := range []string{"demo", "sub-1-bit", "wikitext-int4-svd-sketch"} {
		s, err := Load(want, nil)
		if err != nil {
			t.Errorf("%s: %v", want, err)
		} else if s[0].Name != want {
			t.Errorf("%s.yaml is named %q", want, s[0].Name)
		} else if !strings.HasPrefix(string(s[0].Text), "# ") {
			t.Errorf("%s.yaml has no comment head", want)
		}
	}
	files, _ := filepath.Glob("*.yaml")
	if len(files) != len(names) {
		t.Errorf("%d files, %d shipped", len(files), len(names))
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yaml"} {
		text := strings.Replace(good, "name: x", "name: "+name[:1], 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ss, err := Load(dir, nil)
	if err != nil || len(ss) != 2 || ss[0].Name != "a" {
		t.Errorf("folder: %v, %v", ss, err)
	}
	if ss, err := Load("-", strings.NewReader(good)); err != nil || ss[0].Dir != "." {
		t.Errorf("stdin: %v", err)
	}
	_, err = Load("dmeo", nil)
	if want := `did you mean "demo"?`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want ...%s", err, want)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml"), nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}
