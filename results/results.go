// Package results defines the record of one measurement, the list of metrics,
// and the JSON Lines files that hold records. Everything that the reports show
// comes from these files. It measures nothing and computes no statistics.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Schema is the version of the record format that this package writes and
// reads.
const Schema = 1

// Kind says what a line is.
type Kind string

// Kinds of lines.
const (
	KindValue   Kind = "value"   // one measured number
	KindRun     Kind = "run"     // one process: tool, machine, scenario text
	KindRecipe  Kind = "recipe"  // what a recipe or exec hash stands for
	KindCase    Kind = "case"    // one case: label, hashes, seconds per stage
	KindDone    Kind = "done"    // a cell is complete
	KindFailure Kind = "failure" // a case or a suite of it failed
)

// Class is the kind of a failure (architecture.md 8).
type Class string

// Classes of failures.
const (
	ClassInput    Class = "input"
	ClassResource Class = "resource"
	ClassDiverged Class = "diverged" // non-finite logits
	ClassCrash    Class = "crash"
	ClassTimeout  Class = "timeout"
	ClassStopped  Class = "stopped"
	ClassBug      Class = "bug"
)

// A Record is one line of a records file. Which fields are set depends on
// Kind; the zero value of a field means that the key is absent.
type Record struct {
	Kind   Kind `json:"kind"`
	Schema int  `json:"schema"` // filled by Writer
	// Run is the identity of the run, sortable: UTC start and 6 random hex
	// digits. Filled by Writer.
	Run string `json:"run"`

	// What the line is about: all kinds but run and recipe.
	Case     string         `json:"case,omitempty"` // 12 hex digits
	Scenario string         `json:"scenario,omitempty"`
	Model    string         `json:"model,omitempty"`
	Method   string         `json:"method,omitempty"`
	Params   map[string]any `json:"params,omitempty"` // scalars, defaults filled in
	Seed     uint64         `json:"seed,omitempty"`   // < 2⁵³

	// value; Suite, Recipe also in done and failure.
	Suite  string  `json:"suite,omitempty"`
	Metric string  `json:"metric,omitempty"`
	Unit   string  `json:"unit,omitempty"` // filled by Writer when empty
	Item   string  `json:"item,omitempty"` // tensor, "b1,ctx4000"; empty = the whole
	Value  float64 `json:"value,omitempty"`
	// Weight is the number of tokens or items behind the value; 0 is read as 1.
	Weight float64 `json:"weight,omitempty"`
	Sample int     `json:"sample,omitempty"` // repetition or window, from 0
	Block  int     `json:"block,omitempty"`  // block of a timing, from 0
	Launch int     `json:"launch,omitempty"` // process of a timing, from 0
	Device string  `json:"device,omitempty"` // "cpu/avx512"
	// Recipe is the identity of what is measured: rows that differ are never
	// compared. Exec is how it was executed: dtype, batch, kernel. 12 hex
	// digits each.
	Recipe   string   `json:"recipe,omitempty"`
	Exec     string   `json:"exec,omitempty"`
	Artefact string   `json:"artefact,omitempty"` // 12 hex digits
	Flags    []string `json:"flags,omitempty"`    // doubts about this sample

	// run.
	Tool    string `json:"tool,omitempty"`    // module version
	Commit  string `json:"commit,omitempty"`  // of the tool
	Host    string `json:"host,omitempty"`    // identity of the machine: 12 hex digits over its hardware, no host name
	Threads int    `json:"threads,omitempty"` // compute threads
	// Environment is bench.Environment as JSON.
	Environment json.RawMessage `json:"environment,omitempty"`
	Text        string          `json:"text,omitempty"` // the scenario file, verbatim

	// recipe: Recipe or Exec is set, with Suite.
	Options map[string]any   `json:"options,omitempty"` // what was hashed
	Words   string           `json:"words,omitempty"`   // one sentence that defines the recipe
	Corpus  string           `json:"corpus,omitempty"`  // name of the text
	Counts  map[string]int64 `json:"counts,omitempty"`  // of the text: tokens, windows, scored, dropped, bytes
	Tokens  string           `json:"tokens,omitempty"`  // SHA-256 of the token ids as little-endian int32

	// case; Label, Baseline and NominalBits also in failure, for a case whose
	// opening failed.
	Label       string             `json:"label,omitempty"` // "sketchtune b4 gpr1"
	Baseline    bool               `json:"baseline,omitempty"`
	NominalBits float64            `json:"nominal_bits,omitempty"` // per weight of the compressed matrices, as asked for
	Hashes      map[string]string  `json:"hashes,omitempty"`       // full SHA-256 of case, artefact, calibration
	Seconds     map[string]float64 `json:"seconds,omitempty"`      // per stage: load, calibrate, compress
	Cached      map[string]bool    `json:"cached,omitempty"`       // per stage: true for a hit

	// done.
	Values int    `json:"values,omitempty"` // number of value lines of the cell
	Key    string `json:"key,omitempty"`    // hash of all inputs of the cell; another key is measured again

	// failure; Suite when a suite failed.
	Stage string `json:"stage,omitempty"` // "calibrate", "compress", "suite"
	Class Class  `json:"class,omitempty"`
	// Message says what failed; in a done line, a doubt about the cell as a whole, such as
	// the criterion that a stopping rule left unmet.
	Message string `json:"message,omitempty"`

	At string `json:"at,omitempty"` // RFC 3339; filled by Writer when empty
}

