// Package foreign reads compressed models that other programs wrote, and makes
// packed weights of them under the names of the model's tensors: released
// SketchTune checkpoints, GPTQ and AWQ folders, LoRA adapters, and folders of
// dequantised weights. It trusts no file: sizes are checked before anything is
// allocated, and pickles can build nothing but tensors. It chooses nothing and
// compresses nothing: what it cannot store as the files mean it, it refuses.
package foreign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// The formats. Auto stands for the one that the files have, External apart.
const (
	Auto       = "auto"
	SketchTune = "sketchtune"
	GPTQ       = "gptq"
	AWQ        = "awq"
	LoRA       = "lora"
	External   = "external"
)

// Formats lists what Open takes for compressed models.
func Formats() []string { return []string{Auto, SketchTune, GPTQ, AWQ, LoRA} }

// A Linear is one compressed linear layer of a Checkpoint.
type Linear struct {
	Out, In int
	Bytes   int64   // that its packed weight stores
	Bits    float64 // per weight, as the files name them
	// Declared is what the folder says that the weight takes, of which the
	// files hold the dequantised values; 0 where Bytes is the size.
	Declared int64
	file     string // in messages
	weight   func(base packed.Weight) (packed.Weight, error)
}

// Billed is the size that counts: Declared where there is one, else Bytes.
func (l Linear) Billed() int64 {
	if l.Declared > 0 {
		return l.Declared
	}
	return l.Bytes
}

// A Checkpoint is a model that another program compressed.
type Checkpoint struct {
	Format string
	// Paths are the files that decide the weights, in a fixed order.
	Paths []string

	// whole says that the files hold all of a model's tensors.
	whole   bool
	linears map[string]Linear             // by the name of the model's tensor
	plain   map[string]safetensors.Tensor // what is not compressed
	plainIn map[string]string             // the file of each of plain
	close   []func() error
}

// A Source says what to open.
type Source struct {
	Path   string // a file or a folder
	Format string // of Formats, or External
	// Trained is a file of trained tables, or a folder with one, that replace
	// those of a SketchTune checkpoint; "" for none.
	Trained string
	// Bits and Declaration are for External: the bits per weight that the
	// folder is billed by, or the JSON file in it that names the bytes of each
	// linear layer.
	Bits        float64
	Declaration string
}

// Open opens the files and compares them with the tensors of a model. It
// reports every fault that can be seen without reading the weights, naming file
// and tensor.
func Open(s Source, model []Spec) (*Checkpoint, error) {
	format := s.Format
	if format == Auto {
		var err error
		if format, err = detect(s.Path); err != nil {
			return nil, err
		}
	}
	c := &Checkpoint{Format: format, linears: map[string]Linear{}, plain: map[string]safetensors.Tensor{}, plainIn: map[string]string{}}
	var err error
	switch format {
	case SketchTune:
		err = c.openSketchTune(s.Path, s.Trained)
	case GPTQ:
		err = c.openGPTQ(s.Path)
	case AWQ:
		err = c.openAWQ(s.Path)
	case LoRA:
		err = c.openLoRA(s.Path, model)
	case External:
		err = c.openExternal(s, model)
	default:
		panic(fmt.Sprintf("foreign: format %q", format))
	}
	if err == nil && s.Trained != "" && format != SketchTune {
		err = fmt.Errorf("%s: a checkpoint of the format %s; trained tables are for %s only", s.Path, format, SketchTune)
	}
	if err == nil {
		err = c.check(model)
	}
	if err == nil && len(c.linears) == 0 {
		err = fmt.Errorf("%s: no compressed linear layer in it", s.Path)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// detect tells the format by the files that say it.
func detect(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return SketchTune, nil
	}
	if _, err := os.Stat(filepath.Join(path, adapterConfig)); err == nil {
		return LoRA, nil
	}
	q, _, err := readQuantConfig(path)
	if err != nil {
		return "", err
	}
	if q.Method != GPTQ && q.Method != AWQ {
		return "", fmt.Errorf("%s: quant_method %q, want %s or %s", path, q.Method, GPTQ, AWQ)
	}
	return q.Method, nil
}

// Close unmaps the files; weights made from them must not be used afterwards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.close {
		errs = append(errs, f())
	}
	c.close = nil
	return errors.Join(errs...)
}

