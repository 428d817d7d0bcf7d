package artefact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// DefaultShardBytes is the size from which tensors go to a further file.
const DefaultShardBytes = 2 << 30

// A Writer makes an artefact. Equal calls in equal order make equal bytes.
type Writer struct {
	// ShardBytes bounds the data of one safetensors file; a larger tensor has
	// a file of its own. It may be set before the first tensor.
	ShardBytes int64

	dir      string
	manifest Manifest
	seen     map[string]bool        // names in the safetensors files
	pooled   map[string]packed.Part // those that entries share, by that name
	pending  []safetensors.Tensor
	size     int64    // of pending
	shards   []string // temporary names
}

// Create begins an artefact in dir, which is made if it does not exist and
// must not hold a manifest. The artefact is there once Finish has returned:
// the manifest is written last.
func Create(dir string, head ManifestHead) (*Writer, error) {
	if err := head.check(); err != nil {
		return nil, fmt.Errorf("artefact %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, ManifestFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: an artefact is there already", path)
	}
	return &Writer{
		ShardBytes: DefaultShardBytes,
		dir:        dir,
		manifest:   Manifest{Format: Format, ManifestHead: head, Tensors: []Entry{}, Files: []File{}},
		seen:       map[string]bool{},
		pooled:     map[string]packed.Part{},
	}, nil
}

// Add stores a weight under the name of the tensor that it replaces.
// nominalBits is what its method says it takes per weight. The weight must
// not change before Finish.
func (w *Writer) Add(name string, weight packed.Weight, nominalBits float64) error {
	if err := weight.Check(); err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	meta := packed.MetaOf(weight)
	return w.add(Entry{Name: name, Kind: weight.Kind(), Meta: &meta, NominalBits: nominalBits}, weight.Parts())
}

// AddDeclared is Add for a dequantised weight that another program stores in so
// many bytes.
func (w *Writer) AddDeclared(name string, weight *packed.Dense, nominalBits float64, bytes int64) error {
	if bytes < 1 {
		return fmt.Errorf("tensor %q: %d bytes declared, want at least 1", name, bytes)
	}
	if err := weight.Check(); err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	meta := packed.MetaOf(weight)
	return w.add(Entry{Name: name, Kind: weight.Kind(), Meta: &meta, NominalBits: nominalBits, Declared: bytes}, weight.Parts())
}

// AddPooled is Add for a weight that shares parts with others: those are stored
// under the name of the pool with the first weight of the pool, and must be the
// same for all.
func (w *Writer) AddPooled(pool, name string, weight packed.Sharer, nominalBits float64) error {
	if err := weight.Check(); err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if pool == "" {
		return fmt.Errorf("tensor %q: a pool without a name", name)
	}
	meta := packed.MetaOf(weight)
	e := Entry{Name: name, Kind: weight.Kind(), Meta: &meta, NominalBits: nominalBits}
	var own []packed.Part // to be stored with this entry
	for _, p := range weight.Parts() {
		part := Part{Name: p.Name, Class: p.Class, DType: p.DType, Shape: append([]int{}, p.Shape...), Bytes: int64(len(p.Data))}
		share, shared := weight.Share(p.Name)
		if shared {
			part.Bytes, part.Pool = share, pool
		}
		e.Bytes += part.Bytes
		e.Parts = append(e.Parts, part)
		p.Name = e.tensor(part)
		if before, ok := w.pooled[p.Name]; shared && ok {
			if before.DType != p.DType || !slices.Equal(before.Shape, p.Shape) || !bytes.Equal(before.Data, p.Data) {
				return fmt.Errorf("tensor %q: its %s is not that of pool %q", name, part.Name, pool)
			}
			continue
		}
		if shared {
			w.pooled[p.Name] = p
		}
		own = append(own, p)
	}
	return w.store(e, own)
}

// AddTensor stores a tensor of the source model as it is. Its data must not
// change before Finish.
func (w *Writer) AddTensor(t safetensors.Tensor) error {
	e, part, err := untouched(t)
	if err != nil {
		return err
	}
	return w.add(e, []packed.Part{part})
}

