// Package artefact reads and writes compressed models: a folder with a
// manifest, safetensors files and files copied from the source model. Every
// suite opens the same folder, so that quality, size and speed are those of
// the same bytes. Formats list their own parts; the package knows no method,
// decides no policy and computes nothing.
package artefact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Format is the version of the manifest that this package reads and writes.
const Format = 1

// ManifestFile is the manifest's name in the folder.
const ManifestFile = "manifest.json"

// KindVector marks a stored tensor that is no matrix, such as a norm's gain.
const KindVector packed.Kind = "vector"

// ManifestHead says what an artefact was made of. Equal heads and equal
// weights give equal bytes: it holds no time, host or path.
type ManifestHead struct {
	Method  string         `json:"method"`
	Params  map[string]any `json:"params"`  // strings, booleans and finite numbers
	Seed    uint64         `json:"seed"`    // below 2^53, exact in every JSON reader
	Version int            `json:"version"` // of the method
	// Source lists the files of the uncompressed model, by base name.
	Source fileList `json:"source"`
	// Import lists the files of another program's checkpoint that the weights
	// were taken from, by base name.
	Import fileList `json:"import,omitempty"`
	// Calibration describes the calibration data in scalars; absent for
	// methods that use none.
	Calibration map[string]any `json:"calibration,omitempty"`
}

// A Manifest describes a whole artefact.
type Manifest struct {
	Format int `json:"format"`
	ManifestHead
	Tensors entryList `json:"tensors"` // in the order in which they were added
	Files   fileList  `json:"files"`   // beside the manifest; none for a dense artefact
}

// A File is a file by base name, size and content.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // 64 hex digits
}

// An Entry describes one tensor of the model, compressed or not.
type Entry struct {
	Name string       `json:"name"`
	Kind packed.Kind  `json:"kind"`           // of package packed, or KindVector
	Meta *packed.Meta `json:"meta,omitempty"` // nil for KindVector
	// NominalBits is what the method says it takes per weight; for a tensor
	// left alone, the width of its type.
	NominalBits float64 `json:"nominal_bits"`
	Bytes       int64   `json:"bytes"` // stored: the sum over Parts
	// Declared is what another program says that it stores for the weights,
	// which are here dequantised; 0 where Bytes is the size.
	Declared int64    `json:"declared,omitempty"`
	Parts    partList `json:"parts"`
}

// A Part is one array in the safetensors files. Its name there is the
// entry's, with a dot and the part's name if that is not empty; or, for one that
// entries share, the pool's with a dot and the part's.
type Part struct {
	Name  string       `json:"name"`
	Class packed.Class `json:"class"`
	DType string       `json:"dtype"`
	Shape []int        `json:"shape"`
	Bytes int64        `json:"bytes"` // of a shared part the entry's share
	// Pool, if not empty, names what the entries have together that share the
	// part. Their shares sum to the array's bytes.
	Pool string `json:"pool,omitempty"`
}

// tensor returns the part's name in the safetensors files.
func (e *Entry) tensor(p Part) string {
	if p.Pool != "" {
		return tensorName(p.Pool, p.Name)
	}
	return tensorName(e.Name, p.Name)
}

// Count returns the number of weights that the entry stands for.
func (e Entry) Count() int64 {
	if e.Meta != nil {
		return int64(e.Meta.Out) * int64(e.Meta.In)
	}
	n := int64(1)
	for _, d := range e.Parts[0].Shape {
		n *= int64(d)
	}
	return n
}

// ClassBytes returns the stored bytes by class; they sum to Bytes.
func (e Entry) ClassBytes() map[packed.Class]int64 {
	m := map[packed.Class]int64{}
	for _, p := range e.Parts {
		m[p.Class] += p.Bytes
	}
	return m
}

// tensorName returns the name of a part in the safetensors files.
func tensorName(entry, part string) string {
	if part == "" {
		return entry
	}
	return entry + "." + part
}

// FileOf describes a file that is in memory.
func FileOf(name string, b []byte) File {
	h := sha256.Sum256(b)
	return File{name, int64(len(b)), hex.EncodeToString(h[:])}
}

// HashFiles reads and describes files of a folder, in the order given.
func HashFiles(dir string, names ...string) ([]File, error) {
	var files []File
	var faults []error
	for _, name := range names {
		f, err := hashFile(dir, name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, f)
	}
	return files, errors.Join(faults...)
}

// hashFile reads one file through SHA-256.
func hashFile(dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, err
	}
	return File{name, n, hex.EncodeToString(h.Sum(nil))}, nil
}

// Verify reads the files of a folder again and reports every one that is not
// as described.
func Verify(dir string, files []File) error {
	var faults []error
	for _, want := range files {
		got, err := hashFile(dir, want.Name)
		switch {
		case err != nil:
			faults = append(faults, err)
		case got != want:
			faults = append(faults, fmt.Errorf("%s: SHA-256 %s of %d bytes, want %s of %d bytes",
				filepath.Join(dir, want.Name), got.SHA256, got.Bytes, want.SHA256, want.Bytes))
		}
	}
	return errors.Join(faults...)
}

// encode returns the manifest's bytes, in one form for equal values, and
// their SHA-256: the artefact's hash.
func (m *Manifest) encode() (b []byte, hash string, err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(m); err != nil {
		return nil, "", fmt.Errorf("manifest: %w", err)
	}
	return buf.Bytes(), hashOf(buf.Bytes()), nil
}

// hashOf returns the SHA-256 of b as hex digits.
func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// check reports what of a head would not come back as it went.
func (h *ManifestHead) check() error {
	var f faults
	if h.Method == "" {
		f.add("method: empty")
	}
	if h.Seed >= 1<<53 {
		f.add("seed: %d, want below 2^53", h.Seed)
	}
	for where, list := range map[string]fileList{"source": h.Source, "import": h.Import} {
		for _, s := range list {
			if err := checkBase(where, s.Name); err != nil {
				f.add("%w", err)
			}
		}
	}
	for where, m := range map[string]map[string]any{"params": h.Params, "calibration": h.Calibration} {
		for k, v := range m {
			if !scalar(v) {
				f.add("%s.%s: %T %v, want a string, boolean or finite number", where, k, v, v)
			}
		}
	}
	return f.err()
}

// scalar reports whether v has one form in JSON.
func scalar(v any) bool {
	switch v := v.(type) {
	case string, bool, int, int64, uint64, json.Number:
		return true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return false
}

// checkBase reports a name that leads out of the folder.
func checkBase(where, name string) error {
	if name == "" || name == "." || name == ".." || name != filepath.Base(name) {
		return fmt.Errorf("%s: file name %q, want a name without a folder", where, name)
	}
	return nil
}