// Linear looks up a compressed linear layer.
func (c *Checkpoint) Linear(name string) (Linear, bool) {
	l, ok := c.linears[name]
	return l, ok
}

// Tensor looks up a tensor that the files hold uncompressed. It stands for the
// model's own, which methods such as AWQ change along with the weights.
func (c *Checkpoint) Tensor(name string) (safetensors.Tensor, bool) {
	t, ok := c.plain[name]
	return t, ok
}

// Weight makes a compressed linear layer. The base is the model's own, to which
// an adapter is added.
func (c *Checkpoint) Weight(name string, base packed.Weight) (packed.Weight, error) {
	l, ok := c.linears[name]
	if !ok {
		panic("foreign: " + name + " is not compressed")
	}
	w, err := l.weight(base)
	if err == nil {
		err = w.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.file, err)
	}
	return w, nil
}

// A Spec is a tensor of the model.
type Spec struct {
	Name   string
	Shape  []int
	Linear bool  // of a decoder block
	Bytes  int64 // that the model stores for it
}

// check compares the files with a model: it reports every tensor of another
// shape, every one that the model lacks and, where the files hold a whole
// model, every linear layer that they lack. The rotary_emb.inv_freq buffers of
// older checkpoints, biases that are all zero and a head that repeats the
// embedding of a model without one are ignored.
func (c *Checkpoint) check(model []Spec) error {
	var faults []error
	bad := func(file, name, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: tensor %s: %s", file, name, fmt.Sprintf(format, args...)))
	}
	known := map[string]Spec{}
	for _, s := range model {
		known[s.Name] = s
		_, compressed := c.linears[s.Name]
		_, plain := c.plain[s.Name]
		if s.Linear && c.whole && !compressed && !plain {
			bad(filepath.Dir(c.Paths[0]), s.Name, "missing, want shape %v", s.Shape)
		}
	}
	for _, name := range sortedKeys(c.linears) {
		l := c.linears[name]
		switch s, ok := known[name]; {
		case !ok || !s.Linear:
			bad(l.file, name, "compressed, but no linear layer of the model")
		case !slices.Equal(s.Shape, []int{l.Out, l.In}):
			bad(l.file, name, "shape %v, want %v", []int{l.Out, l.In}, s.Shape)
		}
	}
	for _, name := range sortedKeys(c.plain) {
		t := c.plain[name]
		s, ok := known[name]
		_, twice := c.linears[name]
		switch {
		case !ok && c.harmless(t):
		case !ok:
			bad(c.plainIn[name], name, "not part of the model")
		case twice:
			bad(c.plainIn[name], name, "compressed and uncompressed")
		case !slices.Equal(s.Shape, t.Shape):
			bad(c.plainIn[name], name, "shape %v, want %v", t.Shape, s.Shape)
		case !slices.Contains([]string{"F32", "F16", "BF16"}, t.DType):
			bad(c.plainIn[name], name, "type %s, want F32, F16 or BF16", t.DType)
		}
	}
	return errors.Join(faults...)
}

// harmless reports whether a tensor that the model lacks changes nothing.
func (c *Checkpoint) harmless(t safetensors.Tensor) bool {
	if t.Name == "lm_head.weight" {
		e, ok := c.plain["model.embed_tokens.weight"]
		return ok && e.DType == t.DType && string(e.Data) == string(t.Data)
	}
	return strings.HasSuffix(t.Name, ".rotary_emb.inv_freq") ||
		strings.HasSuffix(t.Name, ".bias") && !slices.ContainsFunc(t.Data, func(b byte) bool { return b != 0 })
}
