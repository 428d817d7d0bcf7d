// Package scenarios holds the shipped scenarios and the type that a scenario
// file decodes to. The parameters of methods and suites stay undecoded nodes
// here: their owners know them, and internal/plan decodes them with Decode.
package scenarios

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Scenario says what to compress, how, and what to measure.
type Scenario struct {
	Path string // of the file, in messages
	Dir  string // that relative paths start from
	Text []byte // the file, verbatim

	Name  string // [a-z0-9-]+, names the records file
	Title string
	// Model is demo or a directory in Hugging Face layout.
	Model    string
	ModelPos Pos
	// Baseline names the method that ratios are taken against.
	Baseline    string
	BaselinePos Pos
	Device      string // auto or cpu; "" leaves it to flags and default
	Threads     int    // 0 leaves it to flags and default
	Methods     []Method
	Calibration []Calibration // an axis; empty if none is given
	Suites      []Suite

	// Faults are those that can be seen without knowing methods and suites;
	// internal/plan adds the others and refuses the scenario.
	Faults []Fault
}

// A Method is one compression method with its axes.
type Method struct {
	Pos
	Path string // such as methods[2]
	Name string
	// Params holds the method's own fields. A list is an axis.
	Params []Field
	// Match names another method of the file: one case for each of its
	// sizes, at equal stored bytes. "" if absent.
	Match    string
	MatchPos Pos
	// Bytes are sizes to aim at, in stored bits per weight; an axis.
	Bytes    []float64
	BytesPos Pos
	BytesAt  []Pos // of every size
	// Per says whether every matrix keeps to the size, or all together: PerMatrix
	// or PerModel.
	Per      string
	PerPos   Pos
	Seeds    []uint64 // nil if absent
	SeedsPos Pos
	// Only and Except choose tensors by name pattern (path.Match, where *
	// also stands for dots); an empty Only is all.
	Only, Except []string
	// Overrides change parameters for the tensors of a pattern, later ones
	// winning.
	Overrides []Override
}

// An Override sets other parameters for some tensors.
type Override struct {
	Pos
	Path    string
	Tensors string // name pattern
	Params  []Field
}

// A Calibration says which text a method may look at.
type Calibration struct {
	Pos
	Corpus    Corpus `yaml:"corpus" doc:"the text; its lines are joined as rows"`
	Sequences int    `yaml:"sequences" doc:"how many are drawn"`
	Length    int    `yaml:"length" doc:"tokens per sequence, at most the model's positions"`
	Seed      uint64 `yaml:"seed" doc:"of the draw"`
}

// A Suite is one measurement with its own fields.
type Suite struct {
	Pos
	Path   string // such as suites[1]
	Name   string
	Params Node // a mapping without the name
}

// A Corpus is a shipped text or a file.
type Corpus struct {
	Pos
	Name string // of a shipped corpus; "" for a file
	File string // as written
	Join string // rows, lines or raw; "" leaves it to the recipe
}

// DecodeScenario reads a name or {file: PATH, join: RULE}.
func (c *Corpus) DecodeScenario(n Node, path string, faults *Faults) {
	c.Pos = n.Pos
	switch n.Kind {
	case Scalar:
		c.Name = n.Text
		if n.Null || n.Text == "" {
			faults.Add(n.Pos, "%s: empty, want a shipped corpus or {file: PATH}", path)
		}
	case Map:
		var f struct {
			File string `yaml:"file"`
			Join string `yaml:"join"`
		}
		Decode(n, path, &f, faults)
		if f.File == "" {
			faults.Add(n.Pos, "%s.file: missing", path)
		}
		if f.Join != "" && !slices.Contains(joins, f.Join) {
			faults.Add(n.Field("join").Pos, "%s.join: %s, want one of %s%s", path, f.Join, strings.Join(joins, ", "), DidYouMean(f.Join, joins))
		}
		c.File, c.Join = f.File, f.Join
	default:
		faults.Add(n.Pos, "%s: got %v, want a shipped corpus or {file: PATH}", path, n.Kind)
	}
}

// Resolve returns the file of c, relative to dir.
func (c Corpus) Resolve(dir string) string {
	if filepath.IsAbs(c.File) {
		return c.File
	}
	return filepath.Join(dir, c.File)
}

// The words that device and join of a corpus may be.
var (
	devices = []string{"auto", "cpu"}
	joins   = []string{"rows", "lines", "raw"}
)

var namePattern = regexp.MustCompile(`^[a-z0-9-]+$`)

