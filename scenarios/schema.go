package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Schema is a JSON Schema (draft 2020-12), to be written as JSON.
type Schema map[string]any

// An Entry is a method or suite as a schema describes it.
type Entry struct {
	Name    string
	Options any  // pointer to the default options
	Seeds   bool // of methods: the field seeds is allowed
	Match   bool // of methods: the field match is allowed
}

// A chooser is options of which some fields, by scenario name, have only the
// words given.
type chooser interface{ Choices() map[string][]string }

// FileSchema returns the schema of a scenario file with these methods and
// suites. It admits what Parse and Decode admit, except that a text is written
// as a YAML string, and refuses unknown fields, wrong types and words that are
// not among the choices of their field. Bounds of numbers and what depends on
// the model are left to plan.
func FileSchema(methods, suites []Entry) Schema {
	var methodNames []string
	for _, m := range methods {
		methodNames = append(methodNames, m.Name)
	}
	var methodItems, suiteItems []Schema
	for _, m := range methods {
		methodItems = append(methodItems, methodSchema(m, methodNames))
	}
	for _, s := range suites {
		suiteItems = append(suiteItems, object(withName(s.Name, fieldSchemas(s.Options, false)), "name"))
	}
	calibration := object(fieldSchemas(&DefaultCalibration, false), "corpus")
	doc := fieldDocs(reflect.TypeFor[file]())
	properties := map[string]Schema{
		"name":        {"type": "string", "pattern": namePattern.String()},
		"title":       {"type": "string", "minLength": 1},
		"model":       {"type": "string", "minLength": 1},
		"baseline":    {"type": "string", "minLength": 1, "default": "dense"},
		"device":      {"enum": devices},
		"threads":     scalarSchema(reflect.TypeFor[int]()),
		"methods":     entries(methods, methodItems),
		"suites":      entries(suites, suiteItems),
		"calibration": {"anyOf": []Schema{calibration, {"type": "array", "items": calibration}}},
	}
	for name, p := range properties {
		p["description"] = doc[name]
	}
	s := object(properties, "name", "model", "methods", "suites")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Scenario of sketchbench"
	return s
}

// entries is a list whose items are bare names or mappings with a name.
func entries(known []Entry, objects []Schema) Schema {
	var names []string
	for _, e := range known {
		names = append(names, e.Name)
	}
	return Schema{"type": "array", "minItems": 1, "items": Schema{"anyOf": append([]Schema{{"enum": names}}, objects...)}}
}

// methodSchema is a method with its own fields as axes and those of all.
func methodSchema(m Entry, names []string) Schema {
	p := withName(m.Name, fieldSchemas(m.Options, true))
	own := fieldSchemas(m.Options, false)
	patterns := Schema{"anyOf": []Schema{{"type": "string"}, {"type": "array", "items": Schema{"type": "string"}}}}
	p["only"] = described(patterns, "compress only tensors of these name patterns")
	p["except"] = described(patterns, "leave tensors of these name patterns alone")
	if len(own) > 0 {
		own["tensors"] = Schema{"type": "string", "minLength": 1, "description": "name pattern, such as *.down_proj.*"}
		override := object(own, "tensors")
		override["minProperties"] = 2
		p["overrides"] = Schema{"type": "array", "items": override, "description": "other options for some tensors; of several that fit, the last counts"}
	}
	if m.Seeds {
		p["seeds"] = described(oneOrMore(scalarSchema(reflect.TypeFor[uint64]())), "one case for each seed")
	}
	if m.Match {
		p["match"] = Schema{"enum": names, "description": "one case for each size of the named method, at equal stored bytes"}
		p["bytes"] = described(oneOrMore(scalarSchema(reflect.TypeFor[float64]())), "stored bits per weight to keep within, such as 0.5bpw: the largest setting that fits")
		p["per"] = Schema{"enum": []string{PerMatrix, PerModel}, "description": "whether every matrix keeps to the size of match or bytes (default), or all together"}
	}
	return object(p, "name")
}

func described(s Schema, text string) Schema {
	out := Schema{"description": text}
	for k, v := range s {
		out[k] = v
	}
	return out
}

