package artefact

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// small writes an artefact of one shard into dir.
func small(tb testing.TB, dir string) (manifest, shard []byte) {
	w, err := Create(dir, ManifestHead{Method: "int4", Params: map[string]any{"bits": 4}, Version: 1, Source: []File{FileOf("m.safetensors", nil)}})
	if err != nil {
		tb.Fatal(err)
	}
	names, ws := weights()
	for _, n := range names {
		if err := w.Add(n, ws[n], 4.5); err != nil {
			tb.Fatal(err)
		}
	}
	for i, c := range sharing() {
		if err := w.AddPooled("pool.0", fmt.Sprintf("p.%d.weight", i), c, 1); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.AddTensor(norm()); err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		tb.Fatal(err)
	}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
	return read(filepath.Join(dir, ManifestFile)), read(shardName(tb, dir))
}

// shardName is the file of weights of an artefact of one shard.
func shardName(tb testing.TB, dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) != 1 {
		tb.Fatal(files, err)
	}
	return files[0]
}

// FuzzOpen opens a folder with a made-up manifest, and made-up parts if shard
// is not empty: the answer is an error that names a file of the folder, or an
// artefact whose tensors can be read or are refused one by one.
func FuzzOpen(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "a")
	manifest, shard := small(f, dir)
	path := shardName(f, dir)
	f.Add(manifest, []byte(nil))
	f.Add(manifest, shard)
	f.Add(manifest, shard[:len(shard)-1])
	edit := func(old, new string) {
		b := bytes.Replace(manifest, []byte(old), []byte(new), 1)
		if bytes.Equal(b, manifest) {
			f.Fatalf("%q is not in the manifest", old)
		}
		f.Add(b, []byte(nil))
	}
	edit(`"out": 3`, `"out": 2147483647`)
	edit(`"out": 3`, `"out": 9223372036854775808`)
	edit(`"in": 10`, `"in": -10`)
	edit(`"kind": "grid"`, `"kind": "vector"`)
	edit(`"kind": "grid"`, `"kind": "cells"`)
	edit(`"kind": "vector"`, `"kind": "dense"`)
	edit(`"name": "codes"`, `"name": ""`)
	edit(`"bytes": 12`, `"bytes": -12`)
	edit(`"pool": "pool.0"`, `"pool": "l.grid.weight"`)
	edit(`"format": 1`, `"format": 1e0`)
	edit(`"bits": 4`, `"bits": {"a": [[]]}`)
	edit(`.safetensors"`, `/../../x.safetensors"`)
	edit(`"tensors": [`, `"tensors": [{}, `)
	f.Add([]byte(`{"format":1,"method":"m","params":null,"seed":0,"version":0,"source":null,"tensors":null,"files":null}`), []byte(nil))
	f.Add([]byte(`{"format":1,"method":"m","tensors":[{"kind":"vector","parts":[]}]}`), []byte(nil))
	written := shard
	f.Fuzz(func(t *testing.T, m, s []byte) {
		if len(s) == 0 {
			s = shard
		}
		if !bytes.Equal(s, written) {
			if err := os.WriteFile(path, s, 0o644); err != nil {
				t.Fatal(err)
			}
			written = bytes.Clone(s)
		}
		checkOpen(t, dir, m, len(s))
	})
}

// checkOpen opens the folder with another manifest; the shard has shard bytes.
func checkOpen(t *testing.T, dir string, manifest []byte, shard int) {
	if err := os.WriteFile(filepath.Join(dir, ManifestFile), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	size := len(manifest) + shard
	var a *Artefact
	var err error
	fuzztest.Bounded(t, size, func() { a, err = Open(dir) })
	if err != nil {
		if !strings.Contains(err.Error(), dir) {
			t.Errorf("the error does not name the file: %v", err)
		}
		return
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	if len(a.Hash()) != 64 {
		t.Errorf("hash %q", a.Hash())
	}
	for _, e := range a.Manifest().Tensors {
		checkTensor(t, a, e, size)
	}
	if _, _, err := a.Manifest().encode(); err != nil {
		t.Errorf("what was read cannot be written: %v", err)
	}
}

// checkTensor reads one tensor in all ways.
func checkTensor(t *testing.T, a *Artefact, e Entry, size int) {
	var sum int64
	for _, n := range e.ClassBytes() {
		sum += n
	}
	if e.Count() < 0 || sum != e.Bytes || e.Bytes < 0 || e.Bytes > int64(size) {
		t.Errorf("%q: %d weights in %d bytes, by class %d, in files of %d", e.Name, e.Count(), e.Bytes, sum, size)
	}
	fuzztest.Bounded(t, size, func() {
		if v, err := a.Vector(e.Name); err == nil && int64(len(v)) != e.Count() {
			t.Errorf("%q: a vector of %d values, want %d", e.Name, len(v), e.Count())
		}
		w, err := a.Weight(e.Name)
		if err != nil {
			if !strings.Contains(err.Error(), fmt.Sprintf("%q", e.Name)) {
				t.Errorf("the error does not name the tensor %q: %v", e.Name, err)
			}
			return
		}
		if out, in := w.Dims(); int64(out)*int64(in) != e.Count() || w.Bytes() != e.Bytes {
			t.Errorf("%q: %d×%d in %d bytes, want %d weights in %d", e.Name, out, in, w.Bytes(), e.Count(), e.Bytes)
		}
		if out, in := w.Dims(); in < 1<<20 {
			w.Dequantize(make([]float32, in), out-1, out)
		}
	})
}

// TestOpenLarge bounds what long manifests cost that say little.
func TestOpenLarge(t *testing.T) {
	const start = `{"format":1,"method":"m","params":{},"seed":0,"version":1,"source":[],"files":[],"tensors":[`
	dir := filepath.Join(t.TempDir(), "a")
	_, shard := small(t, dir)
	for name, manifest := range map[string]string{
		"nameless tensors": start + `{}` + strings.Repeat(`,{}`, 1<<17) + `]}`,
		"empty parts":      start + `{"name":"a","kind":"vector","parts":[{}` + strings.Repeat(`,{}`, 1<<17) + `]}]}`,
		"deep":             start[:strings.Index(start, "{}")] + strings.Repeat(`{"":`, 1<<18),
		"nameless files":   strings.Replace(start, `"files":[`, `"files":[{}`+strings.Repeat(",{}", 1<<17), 1) + `]}`,
		"nameless sources": strings.Replace(start, `"source":[`, `"source":[{}`+strings.Repeat(",{}", 1<<17), 1) + `]}`,
		"odd parameters":   strings.Replace(start, `"params":{`, `"params":{"":[]`+manyParams(1<<17), 1) + `]}`,
	} {
		t.Run(name, func(t *testing.T) { checkOpen(t, dir, []byte(manifest), len(shard)) })
	}
}

// manyParams makes n parameters that are lists.
func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%d":[]`, i)
	}
	return b.String()
}