// file is the top level of a scenario file.
type file struct {
	Name        Node `yaml:"name" doc:"lower-case letters, digits, hyphens; records go to NAME.records.jsonl"`
	Title       Node `yaml:"title" doc:"for people"`
	Model       Node `yaml:"model" doc:"demo, none, or a folder in Hugging Face layout"`
	Baseline    Node `yaml:"baseline" doc:"what ratios are taken against: a method with one case, or the label of a case"`
	Device      Node `yaml:"device" doc:"where it runs; both mean the CPU"`
	Threads     Node `yaml:"threads" doc:"compute threads; default: all processors"`
	Methods     Node `yaml:"methods" doc:"what to compress with: names, or mappings in which a list is an axis"`
	Calibration Node `yaml:"calibration" doc:"text that methods may look at; a list is an axis"`
	Suites      Node `yaml:"suites" doc:"what to measure"`
}

// DecodeScenario keeps n as it is.
func (n *Node) DecodeScenario(v Node, _ string, _ *Faults) { *n = v }

// Parse decodes the scenario in b. The path names it in messages; relative
// paths in it start from dir. The error, if any, is a *Faults with every
// fault that can be seen without knowing methods and suites; unless the file
// is no mapping, the scenario comes with it.
func Parse(b []byte, path, dir string) (*Scenario, error) {
	faults := &Faults{Path: path}
	s := &Scenario{Path: path, Dir: dir, Text: b}
	root := parse(b, faults)
	if root.Kind == Absent {
		return nil, faults.Err()
	}
	var f file
	Decode(root, "", &f, faults)
	if root.Kind != Map {
		return nil, faults.Err()
	}
	s.head(f, root.Pos, faults)
	for i, n := range list(f.Methods, "methods", root.Pos, faults) {
		s.Methods = append(s.Methods, method(n, fmt.Sprintf("methods[%d]", i), faults))
	}
	for i, n := range list(f.Suites, "suites", root.Pos, faults) {
		s.Suites = append(s.Suites, suite(n, fmt.Sprintf("suites[%d]", i), faults))
	}
	s.calibration(f.Calibration, faults)
	s.Faults = faults.List
	return s, faults.Err()
}

// head checks the scalar fields.
func (s *Scenario) head(f file, at Pos, faults *Faults) {
	word := func(n Node, name string, required bool) string {
		switch {
		case n.Kind == Absent && required:
			faults.Add(at, "%s: missing", name)
		case n.Kind == Absent:
		case n.Kind != Scalar || n.Null || n.Text == "":
			faults.Add(n.Pos, "%s: got %v, want a word", name, describe(n))
		default:
			return n.Text
		}
		return ""
	}
	s.Name = word(f.Name, "name", true)
	if s.Name != "" && !namePattern.MatchString(s.Name) {
		faults.Add(f.Name.Pos, "name: %q, want lower-case letters, digits and hyphens (it names the records file)", s.Name)
	}
	s.Title = word(f.Title, "title", false)
	s.Model, s.ModelPos = word(f.Model, "model", true), f.Model.Pos
	s.Baseline, s.BaselinePos = word(f.Baseline, "baseline", false), f.Baseline.Pos
	s.Device = word(f.Device, "device", false)
	if s.Device != "" && !slices.Contains(devices, s.Device) {
		faults.Add(f.Device.Pos, "device: %s, want %s", s.Device, strings.Join(devices, " or "))
	}
	var opt struct {
		Threads int `yaml:"threads"`
	}
	if f.Threads.Kind != Absent {
		Decode(Node{Kind: Map, Fields: []Field{{f.Threads.Pos, "threads", f.Threads}}}, "", &opt, faults)
		if s.Threads = opt.Threads; s.Threads < 0 || s.Threads > 4096 {
			faults.Add(f.Threads.Pos, "threads: %d, want 1 to 4096", s.Threads)
		}
	}
}

func describe(n Node) string {
	if n.Kind == Scalar {
		return "an empty value"
	}
	return n.Kind.String()
}

// list returns the items of a list that must be there and hold something.
func list(n Node, name string, at Pos, faults *Faults) []Node {
	switch {
	case n.Kind == Absent:
		faults.Add(at, "%s: missing", name)
	case n.Kind != List:
		faults.Add(n.Pos, "%s: got %v, want a list", name, n.Kind)
	case len(n.Items) == 0:
		faults.Add(n.Pos, "%s: empty, want at least one", name)
	}
	return n.Items
}

// named returns the name of a method or suite: a bare word, or the field name.
func named(n Node, path string, faults *Faults) string {
	name := n
	if n.Kind == Map {
		name = n.Field("name")
		if name.Kind == Absent {
			faults.Add(n.Pos, "%s.name: missing", path)
			return ""
		}
	}
	if name.Kind != Scalar || name.Null || name.Text == "" {
		faults.Add(name.Pos, "%s: got %v, want a name or a mapping with a name", path, describe(name))
		return ""
	}
	return name.Text
}