// object is a mapping of these fields and no others.
func object(properties map[string]Schema, required ...string) Schema {
	s := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// withName adds the field name, of one value.
func withName(name string, properties map[string]Schema) map[string]Schema {
	properties["name"] = Schema{"const": name}
	return properties
}

// oneOrMore is a value or a list of at least one.
func oneOrMore(s Schema) Schema {
	return Schema{"anyOf": []Schema{s, {"type": "array", "minItems": 1, "items": s}}}
}

// fieldSchemas returns a schema for each field of options, by scenario name,
// with its doc tag and default; as axes each may be a list.
func fieldSchemas(options any, axes bool) map[string]Schema {
	v := reflect.ValueOf(options).Elem()
	choices := map[string][]string{}
	if c, ok := options.(chooser); ok {
		choices = c.Choices()
	}
	docs, out := fieldDocs(v.Type()), map[string]Schema{}
	for i := range v.NumField() {
		name := tagName(v.Type().Field(i))
		if name == "" {
			continue
		}
		s := valueSchema(v.Field(i).Type(), choices[name])
		if axes {
			s = oneOrMore(s)
		}
		if docs[name] != "" {
			s["description"] = docs[name]
		}
		if !v.Field(i).IsZero() && v.Field(i).Type() != durationType {
			s["default"] = v.Field(i).Interface()
		} else if v.Field(i).Type() == durationType {
			s["default"] = fmt.Sprint(v.Field(i).Interface())
		}
		out[name] = s
	}
	return out
}

// fieldDocs returns the doc tags of a struct by scenario name.
func fieldDocs(t reflect.Type) map[string]string {
	docs := map[string]string{}
	for i := range t.NumField() {
		if name := tagName(t.Field(i)); name != "" {
			docs[name] = t.Field(i).Tag.Get("doc")
		}
	}
	return docs
}

// valueSchema is what Decode takes for a field of type t, restricted to words
// if there are any.
func valueSchema(t reflect.Type, words []string) Schema {
	switch {
	case t == reflect.TypeFor[Corpus]():
		return corpusSchema()
	case t.Kind() == reflect.Pointer:
		return object(fieldSchemas(reflect.New(t.Elem()).Interface(), false))
	case t.Kind() == reflect.Slice:
		item := valueSchema(t.Elem(), words)
		return Schema{"anyOf": []Schema{item, {"type": "array", "items": item}}}
	case words != nil && t.Kind() == reflect.String:
		return Schema{"enum": words}
	case words != nil:
		return numbersSchema(words)
	}
	return scalarSchema(t)
}

// numbersSchema is one of some whole numbers, which may have a unit.
func numbersSchema(words []string) Schema {
	var numbers []int
	for _, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil {
			panic(fmt.Sprintf("scenarios: the choice %q is no whole number", w))
		}
		numbers = append(numbers, n)
	}
	return Schema{"anyOf": []Schema{{"enum": numbers}, {"type": "string", "pattern": "^(" + strings.Join(words, "|") + ") ?bpw$"}}}
}

func corpusSchema() Schema {
	file := object(map[string]Schema{
		"file": {"type": "string", "minLength": 1, "description": "UTF-8 text; relative paths start from the scenario's folder"},
		"join": {"enum": joins, "description": "how lines become one text; the recipe decides without it"},
	}, "file")
	return Schema{"anyOf": []Schema{{"type": "string", "minLength": 1}, file}}
}

// number is how ParseFloat's decimal numbers are written.
const number = `[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?`

// scalarSchema is what Decode takes for a scalar of type t.
func scalarSchema(t reflect.Type) Schema {
	text := func(pattern string) Schema { return Schema{"type": "string", "pattern": "^" + pattern + "$"} }
	switch {
	case t == durationType:
		return Schema{"anyOf": []Schema{text(`[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))+`), {"const": 0}}}
	case t.Kind() == reflect.Bool:
		return Schema{"type": "boolean"}
	case t.Kind() == reflect.String:
		return Schema{"type": "string"}
	case t.Kind() == reflect.Uint64:
		return Schema{"type": "integer", "minimum": 0, "maximum": 1<<53 - 1}
	case t.Kind() == reflect.Float64:
		return Schema{"anyOf": []Schema{{"type": "number"}, text(number + ` *bpw`)}}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		var units []string
		for _, u := range countUnits {
			if u.suffix != "" {
				units = append(units, u.suffix)
			}
		}
		slices.Sort(units)
		return Schema{"anyOf": []Schema{{"type": "integer"}, text(number + ` *(` + strings.Join(units, "|") + `)`)}}
	}
	panic(fmt.Sprintf("scenarios: no schema for %v", t))
}
