package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// maxConfig bounds the JSON files that are read, in bytes.
const maxConfig = 64 << 20

// A quantConfig is what GPTQ and AWQ folders say of themselves, in the words of
// either.
type quantConfig struct {
	Method     string          `json:"quant_method"`
	Bits       int             `json:"bits"`
	Group      int             `json:"group_size"` // -1 is the whole row
	WBit       int             `json:"w_bit"`
	QGroup     int             `json:"q_group_size"`
	Version    string          `json:"version"`
	Checkpoint string          `json:"checkpoint_format"`
	ZeroPoint  *bool           `json:"zero_point"`
	Dynamic    json.RawMessage `json:"dynamic"`
}

// readQuantConfig reads quantize_config.json, quant_config.json or the
// quantization_config of config.json, and returns the path of the one found.
func readQuantConfig(dir string) (q quantConfig, path string, err error) {
	for _, own := range []struct{ name, method string }{{"quantize_config.json", GPTQ}, {"quant_config.json", AWQ}} {
		path = filepath.Join(dir, own.name)
		if err := readJSON(path, &q); err == nil {
			if q.Method == "" {
				q.Method = own.method
			}
			return q.normal(), path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return q, path, err
		}
	}
	path = filepath.Join(dir, "config.json")
	var config struct {
		Quant *quantConfig `json:"quantization_config"`
	}
	err = readJSON(path, &config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return q, path, fmt.Errorf("%s: neither %s, quantize_config.json, quant_config.json nor a config.json with quantization_config: %w", dir, adapterConfig, fs.ErrNotExist)
	case err != nil:
		return q, path, err
	case config.Quant == nil:
		return q, path, fmt.Errorf("%s: no quantization_config", path)
	}
	return config.Quant.normal(), path, nil
}

// normal returns q in GPTQ's words.
func (q quantConfig) normal() quantConfig {
	if q.Bits == 0 {
		q.Bits = q.WBit
	}
	if q.Group == 0 {
		q.Group = q.QGroup
	}
	q.Method, q.Version = strings.ToLower(q.Method), strings.ToLower(q.Version)
	return q
}

// readJSON decodes a file, whose unknown fields are ignored.
func readJSON(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return err
	}
	if len(b) > maxConfig {
		return fmt.Errorf("%s: more than %d bytes", path, maxConfig)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// openFolder opens the safetensors files of a folder: those of a checkpoint, or
// all that there are.
func (c *Checkpoint) openFolder(dir string) (*safetensors.Checkpoint, error) {
	ckpt, err := safetensors.OpenCheckpoint(dir)
	if errors.Is(err, fs.ErrNotExist) {
		ckpt, err = openAll(dir)
	}
	if err != nil {
		return nil, err
	}
	c.close = append(c.close, ckpt.Close)
	for _, f := range ckpt.Files() {
		c.Paths = append(c.Paths, f.Name())
	}
	return ckpt, nil
}

// openAll opens every safetensors file of a folder.
func openAll(dir string) (*safetensors.Checkpoint, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no safetensors file: %w", dir, fs.ErrNotExist)
	}
	var files []*safetensors.File
	var errs []error
	for _, p := range paths {
		f, err := safetensors.Open(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, f)
	}
	if len(errs) == 0 {
		ckpt, err := safetensors.NewCheckpoint(files...)
		if err == nil {
			return ckpt, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", dir, err))
	}
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return nil, errors.Join(errs...)
}

// homes returns the file of every tensor.
func homes(ckpt *safetensors.Checkpoint) map[string]string {
	home := map[string]string{}
	for _, f := range ckpt.Files() {
		for _, name := range f.Names() {
			home[name] = f.Name()
		}
	}
	return home
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A module is the tensors of one compressed layer, by the ends of their names.
type module struct {
	name, file string
	parts      map[string]safetensors.Tensor
}

// modules collects the layers that have a tensor whose name ends in mark, with
// the parts that have the other ends; every other tensor is plain.
func (c *Checkpoint) modules(ckpt *safetensors.Checkpoint, mark string, ends ...string) []module {
	home := homes(ckpt)
	var list []module
	taken := map[string]bool{}
	for _, name := range ckpt.Names() {
		base, ok := strings.CutSuffix(name, "."+mark)
		if !ok {
			continue
		}
		m := module{name: base, file: home[name], parts: map[string]safetensors.Tensor{}}
		for _, end := range append(ends, mark) {
			if t, ok := ckpt.Tensor(base + "." + end); ok {
				m.parts[end] = t
				taken[t.Name] = true
			}
		}
		list = append(list, m)
	}
	c.rest(ckpt, taken)
	return list
}

// rest keeps the tensors that are no part of a compressed layer.
func (c *Checkpoint) rest(ckpt *safetensors.Checkpoint, taken map[string]bool) {
	for name, file := range homes(ckpt) {
		if !taken[name] {
			c.plain[name], _ = ckpt.Tensor(name)
			c.plainIn[name] = file
		}
	}
}

// want checks the type and the shape of a part.
func (m module) want(end, dtype string, shape ...int) error {
	t, ok := m.parts[end]
	switch {
	case !ok:
		return fmt.Errorf("%s: tensor %s.%s: missing", m.file, m.name, end)
	case t.DType != dtype || !slices.Equal(t.Shape, shape):
		return fmt.Errorf("%s: tensor %s: %s %v, want %s %v", m.file, t.Name, t.DType, t.Shape, dtype, shape)
	}
	return nil
}