func method(n Node, path string, faults *Faults) Method {
	m := Method{Pos: n.Pos, Path: path, Name: named(n, path, faults)}
	for _, f := range n.Fields {
		one := Node{Pos: f.Pos, Kind: Map, Fields: []Field{f}}
		var shared struct {
			Match  string    `yaml:"match"`
			Bytes  []float64 `yaml:"bytes"`
			Per    string    `yaml:"per"`
			Seeds  []uint64  `yaml:"seeds"`
			Only   []string  `yaml:"only"`
			Except []string  `yaml:"except"`
		}
		switch f.Key {
		case "name":
		case "match":
			Decode(one, path, &shared, faults)
			m.Match, m.MatchPos = shared.Match, f.Value.Pos
		case "bytes":
			Decode(one, path, &shared, faults)
			m.Bytes, m.BytesPos = shared.Bytes, f.Value.Pos
			m.checkBytes(f.Value, faults)
		case "per":
			Decode(one, path, &shared, faults)
			m.Per, m.PerPos = shared.Per, f.Value.Pos
			if m.Per != PerMatrix && m.Per != PerModel {
				faults.Add(m.PerPos, "%s.per: %q, want one of %s, %s", path, m.Per, PerMatrix, PerModel)
			}
		case "seeds":
			Decode(one, path, &shared, faults)
			m.Seeds, m.SeedsPos = shared.Seeds, f.Pos
			if len(m.Seeds) == 0 {
				faults.Add(f.Pos, "%s.seeds: empty, want at least one", path)
			}
		case "only", "except":
			Decode(one, path, &shared, faults)
			m.Only, m.Except = append(m.Only, shared.Only...), append(m.Except, shared.Except...)
		case "overrides":
			m.Overrides = overrides(f.Value, path+".overrides", faults)
		default:
			if f.Value.Kind == List && len(f.Value.Items) == 0 {
				faults.Add(f.Value.Pos, "%s.%s: empty, want at least one value", path, f.Key)
			}
			m.Params = append(m.Params, f)
		}
	}
	return m
}

func overrides(n Node, path string, faults *Faults) []Override {
	if n.Kind != List {
		faults.Add(n.Pos, "%s: got %v, want a list such as [{tensors: \"*.down_proj.*\", bits: 8}]", path, n.Kind)
		return nil
	}
	var os []Override
	for i, item := range n.Items {
		o := Override{Pos: item.Pos, Path: fmt.Sprintf("%s[%d]", path, i), Tensors: item.Field("tensors").Text}
		if o.Tensors == "" {
			faults.Add(item.Pos, "%s.tensors: missing, want a name pattern such as \"*.down_proj.*\"", o.Path)
		}
		for _, f := range item.Fields {
			if f.Key != "tensors" {
				o.Params = append(o.Params, f)
			}
		}
		if len(o.Params) == 0 && o.Tensors != "" {
			faults.Add(item.Pos, "%s: changes nothing", o.Path)
		}
		os = append(os, o)
	}
	return os
}

func suite(n Node, path string, faults *Faults) Suite {
	s := Suite{Pos: n.Pos, Path: path, Name: named(n, path, faults), Params: Node{Pos: n.Pos, Kind: Map}}
	for _, f := range n.Fields {
		if f.Key != "name" {
			s.Params.Fields = append(s.Params.Fields, f)
		}
	}
	return s
}

// DefaultCalibration is what the published scripts use, the corpus apart.
var DefaultCalibration = Calibration{Sequences: 128, Length: 2048}

func (s *Scenario) calibration(n Node, faults *Faults) {
	items := []Node{n}
	switch n.Kind {
	case Absent:
		return
	case List:
		items = n.Items
	}
	for i, item := range items {
		path := "calibration"
		if n.Kind == List {
			path = fmt.Sprintf("calibration[%d]", i)
		}
		c := DefaultCalibration
		c.Pos = item.Pos
		Decode(item, path, &c, faults)
		if item.Kind == Map && item.Field("corpus").Kind == Absent {
			faults.Add(item.Pos, "%s.corpus: missing", path)
		}
		if c.Sequences < 1 {
			faults.Add(item.Field("sequences").Pos, "%s.sequences: %d, want at least 1", path, c.Sequences)
		}
		if c.Length < 2 {
			faults.Add(item.Field("length").Pos, "%s.length: %d, want at least 2", path, c.Length)
		}
		s.Calibration = append(s.Calibration, c)
	}
}
