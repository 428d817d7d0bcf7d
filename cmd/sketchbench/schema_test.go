package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites"
)

const schemaFile = "../../scenarios/scenario.schema.json"

// validator compiles the schema with santhosh-tekuri/jsonschema, without
// top-level required fields if the files are fragments.
func validator(t *testing.T, fragments bool) *jsonschema.Schema {
	t.Helper()
	s := scenarioSchema()
	if fragments {
		delete(s, "required")
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	out, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// instance reads YAML as an editor's language server does.
func instance(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemaFile holds the committed schema against the types.
func TestSchemaFile(t *testing.T) {
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{streams: streams{out: &out}}
	if err := a.schemaCommand().Execute(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s is stale: make schema", schemaFile)
	}
}

// TestSchemaTakesShipped validates every shipped scenario, which must name the
// schema for editors.
func TestSchemaTakesShipped(t *testing.T) {
	v := validator(t, false)
	files, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(files) != len(scenarios.Shipped()) {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(instance(t, string(b))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !strings.HasPrefix(string(b), "# yaml-language-server: $schema=scenario.schema.json\n") {
			t.Errorf("%s does not begin with its schema", file)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestSchemaTakesDocs validates the YAML of the documentation, whole files or
// parts of one, and refuses the one that is there to be refused.
func TestSchemaTakesDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	v, found := validator(t, true), 0
	for _, file := range append(files, "../../README.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range yamlBlock.FindAllStringSubmatch(string(b), -1) {
			text := m[1]
			found++
			switch {
			case strings.HasPrefix(text, "- "):
				text = "methods:\n" + text
			case strings.HasPrefix(text, "corpus:"):
				text = "calibration:\n  " + text
			}
			err := v.Validate(instance(t, text))
			if faulty := strings.HasPrefix(text, "name: my-faults"); (err != nil) != faulty {
				t.Errorf("%s: %v:\n%s", file, err, text)
			}
		}
	}
	if found < 6 {
		t.Errorf("%d blocks of YAML", found)
	}
}

const schemaBase = `name: x
model: demo
methods: [dense, METHOD]
calibration: {corpus: demo-calibration, sequences: 16}
suites: [SUITE]
`

// scenarioOf makes a scenario of one more method and one suite.
func scenarioOf(method, suite string) string {
	return strings.NewReplacer("METHOD", method, "SUITE", suite).Replace(schemaBase)
}

// TestSchemaAgreesWithDecoder: what the decoder refuses by structure, the
// schema refuses; what it takes, the schema takes.
func TestSchemaAgreesWithDecoder(t *testing.T) {
	v := validator(t, false)
	const int4, memory = "{name: int4, bits: 4}", "memory"
	for text, want := range map[string]bool{
		scenarioOf(int4, memory): true,
		scenarioOf("{name: int4, bits: [4bpw, 3], group: 1k, symmetric: true, only: a, except: [b]}", memory):                           true,
		scenarioOf("{name: svd, bits: 0.5bpw, seeds: [1, 2]}", "{name: latency, prompt: 128, warmup: 1m30s, blocks: 6}"):                true,
		scenarioOf("{name: svd, match: int4}", "{name: latency, prompt: [4Ki, 64], new: 1 k}"):                                          true,
		scenarioOf("{name: ultrasketch, bits: [1, .5], reading: [A, C], allocation: uniform, seeds: 3}", "{name: approx, hessian: no}"): false,
		scenarioOf("{name: sketchtune, start: [exact, linspace], act-order: false, exponent: 2.5}", "approx"):                           true,
		scenarioOf("{name: int4, overrides: [{tensors: '*.q_proj.*', bits: 8}]}", "{name: perplexity, corpus: {file: a, join: rows}}"):  true,

		scenarioOf("{name: int4, bits: 5}", memory):                                         false,
		scenarioOf("{name: int4, bits: [4, 5]}", memory):                                    false,
		scenarioOf("{name: int4, bits: four}", memory):                                      false,
		scenarioOf("{name: int4, bits: []}", memory):                                        false,
		scenarioOf("{name: int4, bits: {a: 4}}", memory):                                    false,
		scenarioOf("{name: int4, bits:}", memory):                                           false,
		scenarioOf("{name: int4, grup: 64}", memory):                                        false,
		scenarioOf("{name: int4, symmetric: yes}", memory):                                  false,
		scenarioOf("{name: int4, group: 1.5}", memory):                                      false,
		scenarioOf("{name: int4, group: '64'}", memory):                                     false,
		scenarioOf("{bits: 4}", memory):                                                     false,
		scenarioOf("int5", memory):                                                          false,
		scenarioOf("{name: int5}", memory):                                                  false,
		scenarioOf("4", memory):                                                             false,
		scenarioOf("{name: ultrasketch, reading: D}", memory):                               false,
		scenarioOf("{name: ultrasketch, allocation: even}", memory):                         false,
		scenarioOf("{name: sketchtune, start: random}", memory):                             false,
		scenarioOf("{name: svd, seeds: [-1]}", memory):                                      false,
		scenarioOf("{name: svd, seeds: []}", memory):                                        false,
		scenarioOf("{name: int4, overrides: [{bits: 8}]}", memory):                          false,
		scenarioOf("{name: int4, overrides: [{tensors: x}]}", memory):                       false,
		scenarioOf("{name: int4, overrides: {tensors: x, bits: 8}}", memory):                false,
		scenarioOf(int4, "memry"):                                                           false,
		scenarioOf(int4, "{name: latency, prompt: long}"):                                   false,
		scenarioOf(int4, "{name: latency, warmup: 30}"):                                     false,
		scenarioOf(int4, "{name: latency, warmup: 30 s}"):                                   false,
		scenarioOf(int4, "{name: latency, wramup: 30s}"):                                    false,
		scenarioOf(int4, "{name: perplexity, corpus: {join: rows}}"):                        false,
		scenarioOf(int4, "{name: perplexity, corpus: {file: a, join: words}}"):              false,
		scenarioOf(int4, "{name: perplexity, corpus: [a]}"):                                 false,
		scenarioOf(int4, "{name: kernelspeed, cache: [cold, warm]}"):                        false,
		strings.Replace(scenarioOf(int4, memory), "name: x", "name: X y", 1):                false,
		strings.Replace(scenarioOf(int4, memory), "name: x", "nmae: x", 1):                  false,
		strings.Replace(scenarioOf(int4, memory), "name: x", "name: x\ndevice: gpu", 1):     false,
		strings.Replace(scenarioOf(int4, memory), "name: x", "name: x\nthreads: many", 1):   false,
		strings.Replace(scenarioOf(int4, memory), "suites: [memory]", "suites: memory", 1):  false,
		strings.Replace(scenarioOf(int4, memory), "suites: [memory]", "suites: []", 1):      false,
		strings.Replace(scenarioOf(int4, memory), "corpus: demo-calibration, ", "", 1):      false,
		strings.Replace(scenarioOf(int4, memory), "sequences: 16", "sequences: sixteen", 1): false,
		strings.Replace(scenarioOf(int4, memory), "sequences: 16", "seeds: 16", 1):          false,
		"demo":        false,
		"[{name: x}]": false,
	} {
		faults := decodeFaults([]byte(text))
		err := v.Validate(instance(t, text))
		if (faults == "") != want || (err == nil) != want {
			t.Errorf("%s\ndecoder: %s\nschema: %v\nwant it taken: %v", text, faults, err, want)
		}
	}
}

// decodeFaults decodes a scenario with the options of its methods and suites.
func decodeFaults(b []byte) string {
	s, err := scenarios.Parse(b, "x.yaml", ".")
	if err != nil {
		return err.Error()
	}
	f := &scenarios.Faults{Path: "x.yaml"}
	for _, m := range s.Methods {
		method, ok := subject.LookupMethod(m.Name)
		if !ok {
			return "unknown method " + m.Name
		}
		for _, n := range m.Expand() {
			o := method.New()
			scenarios.Decode(n, m.Path, o, f)
			for _, err := range method.Check(o) {
				f.Add(n.Pos, "%v", err)
			}
		}
	}
	for _, x := range s.Suites {
		suite, ok := suites.Lookup(x.Name)
		if !ok {
			return "unknown suite " + x.Name
		}
		o := suite.New()
		scenarios.Decode(x.Params, x.Path, o, f)
		if c, ok := o.(interface{ Check() []error }); ok {
			for _, err := range c.Check() {
				f.Add(x.Pos, "%v", err)
			}
		}
	}
	if err := f.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// TestSchemaHasEveryOption: the defaults of every method and suite, written
// out, are taken, and no option is without a place in the schema.
func TestSchemaHasEveryOption(t *testing.T) {
	v := validator(t, true)
	check := func(list, name string, options any) {
		entry := map[string]any{"name": name}
		known := scenarios.FileSchema([]scenarios.Entry{{Name: name, Options: options}}, nil)
		b, err := json.Marshal(known)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range scenarios.FieldNames(options) {
			if !strings.Contains(string(b), `"`+field+`":{`) {
				t.Errorf("%s: no field %s in the schema", name, field)
			}
		}
		for field, value := range schemaDefaults(t, list, name) {
			entry[field] = value
		}
		text, err := json.Marshal(map[string]any{list: []any{entry}})
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(instance(t, string(text))); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, name := range subject.MethodNames() {
		m, _ := subject.LookupMethod(name)
		check("methods", name, m.New())
	}
	for _, s := range suites.All() {
		check("suites", s.Name, s.New())
	}
}

// schemaDefaults are the defaults that the schema names for a method or
// suite.
func schemaDefaults(t *testing.T, list, name string) map[string]any {
	b, err := json.Marshal(scenarioSchema())
	if err != nil {
		t.Fatal(err)
	}
	type property struct {
		Const   string
		Default any
	}
	var s struct {
		Properties map[string]struct {
			Items struct {
				AnyOf []struct{ Properties map[string]property }
			}
		}
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, object := range s.Properties[list].Items.AnyOf {
		if object.Properties["name"].Const != name {
			continue
		}
		for field, p := range object.Properties {
			if p.Default != nil {
				out[field] = p.Default
			}
		}
	}
	return out
}
