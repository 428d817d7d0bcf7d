package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// explain prints the inputs that a case's artefact is named by, and which of
// them differ in the cached artefact that is nearest to it.
func (a *app) explain(plans []*plan.Plan, name string) error {
	var labels []string
	for _, p := range plans {
		for _, c := range p.Cases {
			labels = append(labels, c.Label)
			if c.Label == name || c.ID == name {
				return a.explainCase(p, c)
			}
		}
	}
	return fmt.Errorf("%w: --explain: %q is no case%s", errUsage, name, scenarios.DidYouMean(name, labels))
}

func (a *app) explainCase(p *plan.Plan, c *subject.Case) error {
	ew := &errWriter{w: a.out}
	ew.printf("%s (%s)\n", c.Label, c.ID)
	if c.Method.Compress == nil {
		ew.printf("the uncompressed model; nothing is cached\n")
		return ew.err
	}
	own, err := fields(p.Env.Key(c))
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(own)) {
		ew.printf("  %-44s %s\n", k, own[k])
	}
	if p.Env.Cached(c) {
		ew.printf("cached\n")
		return ew.err
	}
	near, differing, err := nearest(p.Env.Cache.Dir, own)
	switch {
	case err != nil:
		return err
	case near == "":
		ew.printf("not cached; no artefact of this method is\n")
		return ew.err
	}
	ew.printf("not cached; nearest is %s, which differs in\n", near)
	for _, d := range differing {
		ew.printf("  %s\n", d)
	}
	return ew.err
}

// fields flattens a key to its scalars, by dotted path, as JSON.
func fields(key any) (map[string]string, error) {
	b, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	out := map[string]string{}
	var walk func(path string, m map[string]any)
	walk = func(path string, m map[string]any) {
		for k, x := range m {
			if sub, ok := x.(map[string]any); ok {
				walk(path+k+".", sub)
				continue
			}
			b, _ := json.Marshal(x) // decoded a moment ago
			out[path+k] = string(b)
		}
	}
	walk("", v)
	return out, nil
}

// nearest finds the cached artefact of the same method with the fewest other
// inputs, and says which.
func nearest(cache string, own map[string]string) (path string, differing []string, err error) {
	keys, err := filepath.Glob(filepath.Join(cache, "artefacts", "*", "key.json"))
	if err != nil {
		return "", nil, err
	}
	for _, k := range keys {
		b, err := os.ReadFile(k)
		var entry struct{ Key map[string]any }
		if err = errors.Join(err, json.Unmarshal(b, &entry)); err != nil {
			continue // a damaged entry is no neighbour
		}
		other, err := fields(entry.Key)
		if err != nil || other["method"] != own["method"] {
			continue
		}
		if d := differences(own, other); path == "" || len(d) < len(differing) {
			path, differing = filepath.Dir(k), d
		}
	}
	return path, differing, nil
}

func differences(own, other map[string]string) []string {
	names := map[string]bool{}
	for k := range own {
		names[k] = true
	}
	for k := range other {
		names[k] = true
	}
	var d []string
	for _, k := range slices.Sorted(maps.Keys(names)) {
		if own[k] != other[k] {
			d = append(d, fmt.Sprintf("%s: %s here, %s there", k, orDash(own[k]), orDash(other[k])))
		}
	}
	return d
}