// A Cell is what one done line closes.
type Cell struct{ Scenario, Case, Suite, Recipe string }

// Cell returns the cell that a value, done or failure line belongs to.
func (r Record) Cell() Cell { return Cell{r.Scenario, r.Case, r.Suite, r.Recipe} }

// Check says everything that keeps r from being a line of a records file.
func (r Record) Check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if r.Schema != Schema {
		bad("schema: %d, this version reads and writes %d", r.Schema, Schema)
	}
	need := func(key, value string) {
		if value == "" {
			bad("%s: missing in a %s line", key, r.Kind)
		}
	}
	need("run", r.Run)
	if r.Seed >= 1<<53 {
		bad("seed: %d, want less than 2^53", r.Seed)
	}
	switch r.Kind {
	case KindRun:
	case KindRecipe:
		need("suite", r.Suite)
		need("recipe or exec", r.Recipe+r.Exec)
	case KindCase, KindFailure, KindDone, KindValue:
		need("case", r.Case)
		need("scenario", r.Scenario)
		need("model", r.Model)
		need("method", r.Method)
	default:
		bad("kind: %q, want one of value, run, recipe, case, done, failure", r.Kind)
	}
	switch r.Kind {
	case KindValue:
		r.checkValue(bad)
	case KindDone:
		need("suite", r.Suite)
		need("key", r.Key)
		if r.Values < 0 {
			bad("values: %d, want 0 or more", r.Values)
		}
	case KindFailure:
		need("message", r.Message)
		known := []Class{ClassInput, ClassResource, ClassDiverged, ClassCrash, ClassTimeout, ClassStopped, ClassBug}
		if !slices.Contains(known, r.Class) {
			bad("class: %q, want one of %v", r.Class, known)
		}
	}
	return errors.Join(faults...)
}

// checkValue checks the fields of a value line.
func (r Record) checkValue(bad func(string, ...any)) {
	m, ok := LookupMetric(r.Metric)
	switch {
	case !ok:
		bad("metric: %q is not in the list of metrics", r.Metric)
	case m.Derived:
		bad("metric: %q is formed when records are read, never recorded", r.Metric)
	case r.Suite != m.Suite:
		bad("suite: %q, but %s belongs to %s", r.Suite, r.Metric, m.Suite)
	case r.Unit != m.Unit:
		bad("unit: %q, %s is in %s", r.Unit, r.Metric, m.Unit)
	case m.Pairing == ByItem && r.Item == "":
		bad("item: missing, %s is measured per item", r.Metric)
	case r.Metric == "part_bytes" && !isPart(r.Item):
		bad("item: %q, want one of %s, a slash and one of %s", r.Item, strings.Join(TensorClasses(), ", "), strings.Join(PartClasses(), ", "))
	case r.Metric != "part_bytes" && r.Suite == "memory" && m.Pairing == ByItem && !slices.Contains(TensorClasses(), r.Item):
		bad("item: %q, want one of %s", r.Item, strings.Join(TensorClasses(), ", "))
	case m.Assume == Timing && !(r.Value > 0):
		bad("value: %s is %v s, want more than 0", r.Metric, r.Value)
	}
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		bad("value: %s is %v, want a finite number", r.Metric, r.Value)
	}
	if !(r.Weight >= 0) || math.IsInf(r.Weight, 0) {
		bad("weight: %v, want a finite number, 0 or more", r.Weight)
	}
	if r.Sample < 0 || r.Block < 0 || r.Launch < 0 {
		bad("sample, block, launch: %d, %d, %d, want 0 or more", r.Sample, r.Block, r.Launch)
	}
}

// isPart reports whether item is one of part_bytes.
func isPart(item string) bool {
	class, part, ok := strings.Cut(item, "/")
	return ok && slices.Contains(TensorClasses(), class) && slices.Contains(PartClasses(), part)
}

// plain is Record without its methods.
type plain Record

// MarshalJSON writes the value and sample of a value line, the block of a
// timing and the count of a done line even where they are 0.
func (r Record) MarshalJSON() ([]byte, error) {
	switch r.Kind {
	case KindValue:
		v := struct {
			plain
			Value  float64 `json:"value"`
			Sample int     `json:"sample"`
			Block  *int    `json:"block,omitempty"`
		}{plain(r), r.Value, r.Sample, nil}
		if m, _ := LookupMetric(r.Metric); m.Pairing == ByBlock || r.Block != 0 {
			v.Block = &r.Block
		}
		return json.Marshal(v)
	case KindDone:
		return json.Marshal(struct {
			plain
			Values int `json:"values"`
		}{plain(r), r.Values})
	}
	return json.Marshal(plain(r))
}
