package plan

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// uniqueLabels adds the id to labels that several cases share, such as those
// of two calibration files of one name in different folders.
func (x *expander) uniqueLabels() {
	count := map[string]int{}
	for _, c := range x.p.Cases {
		count[c.Label]++
	}
	for _, c := range x.p.Cases {
		if count[c.Label] > 1 {
			c.Label += " id=" + c.ID
		}
	}
}

// calibrationWord names a calibration: text, size and seed.
func calibrationWord(c *subject.Calibration) string {
	name := c.Corpus.Name
	if c.Corpus.File != "" {
		name = filepath.Base(c.Corpus.File)
	}
	return fmt.Sprintf("%s,%dx%d,seed%d", name, c.Sequences, c.Length, c.Seed)
}

// fieldWords are the fields of a combination as field=value.
func fieldWords(n scenarios.Node) []string {
	var words []string
	for _, f := range n.Fields {
		words = append(words, f.Key+"="+strings.TrimSuffix(f.Value.Text, "bpw"))
	}
	return words
}

// optionWords are the options that a scenario gives, and those that the method
// always tells.
func optionWords(v variant) []string {
	words := fieldWords(v.node)
	for _, name := range v.method.Told {
		if v.node.Field(name).Kind == scenarios.Absent {
			words = append(words, fmt.Sprintf("%s=%v", name, v.params()[name]))
		}
	}
	return words
}

// describe names a variant by its options and the tensors that its scenario
// gives.
func describe(v variant) []string {
	words := append([]string{v.method.Name}, optionWords(v)...)
	if s := selection(v.entry); s != "" {
		words = append(words, "tensors="+s)
	}
	return words
}

func paramWords(p map[string]any) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		words = append(words, fmt.Sprintf("%s=%v", k, p[k]))
	}
	return strings.Join(words, " ")
}

// selection describes only, except and overrides in one word.
func selection(m scenarios.Method) string {
	var words []string
	for _, p := range m.Only {
		words = append(words, "only:"+p)
	}
	for _, p := range m.Except {
		words = append(words, "except:"+p)
	}
	for _, o := range m.Overrides {
		w := o.Tensors
		for _, f := range o.Params {
			w += "," + f.Key + "=" + f.Value.Text
		}
		words = append(words, "override:"+w)
	}
	return strings.Join(words, ";")
}
