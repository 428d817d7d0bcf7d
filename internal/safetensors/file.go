package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// MaxHeader is the longest header that is read, in bytes.
const MaxHeader = 100 << 20

// metadataKey is the header's one entry that is not a tensor.
const metadataKey = "__metadata__"

// A File is an open safetensors file. Its tensors alias its memory.
type File struct {
	name     string
	tensors  map[string]Tensor
	metadata map[string]string
	unmap    func() error
}

// Open maps the file into memory and checks all of its header: type and shape
// against size of each tensor, no overlaps, holes or trailing bytes. Errors
// name the file and the tensor. A file that shrinks while it is open crashes
// whoever reads it, as with every memory map.
func Open(path string) (*File, error) {
	b, unmap, err := MapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(path, b)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	f.unmap = unmap
	return f, nil
}

// Parse reads a file that is in memory already; the tensors alias b. The name
// stands in errors.
func Parse(name string, b []byte) (*File, error) {
	f := &File{name: name, tensors: map[string]Tensor{}}
	if err := f.parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Name returns the path or name that the file was opened with.
func (f *File) Name() string { return f.name }

// Names lists the tensors in alphabetical order.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.tensors)) }

// Tensor looks a tensor up.
func (f *File) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Metadata returns the header's free text entries, which may be nil.
func (f *File) Metadata() map[string]string { return f.metadata }

// Close unmaps the file. Tensors read from it must not be used afterwards. It
// may be called twice.
func (f *File) Close() error {
	if f.unmap == nil {
		return nil
	}
	unmap := f.unmap
	f.unmap, f.tensors = nil, nil
	return unmap()
}

// entry is a tensor as the header describes it.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets []int  `json:"data_offsets"`
}

// parse fills f from the bytes of a file.
func (f *File) parse(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("truncated: %d bytes, want at least 8", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > MaxHeader {
		return fmt.Errorf("header of %d bytes, want at most %d", n, MaxHeader)
	}
	if n > uint64(len(b)-8) {
		return fmt.Errorf("truncated: header of %d bytes in a file of %d", n, len(b))
	}
	header, data := b[8:8+n], b[8+n:]
	entries, err := f.parseHeader(header)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	f.tensors = make(map[string]Tensor, len(entries))
	names := slices.AppendSeq(make([]string, 0, len(entries)), maps.Keys(entries))
	slices.Sort(names)
	for _, name := range names {
		e := entries[name]
		if err := checkEntry(e, len(data)); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		// Cut the capacity too: no append may run into the next tensor.
		t := data[e.Offsets[0]:e.Offsets[1]:e.Offsets[1]]
		f.tensors[name] = Tensor{name, e.DType, e.Shape, t}
	}
	return checkPlaces(entries, names, len(data))
}

// parseHeader reads the header's JSON, refusing duplicate names, and sets
// f.metadata.
func (f *File) parseHeader(header []byte) (map[string]entry, error) {
	entries := map[string]entry{}
	dec := json.NewDecoder(bytes.NewReader(header))
	err := eachMember(dec, func(name string) error {
		if name == metadataKey {
			return dec.Decode(&f.metadata)
		}
		var e entry
		if err := dec.Decode(&e); err != nil {
			return err
		}
		if e.Shape == nil || len(e.Offsets) != 2 {
			return errors.New(`want "dtype", "shape" and two "data_offsets"`)
		}
		entries[name] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("text behind the closing brace")
	}
	return entries, nil
}

// eachMember reads a JSON object and calls f for each member, with dec before
// its value. A name that stands twice is an error.
func eachMember(dec *json.Decoder, f func(name string) error) error {
	tok, err := dec.Token()
	if err != nil {
		return orSyntax(err)
	}
	if tok != json.Delim('{') {
		return fmt.Errorf("got %v, want a JSON object", tok)
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return orSyntax(err)
		}
		name := tok.(string) // More and Token admit nothing else as a key
		if seen[name] {
			return fmt.Errorf("duplicate name %q", name)
		}
		seen[name] = true
		if err := f(name); err != nil {
			return fmt.Errorf("%q: %w", name, orSyntax(err))
		}
	}
	if _, err := dec.Token(); err != nil {
		return orSyntax(err)
	}
	return nil
}

// orSyntax says in words that the text ended inside a value.
func orSyntax(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the JSON is cut short")
	}
	return err
}

// checkEntry compares a tensor's place with its type, shape and the file.
func checkEntry(e entry, data int) error {
	size, err := byteSize(e.DType, e.Shape)
	if err != nil {
		return err
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin {
		return fmt.Errorf("data_offsets %v, want 0 ≤ begin ≤ end", e.Offsets)
	}
	if end > data {
		return fmt.Errorf("truncated: data_offsets %v in %d bytes of data", e.Offsets, data)
	}
	if end-begin != size {
		return fmt.Errorf("%d bytes at data_offsets %v, want %d for %s %v", end-begin, e.Offsets, size, e.DType, e.Shape)
	}
	return nil
}

// checkPlaces checks that the tensors fill the data, each byte once. It orders
// names by place.
func checkPlaces(entries map[string]entry, names []string, data int) error {
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.Compare(entries[a].Offsets, entries[b].Offsets), cmp.Compare(a, b))
	})
	at, last := 0, ""
	for _, name := range names {
		o := entries[name].Offsets
		if o[0] < at {
			return fmt.Errorf("tensor %q at data_offsets %v overlaps tensor %q, which ends at %d", name, o, last, at)
		}
		if o[0] > at {
			return fmt.Errorf("hole of %d bytes before tensor %q at data_offsets %v", o[0]-at, name, o)
		}
		at, last = o[1], name
	}
	if at < data {
		return fmt.Errorf("%d trailing bytes behind the last tensor %q", data-at, last)
	}
	return nil
}

// statSize opens path and returns the size of the regular file there.
func statSize(path string) (*os.File, int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err == nil && info.Size() != int64(int(info.Size())) {
		err = fmt.Errorf("%s: %d bytes are more than this machine can address", path, info.Size())
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, int(info.Size()), nil
}
