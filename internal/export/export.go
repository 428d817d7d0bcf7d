// Package export writes a model, compressed or not, as an ordinary folder in
// Hugging Face layout: every tensor dequantised to bf16, for programs that know
// nothing of the formats here. It compresses nothing and measures nothing.
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// DefaultShardBytes is the size from which tensors go to a further file. A file
// is held in memory while it is made.
const DefaultShardBytes = 2 << 30

// A Model is what is exported.
type Model struct {
	Config  model.Config
	Weights engine.Weights
	// Files are copied as they are, but for config.json, by name.
	Files map[string][]byte
	// About goes to the metadata of the safetensors files.
	About map[string]string
}

// Options say how to write.
type Options struct {
	ShardBytes int64 // 0 is DefaultShardBytes
	Gemm       gemm.Config
	Progress   func(done, total int) // tensors; may be nil
}

// Write makes the folder dir, which must not exist; its parent must. The files
// are written to another folder beside it, which is renamed at the end, so that
// dir is whole or not there. Matrices and norms are rounded to bf16, to nearest,
// ties to even; tensors of bf16 stay as they are bit by bit.
func Write(ctx context.Context, dir string, m Model, o Options) (err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s: something is there already; nothing is overwritten", dir))
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-"+filepath.Base(dir)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := writeSmall(tmp, m.Files); err != nil {
		return err
	}
	if err := writeTensors(ctx, tmp, m, o); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// writeSmall writes the files beside the weights.
func writeSmall(dir string, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		if name == "config.json" {
			var err error
			if b, err = config(b); err != nil {
				return fmt.Errorf("config.json: %w", err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// config returns a model's config with bf16 as its type and without a
// quantisation; all else stays, numbers digit by digit.
func config(b []byte) ([]byte, error) {
	fields := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return nil, err
	}
	delete(fields, "quantization_config")
	name := "torch_dtype" // which older and newer programs read
	if _, ok := fields["dtype"]; ok {
		name = "dtype"
		delete(fields, "torch_dtype")
	}
	fields[name] = "bfloat16"
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(fields)
	return buf.Bytes(), err
}

// shards cuts the tensors into files of at most so many bytes; a larger tensor
// has one of its own.
func shards(specs []model.TensorSpec, most int64) [][]model.TensorSpec {
	var list [][]model.TensorSpec
	var size int64
	for _, s := range specs {
		n := 2 * count(s)
		if len(list) == 0 || size+n > most {
			list, size = append(list, nil), 0
		}
		list[len(list)-1] = append(list[len(list)-1], s)
		size += n
	}
	return list
}

func count(s model.TensorSpec) int64 {
	n := int64(1)
	for _, d := range s.Shape {
		n *= int64(d)
	}
	return n
}

// writeTensors writes the safetensors files and, if there are several, their
// index.
func writeTensors(ctx context.Context, dir string, m Model, o Options) error {
	if o.ShardBytes == 0 {
		o.ShardBytes = DefaultShardBytes
	}
	specs := m.Config.Tensors()
	files := shards(specs, o.ShardBytes)
	about := map[string]string{"format": "pt"} // which transformers wants
	maps.Copy(about, m.About)
	home := map[string]string{}
	var total int64
	done := 0
	for i, list := range files {
		name := safetensors.SingleFile
		if len(files) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(files))
		}
		var tensors []safetensors.Tensor
		for _, s := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			t, err := tensor(m, s, o.Gemm)
			if err != nil {
				return err
			}
			tensors = append(tensors, t)
			home[s.Name] = name
			total += int64(len(t.Data))
			if done++; o.Progress != nil {
				o.Progress(done, len(specs))
			}
		}
		if err := safetensors.Write(filepath.Join(dir, name), tensors, about); err != nil {
			return err
		}
	}
	if len(files) == 1 {
		return nil
	}
	b, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": home}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, safetensors.IndexFile), append(b, '\n'), 0o644)
}

// tensor dequantises one tensor.
func tensor(m Model, s model.TensorSpec, cfg gemm.Config) (safetensors.Tensor, error) {
	t := safetensors.Tensor{Name: s.Name, DType: "BF16", Shape: s.Shape, Data: make([]byte, 2*count(s))}
	if len(s.Shape) == 1 {
		v, err := m.Weights.Vector(s.Name)
		if err == nil {
			round(t.Data, v)
		}
		return t, err
	}
	w, err := m.Weights.Weight(s.Name)
	if err != nil {
		return t, err
	}
	if d, ok := w.(*packed.Dense); ok && d.DType == "BF16" {
		copy(t.Data, d.Data)
		return t, nil
	}
	out, in := w.Dims()
	const rows = 64
	cfg.Parallel((out+rows-1)/rows, func(i int) {
		r0, r1 := i*rows, min((i+1)*rows, out)
		v := make([]float32, (r1-r0)*in)
		w.Dequantize(v, r0, r1)
		round(t.Data[2*r0*in:2*r1*in], v)
	})
	return t, nil
}

// round writes values as little-endian bf16.
func round(dst []byte, src []float32) {
	for i, x := range src {
		h := packed.F32ToBF16(x)
		dst[2*i], dst[2*i+1] = byte(h), byte(h>>8)
	}
}
