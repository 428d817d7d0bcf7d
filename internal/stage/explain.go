package stage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A Difference is a field that two keys have different, by its path, such as
// params.bits. A side that lacks it is empty.
type Difference struct {
	Field string `json:"field"`
	Old   string `json:"old"` // as JSON
	New   string `json:"new"`
}

// Fields flattens a value to its scalars: JSON texts by path, a dot between
// the names. An array is one scalar.
func Fields(v any) (map[string]string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	return fields, flatten(fields, "", tree)
}

func flatten(fields map[string]string, path string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		b, err := Canonical(v)
		fields[path] = string(b)
		return err
	}
	for name, x := range m {
		if path != "" {
			name = path + "." + name
		}
		if err := flatten(fields, name, x); err != nil {
			return err
		}
	}
	return nil
}

// Differences compares fields, sorted by path.
func Differences(old, now map[string]string) []Difference {
	names := maps.Clone(old)
	maps.Copy(names, now)
	var ds []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if old[name] != now[name] {
			ds = append(ds, Difference{name, old[name], now[name]})
		}
	}
	return ds
}

// A Neighbour is an entry of the cache that another key has most in common
// with.
type Neighbour struct {
	Path        string       `json:"path"`
	Differences []Difference `json:"differences"`
}

// Nearest finds the entries of a request's stage with the fewest fields that
// differ from its key; all of them if several have equally few, by path. A
// member that is a hash in the key counts once, and is shown by what differs of
// what About says of it, where both sides say it.
func (c Cache) Nearest(r Request) ([]Neighbour, error) {
	own, err := Fields(r.Key)
	if err != nil {
		return nil, fmt.Errorf("stage %s: key: %w", r.Stage, err)
	}
	about, err := Fields(r.About)
	if err != nil {
		return nil, fmt.Errorf("stage %s: about: %w", r.Stage, err)
	}
	root := filepath.Join(c.Dir, r.Stage)
	found, err := os.ReadDir(root)
	if err != nil {
		return nil, ignoreAbsent(err)
	}
	var near []Neighbour
	fewest := -1
	for _, f := range found {
		path := filepath.Join(root, f.Name())
		if !IsEntry(path) {
			continue
		}
		other, otherAbout, err := readKey(path)
		if err != nil {
			continue // a damaged entry is no neighbour
		}
		ds := Differences(other, own)
		if len(ds) == 0 {
			continue // the entry itself, damaged
		}
		if fewest < 0 || len(ds) < fewest {
			near, fewest = nil, len(ds)
		}
		if len(ds) == fewest {
			near = append(near, Neighbour{path, unfold(ds, otherAbout, about)})
		}
	}
	return near, nil
}

// unfold replaces differences of hashes by those of what is told about them.
func unfold(ds []Difference, old, now map[string]string) []Difference {
	var out []Difference
	for _, d := range ds {
		told := Differences(below(old, d.Field), below(now, d.Field))
		if len(told) == 0 || len(below(old, d.Field)) == 0 || len(below(now, d.Field)) == 0 {
			told = []Difference{d}
		}
		out = append(out, told...)
	}
	return out
}

// below keeps the fields under a member.
func below(fields map[string]string, member string) map[string]string {
	kept := map[string]string{}
	for name, v := range fields {
		if len(name) > len(member) && name[:len(member)+1] == member+"." {
			kept[name] = v
		}
	}
	return kept
}

// readKey reads the fields of an entry's key and of what is told about it.
func readKey(entry string) (key, about map[string]string, err error) {
	b, err := os.ReadFile(filepath.Join(entry, keyFile))
	if err != nil {
		return nil, nil, err
	}
	var preimage struct {
		Key json.RawMessage `json:"key"`
	}
	if err := json.Unmarshal(b, &preimage); err != nil {
		return nil, nil, err
	}
	if key, err = Fields(preimage.Key); err != nil {
		return nil, nil, err
	}
	b, err = os.ReadFile(filepath.Join(entry, aboutFile))
	if err != nil {
		return key, nil, ignoreAbsent(err)
	}
	about, err = Fields(json.RawMessage(b))
	return key, about, err
}
