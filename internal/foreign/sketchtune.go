package foreign

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// TrainedFile is the name under which SketchTune saves trained tables.
const TrainedFile = "sketched_params.pkl"

// openSketchTune reads a released SketchTune checkpoint: a pickle, or a file of
// torch.save, of a dictionary from layers to pairs of tables (rows, groups, 2^b)
// and codes (rows, groups, half of the columns of a group), methods.md 2.3.
// Two-dimensional tensors have one group. Tables of the trained file replace
// those of the same layer.
func (c *Checkpoint) openSketchTune(path, trained string) error {
	layers, err := c.readDict(path)
	if err != nil {
		return err
	}
	tables := map[string]any{}
	trainedIn := ""
	if trained != "" {
		if info, err := os.Stat(trained); err == nil && info.IsDir() {
			trained = filepath.Join(trained, TrainedFile)
		}
		if tables, err = c.readDict(trained); err != nil {
			return err
		}
		trainedIn = trained
	}
	var faults []error
	for _, name := range sortedKeys(layers) {
		l, err := sketchTuneLayer(path, name, layers[name], trainedIn, tables[name])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.linears[weightName(name)] = l
	}
	for _, name := range sortedKeys(tables) {
		if _, ok := layers[name]; !ok {
			faults = append(faults, fmt.Errorf("%s: tensor %q: trained, but %s has no layer of that name", trainedIn, name, path))
		}
	}
	return errors.Join(faults...)
}

// weightName is the name of the tensor of a layer.
func weightName(layer string) string { return strings.TrimSuffix(layer, ".weight") + ".weight" }

