package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// A NodeKind is the shape of a Node.
type NodeKind int

// The shapes of a Node. Absent is the zero Node.
const (
	Absent NodeKind = iota
	Scalar
	List
	Map
)

func (k NodeKind) String() string {
	return [...]string{"nothing", "a scalar", "a list", "a mapping"}[k]
}

// A Node is a value of a scenario file with its place.
type Node struct {
	Pos
	Kind   NodeKind
	Text   string  // of a scalar, as written
	Quoted bool    // a scalar in quotes is text even if it looks like a number
	Null   bool    // a scalar that is null, ~ or nothing
	Items  []Node  // of a list
	Fields []Field // of a mapping, in order
}

// A Field is one entry of a mapping.
type Field struct {
	Pos
	Key   string
	Value Node
}

// Field returns the value at key, Absent if there is none.
func (n Node) Field(key string) Node {
	for _, f := range n.Fields {
		if f.Key == key {
			return f.Value
		}
	}
	return Node{Pos: n.Pos}
}

// maxBytes is the size above which a scenario is refused.
const maxBytes = 128 << 10

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parse reads one YAML document into a Node and reports what the scenario
// language forbids: duplicate keys, anchor loops, tabs, further documents.
func parse(b []byte, faults *Faults) Node {
	if len(b) > maxBytes {
		faults.Add(Pos{}, "%d bytes, want at most %d (128 KiB)", len(b), maxBytes)
		return Node{}
	}
	tabs := findTabs(b, faults)
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		switch m := yamlLine.FindStringSubmatch(err.Error()); {
		case errors.Is(err, io.EOF):
			faults.Add(Pos{1, 1}, "empty, want a scenario")
		case tabs: // the tab is the reason, and it is told already
		case m != nil:
			line, _ := strconv.Atoi(m[1])
			faults.Add(Pos{max(line, 1), 1}, "not YAML: %s", m[2])
		default:
			faults.Add(Pos{1, 1}, "not YAML: %v", err)
		}
		return Node{}
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		pos := Pos{max(second.Line, 1), max(second.Column, 1)}
		if m := yamlLine.FindStringSubmatch(fmt.Sprint(err)); err != nil && m != nil && m[1] != "" {
			pos.Line, _ = strconv.Atoi(m[1])
		}
		faults.Add(pos, "a second YAML document, want one scenario to a file")
	}
	c := converter{faults: faults, open: map[*yaml.Node]bool{}, budget: 100_000}
	return c.convert(doc.Content[0])
}

// findTabs reports tabs in indentation, which YAML forbids and editors hide.
func findTabs(b []byte, faults *Faults) bool {
	found := false
	for i, line := range bytes.Split(b, []byte("\n")) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if j := bytes.IndexByte(indent, '\t'); j >= 0 && len(indent) < len(line) {
			faults.Add(Pos{i + 1, j + 1}, "a tab in the indentation, want spaces")
			found = true
		}
	}
	return found
}

// A converter turns yaml.v3's tree into ours.
type converter struct {
	faults *Faults
	open   map[*yaml.Node]bool // nodes being converted, to find loops
	budget int                 // nodes left, so that aliases cannot explode
}

func (c *converter) convert(y *yaml.Node) Node {
	pos := Pos{y.Line, y.Column}
	if c.budget--; c.budget < 0 {
		if c.budget == -1 {
			c.faults.Add(pos, "more than 100000 values once aliases are expanded")
		}
		return Node{Pos: pos}
	}
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if c.open[y] {
		c.faults.Add(pos, "anchor %q contains itself", y.Anchor)
		return Node{Pos: pos}
	}
	c.open[y] = true
	defer delete(c.open, y)
	n := Node{Pos: pos}
	switch y.Kind {
	case yaml.SequenceNode:
		n.Kind = List
		for _, item := range y.Content {
			n.Items = append(n.Items, c.convert(item))
		}
	case yaml.MappingNode:
		n.Kind = Map
		n.Fields = c.fields(y)
	default:
		n.Kind = Scalar
		n.Text = y.Value
		n.Quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		n.Null = y.Tag == "!!null"
	}
	return n
}

func (c *converter) fields(y *yaml.Node) []Field {
	var fs []Field
	seen := map[string]Pos{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		pos := Pos{k.Line, k.Column}
		if k.Kind != yaml.ScalarNode {
			c.faults.Add(pos, "a key that is not a word")
			continue
		}
		if first, dup := seen[k.Value]; dup {
			c.faults.Add(pos, "duplicate field %q, first at line %d", k.Value, first.Line)
			continue
		}
		seen[k.Value] = pos
		fs = append(fs, Field{pos, k.Value, c.convert(y.Content[i+1])})
	}
	return fs
}
