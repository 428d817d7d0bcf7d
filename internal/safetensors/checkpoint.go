package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// The files by which a folder is known as a checkpoint.
const (
	SingleFile = "model.safetensors"
	IndexFile  = "model.safetensors.index.json"
)

// maxName bounds the name of a file, in bytes, as file systems do.
const maxName = 255

// A Checkpoint is a model's tensors from one file or several.
type Checkpoint struct {
	files []*File
	where map[string]*File
}

// NewCheckpoint takes files that are open already and closes them with the
// checkpoint. A tensor that is in two of them is an error.
func NewCheckpoint(files ...*File) (*Checkpoint, error) {
	c := &Checkpoint{files: files, where: map[string]*File{}}
	var faults []error
	for _, f := range files {
		for _, name := range f.Names() {
			if first, ok := c.where[name]; ok {
				faults = append(faults, fmt.Errorf("tensor %q is in %s and in %s", name, first.name, f.name))
				continue
			}
			c.where[name] = f
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// OpenCheckpoint opens the model in a folder: the file model.safetensors, or
// where there is none, the files that model.safetensors.index.json names. All
// files are checked as Open checks them, and index against files both ways.
func OpenCheckpoint(dir string) (*Checkpoint, error) {
	single := filepath.Join(dir, SingleFile)
	if _, err := os.Stat(single); err == nil {
		f, err := Open(single)
		if err != nil {
			return nil, err
		}
		return NewCheckpoint(f)
	}
	index := filepath.Join(dir, IndexFile)
	b, err := os.ReadFile(index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: neither %s nor %s: %w", dir, SingleFile, IndexFile, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	weightMap, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	return openShards(dir, weightMap)
}

// parseIndex reads the map from tensors to file names.
func parseIndex(b []byte) (map[string]string, error) {
	var index struct {
		WeightMap json.RawMessage `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, err
	}
	if index.WeightMap == nil {
		return nil, errors.New(`no "weight_map"`)
	}
	weightMap := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(index.WeightMap))
	err := eachMember(dec, func(name string) error {
		var file string
		if err := dec.Decode(&file); err != nil {
			return err
		}
		if file != filepath.Base(file) || file == "." || file == ".." {
			return fmt.Errorf("file name %q, want one in the same folder", file)
		}
		if len(file) > maxName || strings.ContainsFunc(file, unicode.IsControl) {
			return fmt.Errorf("file name %.100q of %d bytes, want at most %d and no control characters", file, len(file), maxName)
		}
		weightMap[name] = file
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	if len(weightMap) == 0 {
		return nil, errors.New("weight_map: names no tensor")
	}
	return weightMap, nil
}

// openShards opens all files of an index and lists all faults.
func openShards(dir string, weightMap map[string]string) (*Checkpoint, error) {
	tensorsOf := map[string][]string{}
	for name, file := range weightMap {
		tensorsOf[file] = append(tensorsOf[file], name)
	}
	c := &Checkpoint{where: map[string]*File{}}
	var faults []error
	for _, base := range slices.Sorted(maps.Keys(tensorsOf)) {
		f, err := Open(filepath.Join(dir, base))
		if err != nil {
			faults = append(faults, fmt.Errorf("shard with %d tensors of the index, such as %q: %w",
				len(tensorsOf[base]), slices.Min(tensorsOf[base]), err))
			continue
		}
		c.files = append(c.files, f)
		faults = append(faults, c.addShard(f, base, tensorsOf[base], weightMap)...)
	}
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, c.Close())...)
	}
	return c, nil
}

// addShard compares an open file with the tensors that the index expects
// there.
func (c *Checkpoint) addShard(f *File, base string, want []string, weightMap map[string]string) (faults []error) {
	slices.Sort(want)
	for _, name := range want {
		if _, ok := f.Tensor(name); !ok {
			faults = append(faults, fmt.Errorf("%s: tensor %q is not there, but %s says so", f.name, name, IndexFile))
			continue
		}
		c.where[name] = f
	}
	for _, name := range f.Names() {
		switch other, ok := weightMap[name]; {
		case !ok:
			faults = append(faults, fmt.Errorf("%s: tensor %q is not in %s", f.name, name, IndexFile))
		case other != base:
			faults = append(faults, fmt.Errorf("%s: tensor %q is there, but %s says that it is in %s", f.name, name, IndexFile, other))
		}
	}
	return faults
}

// Names lists the tensors of all files in alphabetical order.
func (c *Checkpoint) Names() []string { return slices.Sorted(maps.Keys(c.where)) }

// Tensor looks a tensor up.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	f, ok := c.where[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensor(name)
}

// Files returns the open files, in the order of their names.
func (c *Checkpoint) Files() []*File { return c.files }

// Close closes all files.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