// readDict maps a file and reads the dictionary in it, whose keys are strings.
func (c *Checkpoint) readDict(path string) (map[string]any, error) {
	b, unmap, err := safetensors.MapFile(path)
	if err != nil {
		return nil, err
	}
	c.close = append(c.close, unmap)
	c.Paths = append(c.Paths, path)
	d, err := parseDict(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// parseDict reads a pickle or a file of torch.save that holds a dictionary.
func parseDict(b []byte) (map[string]any, error) {
	value, err := loadFile(b)
	if err != nil {
		return nil, err
	}
	d := map[string]any{}
	set := func(key, value any) error {
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("a dictionary whose keys are not all names of layers: %s among them", describe(key))
		}
		if _, twice := d[name]; twice {
			return fmt.Errorf("layer %.100q: twice", name)
		}
		d[name] = value
		return nil
	}
	switch v := value.(type) {
	case *types.Dict:
		for _, e := range *v {
			if err := set(e.Key, e.Value); err != nil {
				return nil, err
			}
		}
	case *types.OrderedDict:
		for e := v.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			if err := set(entry.Key, entry.Value); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("holds %s, want a dictionary from layers to tensors", describe(value))
	}
	return d, nil
}

// sketchTuneLayer checks one entry of a checkpoint.
func sketchTuneLayer(path, name string, entry any, trainedIn string, trained any) (Linear, error) {
	at := func(file string, err error) error { return fmt.Errorf("%s: tensor %q: %w", file, name, err) }
	var pair []any
	switch v := entry.(type) {
	case *types.Tuple:
		pair = *v
	case *types.List:
		pair = *v
	}
	if len(pair) != 2 {
		return Linear{}, at(path, fmt.Errorf("%s, want a pair of tables and codes", describe(entry)))
	}
	grid, err := threeDim(pair[0], storedTypes)
	if err != nil {
		return Linear{}, at(path, fmt.Errorf("tables: %w", err))
	}
	codes, err := threeDim(pair[1], []string{"U8"})
	if err != nil {
		return Linear{}, at(path, fmt.Errorf("codes: %w", err))
	}
	file := path
	if trained != nil {
		t, err := threeDim(trained, storedTypes)
		if err == nil && !slices.Equal(t.shape, grid.shape) {
			err = fmt.Errorf("trained tables of shape %v, want %v", t.shape, grid.shape)
		}
		if err != nil {
			return Linear{}, at(trainedIn, err)
		}
		grid, file = t, trainedIn
	}
	rows, groups, k := grid.shape[0], grid.shape[1], grid.shape[2]
	b := bits.Len(uint(k)) - 1
	if k != 1<<b || b < 2 || b > 4 {
		return Linear{}, at(path, fmt.Errorf("tables of %d values, want 4, 8 or 16", k))
	}
	if codes.shape[0] != rows || codes.shape[1] != groups || codes.shape[2] == 0 {
		return Linear{}, at(path, fmt.Errorf("tables of shape %v and codes of shape %v, want the same rows and groups", grid.shape, codes.shape))
	}
	group := 2 * codes.shape[2]
	in := groups * group
	l := Linear{Out: rows, In: in, Bits: float64(b), file: file}
	l.Bytes = int64(rows) * (int64(packed.RowBytes(in, b)) + 2*int64(groups)*int64(k))
	l.weight = func(packed.Weight) (packed.Weight, error) {
		w, err := codebook(grid, codes, b)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		return w, nil
	}
	return l, nil
}

// storedTypes are those of tables, adapters and weights.
var storedTypes = []string{"F16", "BF16", "F32"}

// threeDim returns a tensor of rows, groups and values; one of two dimensions
// has one group.
func threeDim(value any, dtypes []string) (*array, error) {
	a, ok := value.(*array)
	if !ok {
		return nil, fmt.Errorf("%s, want a tensor", describe(value))
	}
	n, err := a.count()
	if err != nil {
		return nil, err
	}
	if len(a.shape) == 2 {
		a = &array{a.of, a.offset, []int{a.shape[0], 1, a.shape[1]}, []int{a.stride[0], 0, a.stride[1]}}
	}
	if len(a.shape) != 3 || n == 0 {
		return nil, fmt.Errorf("shape %v, want rows, groups and values", a.shape)
	}
	if !slices.Contains(dtypes, a.of.dtype) {
		return nil, fmt.Errorf("type %s, want one of %s", a.of.dtype, strings.Join(dtypes, ", "))
	}
	return a, nil
}

// codebook packs tables and nibbles, of which the high one is the even column,
// densely. Tables become f16: those of f16 stay as they are, others are rounded
// to nearest.
func codebook(grid, nibbles *array, b int) (*packed.Codebook, error) {
	rows, groups, half := nibbles.shape[0], nibbles.shape[1], nibbles.shape[2]
	in := groups * 2 * half
	w := &packed.Codebook{Out: rows, In: in, Bits: b, Group: 2 * half}
	var err error
	if w.Table, err = halves(safetensors.Tensor{Name: "of tables", DType: grid.of.dtype, Data: grid.data()}, 1); err != nil {
		return nil, err
	}
	rb := packed.RowBytes(in, b)
	w.Codes = make([]byte, rows*rb)
	codes, stored := make([]uint8, in), nibbles.data()
	for r := range rows {
		unpackNibbles(codes, stored[r*in/2:(r+1)*in/2])
		if c := outOfRange(codes, b); c >= 0 {
			return nil, fmt.Errorf("code %d at row %d, column %d, want below %d", codes[c], r, c, 1<<b)
		}
		packed.PackRow(w.Codes[r*rb:(r+1)*rb], codes, b)
	}
	return w, nil
}

// outOfRange returns the first code of more than b bits, -1 for none: a nibble
// has at most 4.
func outOfRange(codes []uint8, b int) int {
	if b == 4 {
		return -1
	}
	return slices.IndexFunc(codes, func(code uint8) bool { return code >= 1<<b })
}

// unpackNibbles sets dst to the codes of src, two to a byte, the high nibble
// first.
func unpackNibbles(dst []uint8, src []byte) {
	for i, v := range src {
		dst[2*i], dst[2*i+1] = v>>4, v&15
	}
}

// halves returns the values of a tensor, times a factor, as f16, rounded to
// nearest. A value beyond f16's range is an error.
func halves(t safetensors.Tensor, factor float64) ([]uint16, error) {
	h := make([]uint16, t.Len())
	wide := make([]float32, min(len(h), 1<<12))
	size := elementBytes(t.DType)
	for lo := 0; lo < len(h); lo += len(wide) {
		part := wide[:min(len(wide), len(h)-lo)]
		if err := (safetensors.Tensor{DType: t.DType, Data: t.Data[lo*size : (lo+len(part))*size]}).Float32(part); err != nil {
			return nil, err
		}
		for i, x := range part {
			x = float32(factor * float64(x))
			if !(x > -65520 && x < 65520) {
				return nil, fmt.Errorf("tensor %s: value %d is %v, beyond the range of f16", t.Name, lo+i, x)
			}
			h[lo+i] = packed.F32ToF16(x)
		}
	}
	return h, nil
}
