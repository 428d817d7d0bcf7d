// Package keys looks up what a record is about by the names that stand in the records file, and
// selects and orders by it. It knows no statistics and no tables.
package keys

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/results"
)

// An Index finds the keys of records. What a line does not say itself, its case line, its run
// line and its recipe lines say.
type Index struct {
	cases   map[[3]string]results.Record // scenario, model, case: the case line, else a failure
	runs    map[string]results.Record
	recipes map[[2]string]results.Record // suite and hash, of a recipe or an execution
	// environments holds the scalars of the environment of each run, by "environment.NAME".
	environments map[string]map[string]string
	names        map[string]bool // keys that records have
}

// NewIndex returns the index of records.
func NewIndex(records []results.Record) *Index {
	ix := &Index{cases: map[[3]string]results.Record{}, runs: map[string]results.Record{}, recipes: map[[2]string]results.Record{},
		environments: map[string]map[string]string{}, names: map[string]bool{}}
	for _, r := range records {
		switch r.Kind {
		case results.KindRun:
			ix.runs[r.Run] = r
			var env map[string]any
			if json.Unmarshal(r.Environment, &env) == nil {
				ix.environments[r.Run] = flatten("environment.", env)
			}
		case results.KindRecipe:
			ix.recipes[[2]string{r.Suite, r.Recipe + r.Exec}] = r
		case results.KindCase, results.KindFailure:
			id := [3]string{r.Scenario, r.Model, r.Case}
			if old, ok := ix.cases[id]; !ok || r.Kind == results.KindCase || old.Kind == results.KindFailure {
				ix.cases[id] = r
			}
		}
	}
	ix.collectNames(records)
	return ix
}

// collectNames notes the keys of maps that records have.
func (ix *Index) collectNames(records []results.Record) {
	seen := map[[3]string]bool{}
	for _, r := range records {
		// The parameters of one case are the same in each of its lines.
		if id := [3]string{r.Scenario, r.Model, r.Case}; r.Kind == results.KindValue && seen[id] {
			continue
		} else {
			seen[id] = true
		}
		v := reflect.ValueOf(r)
		for name, i := range fields {
			if v.Field(i).Kind() == reflect.Map {
				for _, k := range v.Field(i).MapKeys() {
					ix.names[name+"."+k.String()] = true
				}
			}
		}
	}
	for _, env := range ix.environments {
		for name := range env {
			ix.names[name] = true
		}
	}
}

// fields holds the index of each field of a record by its key.
var fields = func() map[string]int {
	m := map[string]int{}
	t := reflect.TypeFor[results.Record]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		m[name] = i
	}
	for _, name := range []string{"kind", "schema", "text", "environment", "values", "key"} {
		delete(m, name) // of the file, not of what was measured; environment has keys of its own
	}
	return m
}()

// Names returns every key that can be asked for, sorted.
func (ix *Index) Names() []string {
	names := maps.Clone(ix.names)
	t := reflect.TypeFor[results.Record]()
	for name, i := range fields {
		if t.Field(i).Type.Kind() != reflect.Map {
			names[name] = true
		}
	}
	names["calibration"] = true
	return slices.Sorted(maps.Keys(names))
}

// OfCase reports whether a key tells cases apart, and not runs, suites or values of one case.
func OfCase(key string) bool {
	prefix, _, _ := strings.Cut(key, ".")
	switch prefix {
	case "case", "scenario", "model", "method", "params", "seed", "label", "baseline", "nominal_bits", "hashes", "seconds", "cached", "artefact", "calibration":
		return true
	}
	return false
}

// Value returns the value of a key for a line, and whether it has one.
func (ix *Index) Value(r results.Record, key string) (string, bool) {
	if key == "calibration" {
		key = "params.calibration"
	}
	if v, ok := own(r, key); ok {
		return v, true
	}
	if v, ok := own(ix.cases[[3]string{r.Scenario, r.Model, r.Case}], key); ok && OfCase(key) {
		return v, true
	}
	for _, hash := range []string{r.Recipe, r.Exec} {
		if v, ok := own(ix.recipes[[2]string{r.Suite, hash}], key); ok && hash != "" {
			return v, true
		}
	}
	if v, ok := ix.environments[r.Run][key]; ok {
		return v, true
	}
	return own(ix.runs[r.Run], key)
}

// own returns what a line says of a key itself.
func own(r results.Record, key string) (string, bool) {
	name, rest, nested := strings.Cut(key, ".")
	i, ok := fields[name]
	if !ok {
		return "", false
	}
	v := reflect.ValueOf(r).Field(i)
	switch {
	case nested && v.Kind() == reflect.Map:
		if v = v.MapIndex(reflect.ValueOf(rest)); !v.IsValid() {
			return "", false
		}
		return text(v.Interface()), true
	case nested || v.Kind() == reflect.Map:
		return "", false
	case v.IsZero() && !isCounted(r, name):
		return "", false
	}
	return text(v.Interface()), true
}

// isCounted reports whether a zero is a value of that field, not the lack of one.
func isCounted(r results.Record, name string) bool {
	switch name {
	case "value", "sample", "block", "launch":
		return r.Kind == results.KindValue
	case "baseline":
		return r.Kind == results.KindCase
	}
	return false
}

// text returns a value as it is compared and shown.
func text(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

// flatten returns the scalars of m by prefix and name, those of maps within by names with dots.
func flatten(prefix string, m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		switch v := v.(type) {
		case map[string]any:
			maps.Copy(out, flatten(prefix+k+".", v))
		case string, float64, bool:
			out[prefix+k] = text(v)
		}
	}
	return out
}