// untouched describes a tensor that a method leaves alone: a Dense matrix, or
// a vector if it has not two dimensions.
func untouched(t safetensors.Tensor) (Entry, packed.Part, error) {
	part := packed.Part{Class: packed.ClassDense, DType: t.DType, Shape: t.Shape, Data: t.Data}
	if t.Len() == 0 {
		return Entry{}, part, fmt.Errorf("tensor %q: %s %v holds no values", t.Name, t.DType, t.Shape)
	}
	e := Entry{Name: t.Name, Kind: KindVector, NominalBits: 8 * float64(len(t.Data)) / float64(t.Len())}
	if len(t.Shape) == 2 {
		d := packed.Dense{Out: t.Shape[0], In: t.Shape[1], DType: t.DType, Data: t.Data}
		if err := d.Check(); err != nil {
			return Entry{}, part, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		meta := packed.MetaOf(&d)
		e.Kind, e.Meta = packed.KindDense, &meta
	}
	return e, part, nil
}

// addParts completes an entry by its parts.
func (e *Entry) addParts(parts []packed.Part) {
	for _, p := range parts {
		n := int64(len(p.Data))
		e.Bytes += n
		e.Parts = append(e.Parts, Part{Name: p.Name, Class: p.Class, DType: p.DType, Shape: append([]int{}, p.Shape...), Bytes: n})
	}
}

// add stores the parts of an entry.
func (w *Writer) add(e Entry, parts []packed.Part) error {
	e.addParts(parts)
	own := make([]packed.Part, len(parts))
	for i, p := range parts {
		own[i] = p
		own[i].Name = tensorName(e.Name, p.Name)
	}
	return w.store(e, own)
}

// store notes an entry and writes parts, under their own names, in the next file
// if they do not fit.
func (w *Writer) store(e Entry, parts []packed.Part) error {
	if !(e.NominalBits >= 0) || math.IsInf(e.NominalBits, 0) {
		return fmt.Errorf("tensor %q: nominal bits %v, want a finite number of at least 0", e.Name, e.NominalBits)
	}
	var size int64
	for _, p := range parts {
		if w.seen[p.Name] {
			return fmt.Errorf("tensor %q: the name is taken", p.Name)
		}
		w.seen[p.Name] = true
		size += int64(len(p.Data))
	}
	if w.size+size > w.ShardBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	for _, p := range parts {
		w.pending = append(w.pending, safetensors.Tensor{Name: p.Name, DType: p.DType, Shape: p.Shape, Data: p.Data})
	}
	w.size += size
	w.manifest.Tensors = append(w.manifest.Tensors, e)
	return nil
}

// flush writes the pending tensors to a file. Its last name needs the number
// of all files.
func (w *Writer) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	name := fmt.Sprintf("tmp-model-%05d", len(w.shards)+1)
	f, err := w.write(name, func(out io.Writer) error {
		_, err := safetensors.WriteTo(out, w.pending, nil)
		return err
	})
	if err != nil {
		return err
	}
	w.shards = append(w.shards, name)
	w.manifest.Files = append(w.manifest.Files, f)
	w.pending, w.size = nil, 0
	return nil
}

// write makes one synced file and describes it.
func (w *Writer) write(name string, content func(io.Writer) error) (File, error) {
	path := filepath.Join(w.dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	count := &counter{w: io.MultiWriter(f, h)}
	err = content(count)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return File{}, fmt.Errorf("writing %s: %w", path, err)
	}
	return File{name, count.n, hex.EncodeToString(h.Sum(nil))}, nil
}

// A counter counts the bytes that go through it.
type counter struct {
	w io.Writer
	n int64
}

// Write passes b on.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// CopyFile stores a file of the source model, such as config.json, beside the
// weights.
func (w *Writer) CopyFile(name string, b []byte) error {
	if err := checkBase("artefact", name); err != nil {
		return err
	}
	if name == ManifestFile || strings.HasSuffix(name, ".safetensors") {
		return fmt.Errorf("artefact: file name %q is reserved", name)
	}
	f, err := w.write(name, func(out io.Writer) error {
		_, err := out.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	w.manifest.Files = append(w.manifest.Files, f)
	return nil
}

// Finish writes what is pending and the manifest, and returns the artefact's
// hash. The folder is synced; nothing may be added afterwards.
func (w *Writer) Finish() (hash string, err error) {
	if err := w.flush(); err != nil {
		return "", err
	}
	for i, tmp := range w.shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(w.shards))
		if err := os.Rename(filepath.Join(w.dir, tmp), filepath.Join(w.dir, name)); err != nil {
			return "", err
		}
		for k := range w.manifest.Files {
			if w.manifest.Files[k].Name == tmp {
				w.manifest.Files[k].Name = name
			}
		}
	}
	b, hash, err := w.manifest.encode()
	if err != nil {
		return "", err
	}
	if _, err := w.write(ManifestFile, func(out io.Writer) error {
		_, err := out.Write(b)
		return err
	}); err != nil {
		return "", err
	}
	d, err := os.Open(w.dir)
	if err != nil {
		return "", err
	}
	_ = d.Sync() // not every system can sync a folder
	return hash, d.Close()
}
