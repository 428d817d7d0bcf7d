package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Write makes a file of tensors. It is written under another name in the same
// folder, synced and renamed, so that path never names half a file. For equal
// tensors in any order the bytes are equal; see WriteTo.
func Write(path string, tensors []Tensor, metadata map[string]string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-"+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = WriteTo(f, tensors, metadata)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// WriteTo writes a file of tensors to w and returns its size. Tensors are
// ordered by size of their type, the largest first, then by name, and the
// header is padded to a multiple of 8 bytes: so every value is aligned to its
// own size, without the holes that the format forbids. Names must be distinct
// and data must fit types and shapes.
func WriteTo(w io.Writer, tensors []Tensor, metadata map[string]string) (int64, error) {
	tensors = slices.SortedFunc(slices.Values(tensors), func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(dtypeSize(b.DType), dtypeSize(a.DType)), cmp.Compare(a.Name, b.Name))
	})
	header, err := makeHeader(tensors, metadata)
	if err != nil {
		return 0, err
	}
	size := int64(8 + len(header))
	for _, t := range tensors {
		size += int64(len(t.Data))
	}
	buf := bufio.NewWriterSize(w, 1<<20)
	buf.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))
	buf.Write(header)
	for _, t := range tensors {
		buf.Write(t.Data)
	}
	// The buffer keeps the first error of all writes.
	if err := buf.Flush(); err != nil {
		return 0, fmt.Errorf("%d bytes: %w", size, err)
	}
	return size, nil
}

// makeHeader checks the tensors and returns their padded header.
func makeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		if err := member(&b, metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{metadataKey: true}
	at := 0
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q: the name is taken", t.Name)
		}
		seen[t.Name] = true
		size, err := byteSize(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if size != len(t.Data) {
			return nil, fmt.Errorf("tensor %q: %d bytes, want %d for %s %v", t.Name, len(t.Data), size, t.DType, t.Shape)
		}
		shape := append([]int{}, t.Shape...) // a scalar's is [], not null
		if err := member(&b, t.Name, entry{t.DType, shape, []int{at, at + size}}); err != nil {
			return nil, err
		}
		at += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}

// member appends a member of a JSON object.
func member(b *bytes.Buffer, name string, value any) error {
	k, err := json.Marshal(name)
	if err != nil {
		return err
	}
	v, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.Write(k)
	b.WriteByte(':')
	b.Write(v)
	return nil
}

// syncDir makes a rename in dir last. Systems that cannot sync a folder are
// left alone.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
