package subject

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"unsafe"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/stage"
)

// Hessian returns H = 2/T·XᵀX of the uncompressed model's inputs to a linear
// layer on the calibration text, in×in. It is the same for every case. It is
// made for all layers on first use and kept in the cache, a file for each input.
func (e *Env) Hessian(ctx context.Context, c Calibration, spec model.LinearSpec) ([]float32, error) {
	dir, err := e.moments(ctx, c)
	if err != nil {
		return nil, err
	}
	for layer := range e.Model.Config.Layers {
		for _, l := range e.Model.Config.Linears(layer) {
			if l.Name == spec.Name {
				return readMoments(filepath.Join(dir, momentsFile(layer, spec.Input)), spec.In)
			}
		}
	}
	return nil, fmt.Errorf("tensor %s: not a linear layer of the model", spec.Name)
}

func momentsFile(layer int, in model.Input) string {
	return fmt.Sprintf("layer-%05d-%s.safetensors", layer, in)
}

func readMoments(path string, in int) (h []float32, err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return hOf(f, path, in)
}

// hOf reads H, in×in, from a file of moments.
func hOf(f *safetensors.File, path string, in int) (h []float32, err error) {
	t, ok := f.Tensor(momentsTensor)
	if !ok || t.Len() != in*in {
		return nil, fmt.Errorf("%s: tensor %s: missing or not %d×%d", path, momentsTensor, in, in)
	}
	h = make([]float32, in*in)
	return h, t.Float32(h)
}

// MomentsKey is the preimage of the hash of a model's second moments.
func (e *Env) MomentsKey(c Calibration) map[string]any {
	return map[string]any{
		"base": e.Model.SourcesHash(), "calibration": c.Describe(e.Model),
		"device_class": deviceClass, "walk_version": int64(walkVersion),
	}
}

// MomentsRequest asks the cache for a model's second moments; it does not say
// how to make them.
func (e *Env) MomentsRequest(c Calibration) stage.Request {
	return stage.Request{Stage: "moments", Key: e.MomentsKey(c), About: e.Model.about(), Bytes: e.Model.MomentsBytes()}
}

// moments returns the folder with all second moments. It is looked up once, and
// in use until the Env is closed: every matrix of every case asks for it.
func (e *Env) moments(ctx context.Context, c Calibration) (string, error) {
	if entry, ok := e.momentsEntries[c]; ok {
		return entry.Dir, nil
	}
	request := e.MomentsRequest(c)
	request.Build = func(tmp string) error {
		defer lean()()
		windows, err := c.Windows(e.Model)
		if err != nil {
			return err
		}
		opts := calib.Options{Base: true}
		return calib.Walk(ctx, e.Device, e.Model.Config, e.Model.Weights(), windows, opts, func(g calib.Group) (map[string]packed.Weight, error) {
			return nil, writeMoments(filepath.Join(tmp, momentsFile(g.Layer, g.Input)), g)
		})
	}
	request.Check = func(dir string) error { return e.checkOnce(ctx, dir) }
	entry, err := e.Cache.Do(ctx, request)
	if err != nil {
		return "", err
	}
	e.checked(entry.Dir)
	if e.momentsEntries == nil {
		e.momentsEntries = map[Calibration]*stage.Entry{}
	}
	e.momentsEntries[c] = entry
	return entry.Dir, nil
}

// cachedMoments calls f for all groups with the moments of the uncompressed
// model, if the cache has them from an earlier case, and reports whether it had:
// not so if an earlier version of the program left H alone. A walk would give
// the same, bit for bit.
func (e *Env) cachedMoments(ctx context.Context, c Calibration, f func(calib.Group) error) (bool, error) {
	if _, ok := e.Cache.Lookup("moments", e.MomentsKey(c)); !ok {
		return false, nil
	}
	windows, err := c.Windows(e.Model)
	if err != nil {
		return true, err
	}
	tokens := 0
	for _, w := range windows {
		tokens += len(w)
	}
	dir, err := e.moments(ctx, c)
	if err != nil {
		return true, err
	}
	for layer := range e.Model.Config.Layers {
		for _, in := range model.Inputs() {
			g := calib.Group{Layer: layer, Input: in, Linears: e.Model.Config.Group(layer, in), Tokens: tokens}
			whole, err := readGroup(filepath.Join(dir, momentsFile(layer, in)), &g)
			if err != nil || !whole {
				return err != nil, err // all files are of one version
			}
			if err := f(g); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// readGroup sets the moments of g and reports whether the file has all of them.
func readGroup(path string, g *calib.Group) (whole bool, err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	d := g.Linears[0].In
	for _, v := range []struct {
		name string
		dst  *[]float64
	}{{meanSquareTensor, &g.MeanSquare}, {meanAbsTensor, &g.MeanAbs}} {
		t, ok := f.Tensor(v.name)
		if !ok || t.DType != "F64" || t.Len() != d {
			return false, nil
		}
		for b := t.Data; len(b) > 0; b = b[8:] {
			*v.dst = append(*v.dst, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	}
	g.H, err = hOf(f, path, d)
	return err == nil, err
}

// The names of H and of what stands beside it in its file.
const (
	momentsTensor    = "H"
	meanSquareTensor = "mean_square"
	meanAbsTensor    = "mean_abs"
)

// writeMoments writes the moments of g. H must be nobody else's: it is turned
// into its stored form in place, since a copy of a wide one is hundreds of
// megabytes.
func writeMoments(path string, g calib.Group) error {
	d, h := len(g.MeanSquare), g.H
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(h))), 4*len(h))
	for i, v := range h {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	doubles := func(name string, v []float64) safetensors.Tensor {
		var b []byte
		for _, x := range v {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		return safetensors.Tensor{Name: name, DType: "F64", Shape: []int{d}, Data: b}
	}
	return safetensors.Write(path, []safetensors.Tensor{
		{Name: momentsTensor, DType: "F32", Shape: []int{d, d}, Data: data},
		doubles(meanSquareTensor, g.MeanSquare), doubles(meanAbsTensor, g.MeanAbs),
	}, nil)
}

// MomentsBytes estimates the cache that the moments take.
func (m *Model) MomentsBytes() int64 {
	var n int64
	for layer := range m.Config.Layers {
		for _, in := range model.Inputs() {
			d := int64(m.Config.Group(layer, in)[0].In)
			n += 4*d*d + 2*8*d
		}
	}
	return n
}
