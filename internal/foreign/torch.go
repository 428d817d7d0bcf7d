package foreign

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"path"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// loadFile reads a file of torch.save, of either format, or a plain pickle.
func loadFile(b []byte) (any, error) {
	u := newUnpickler()
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return u.loadZip(b)
	case bytes.HasPrefix(b, legacyMagic):
		return u.loadLegacy(b)
	}
	value, _, err := u.load(b, nil)
	return value, err
}

// legacyMagic is the start of the older format: a pickle of a number.
var legacyMagic = []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")

// legacyProtocol is the version of the older format.
const legacyProtocol = 1001

// loadLegacy reads the older format of torch.save: pickles of a number, of the
// version, of facts about the machine, of the object, of the keys of its
// storages, and then the storages, each behind its count of values.
func (u *unpickler) loadLegacy(b []byte) (any, error) {
	var head [3]any
	for i := range head {
		value, n, err := u.load(b, nil)
		if err != nil {
			return nil, err
		}
		head[i], b = value, b[n:]
	}
	if magic, ok := head[0].(*big.Int); !ok || magic.Text(16) != "1950a86a20f9469cfc6c" || head[1] != legacyProtocol {
		return nil, fmt.Errorf("a file of torch.save of version %v, want %d", head[1], legacyProtocol)
	}
	if facts, ok := head[2].(*types.Dict); ok {
		for _, e := range *facts {
			if e.Key == "little_endian" && e.Value != true {
				return nil, errors.New("a file of torch.save of a big-endian machine")
			}
		}
	}
	found := map[string]*storage{}
	value, n, err := u.load(b, func(id *types.Tuple) (any, error) { return namedStorage(id, found) })
	if err != nil {
		return nil, err
	}
	return value, u.fillLegacy(b[n:], found)
}

// fillLegacy gives the storages that a pickle named their data: behind the
// pickle come another of their keys and, in its order, counts and data.
func (u *unpickler) fillLegacy(b []byte, found map[string]*storage) error {
	value, n, err := u.load(b, nil)
	if err != nil {
		return err
	}
	b = b[n:]
	keys, ok := value.(*types.List)
	if !ok || keys.Len() != len(found) {
		return fmt.Errorf("the list of the %d storages' keys is not there", len(found))
	}
	for _, key := range *keys {
		name, _ := key.(string)
		s, ok := found[name]
		if !ok || s.data != nil {
			return fmt.Errorf("storage %.100q: named twice, or unknown", name)
		}
		if len(b) < 8 || binary.LittleEndian.Uint64(b) != uint64(s.count) {
			return fmt.Errorf("storage %.100q: its count of values is not %d", name, s.count)
		}
		if s.data, b, err = s.cut(name, b[8:]); err != nil {
			return err
		}
	}
	return nil
}

// cut returns the data of a storage at the start of b, and what follows.
func (s *storage) cut(name string, b []byte) (data, rest []byte, err error) {
	size := elementBytes(s.dtype)
	if s.count > len(b)/size {
		return nil, nil, fmt.Errorf("storage %.100q: %d values of %s are announced, %d bytes are there", name, s.count, s.dtype, len(b))
	}
	n := s.count * size
	return b[:n:n], b[n:], nil
}

// namedStorage returns the storage that a tuple names: the word storage, class,
// key, place (which does not matter) and count of values.
func namedStorage(id *types.Tuple, found map[string]*storage) (*storage, error) {
	if id.Len() < 5 || id.Get(0) != "storage" || id.Len() > 5 && id.Get(5) != nil {
		return nil, errors.New("the name of an array outside of the pickle is no storage's")
	}
	class, ok := id.Get(1).(storageClass)
	key, ok2 := id.Get(2).(string)
	count, ok3 := id.Get(4).(int)
	if !ok || !ok2 || !ok3 || count < 0 {
		return nil, errors.New("a storage without class, key and count")
	}
	s, ok := found[key]
	if !ok {
		s = &storage{dtype: class.dtype, count: count}
		found[key] = s
	} else if s.dtype != class.dtype || s.count != count {
		return nil, fmt.Errorf("storage %.100q: %d values of %s, and elsewhere %d of %s", key, s.count, s.dtype, count, class.dtype)
	}
	return s, nil
}

// loadZip reads the newer format of torch.save: an archive, without
// compression, of the pickle data.pkl and a file for each storage.
func (u *unpickler) loadZip(b []byte) (any, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	files := map[string]*zip.File{}
	root := ""
	for _, f := range z.File {
		files[f.Name] = f
		if path.Base(f.Name) == "data.pkl" {
			root = strings.TrimSuffix(f.Name, "data.pkl")
		}
	}
	if order, ok := files[root+"byteorder"]; ok {
		if word, err := zipped(b, order); err != nil || string(word) != "little" {
			return nil, errors.Join(err, fmt.Errorf("%s: %.20q, want little", order.Name, word))
		}
	}
	program, err := zipped(b, files[root+"data.pkl"])
	if err != nil {
		return nil, err
	}
	found := map[string]*storage{}
	value, _, err := u.load(program, func(id *types.Tuple) (any, error) {
		s, err := namedStorage(id, found)
		if err != nil || s.data != nil {
			return s, err
		}
		key := id.Get(2).(string) // as namedStorage has seen
		data, err := zipped(b, files[root+"data/"+key])
		if err == nil {
			s.data, _, err = s.cut(key, data)
		}
		return s, err
	})
	return value, err
}

// zipped returns the content of a file of the archive b, in place.
func zipped(b []byte, f *zip.File) ([]byte, error) {
	if f == nil {
		return nil, errors.New("not a file of torch.save: data.pkl or the file of a storage is not in the archive")
	}
	at, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fmt.Errorf("%s: compressed, which torch.save does not do", f.Name)
	}
	if at < 0 || at > int64(len(b)) || f.UncompressedSize64 > uint64(int64(len(b))-at) {
		return nil, fmt.Errorf("%s: %d bytes at %d in a file of %d", f.Name, f.UncompressedSize64, at, len(b))
	}
	return b[at : at+int64(f.UncompressedSize64)], nil
}
