package subject

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Tuned returns a checkpoint of the model after fine-tuning: demo-tuned, which
// is embedded, or a folder of safetensors files. Only tensors are read, no
// config and no tokenizer, and it may hold a part of the model's linear layers,
// at least one. It is opened once and closed with the Env. The error starts
// with what is wrong, of every tensor whose shape is not the model's.
func (e *Env) Tuned(ref, dir string) (*Model, error) {
	if m, ok := e.tuned[ref]; ok {
		return m, nil
	}
	m, err := openTensors(ref, dir)
	if err != nil {
		return nil, err
	}
	if err := e.checkTuned(m); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if e.tuned == nil {
		e.tuned = map[string]*Model{}
	}
	e.tuned[ref] = m
	return m, nil
}

// openTensors opens and hashes the tensors of a checkpoint and nothing else.
func openTensors(ref, dir string) (*Model, error) {
	m := &Model{Ref: ref, Dir: dir}
	if ref == demo.Tuned {
		m.Dir = ""
		f, err := safetensors.Parse("model.safetensors", demo.TunedFile())
		if err != nil {
			return nil, err
		}
		if m.Tensors, err = safetensors.NewCheckpoint(f); err != nil {
			return nil, err
		}
		m.Sources = []SourceFile{artefact.FileOf("model.safetensors", demo.TunedFile())}
	} else {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s: no such folder; want %s or a folder of safetensors files", dir, demo.Tuned)
		}
		ckpt, err := safetensors.OpenCheckpoint(dir)
		if err != nil {
			return nil, err
		}
		m.Tensors, m.close = ckpt, ckpt.Close
		if err := m.hashFolder(nil); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	m.setName()
	return m, nil
}

// setName names the model by its reference and the hash of its files.
func (m *Model) setName() {
	m.Name = fmt.Sprintf("%s@%s", strings.TrimRight(filepath.ToSlash(m.Ref), "/"), m.SourcesHash()[:12])
}

func (e *Env) checkTuned(m *Model) error {
	var faults []error
	linears := e.Model.Linears()
	found := 0
	for _, s := range linears {
		t, ok := m.Tensors.Tensor(s.Name)
		if !ok {
			continue
		}
		found++
		if len(t.Shape) != 2 || t.Shape[0] != s.Out || t.Shape[1] != s.In {
			faults = append(faults, fmt.Errorf("%s: tensor %s: shape %v, the model's is %d×%d", m.Ref, s.Name, t.Shape, s.Out, s.In))
		}
	}
	if found == 0 {
		return fmt.Errorf("%s: has none of the model's %d linear layers, such as %s", m.Ref, len(linears), linears[0].Name)
	}
	return errors.Join(faults...)
}

// Linears lists the linear layers of the model, layer by layer.
func (m *Model) Linears() []model.LinearSpec {
	var all []model.LinearSpec
	for layer := range m.Config.Layers {
		all = append(all, m.Config.Linears(layer)...)
	}
	return all
}

// Is reports whether the checkpoint of that name and folder is the model: the
// same reference, or files of the same names and bytes.
func (m *Model) Is(ref, dir string) (bool, error) {
	if ref == m.Ref || m.Dir != "" && filepath.Clean(dir) == filepath.Clean(m.Dir) {
		return true, nil
	}
	other, err := OpenModel(ref, dir)
	if err != nil {
		return false, err
	}
	return other.SourcesHash() == m.SourcesHash(), other.Close()
}

// CompressDrawn compresses the out×in matrix w, which belongs to no model, as
// the case would compress one without a name whose inputs are uncorrelated
// standard normal numbers: E|x| = √(2/π), E[x²] = 1, H = 2·I. It may overwrite w.
func (c *Case) CompressDrawn(cfg gemm.Config, w []float32, out, in int) (packed.Weight, error) {
	o, err := c.shapeOptions(out, in)
	if err != nil {
		return nil, err
	}
	m := Matrix{Spec: model.LinearSpec{Out: out, In: in}, W: w, Gemm: cfg, Seed: c.Seed, MeanSquare: make([]float64, in), MeanAbs: make([]float64, in)}
	for i := range m.MeanSquare {
		m.MeanSquare[i], m.MeanAbs[i] = 1, math.Sqrt(2/math.Pi)
	}
	m.H = func() []float32 {
		h := make([]float32, in*in)
		for i := range in {
			h[i*in+i] = 2
		}
		return h
	}
	m.Factor = func(o compensate.FactorOptions) (*compensate.Factor, error) {
		return compensate.NewFactor(cfg, m.H(), in, o)
	}
	m.Root = func() (linalg.Root, error) { return svdllm.NewRoot(m.H(), in, in) }
	return c.Method.Compress(m, o)
}
