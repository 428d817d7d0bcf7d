package artefact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of what a manifest may list, far above any model, so that a broken
// file cannot ask for much memory.
const (
	maxTensors = 1 << 16
	maxParts   = 16 // of one tensor
	maxFiles   = 1 << 12
)

type (
	entryList []Entry
	partList  []Part
	fileList  []File
)

// UnmarshalJSON reads at most maxTensors entries.
func (l *entryList) UnmarshalJSON(b []byte) error { return decodeList(b, (*[]Entry)(l), maxTensors) }

// UnmarshalJSON reads at most maxParts parts.
func (l *partList) UnmarshalJSON(b []byte) error { return decodeList(b, (*[]Part)(l), maxParts) }

// UnmarshalJSON reads at most maxFiles files.
func (l *fileList) UnmarshalJSON(b []byte) error { return decodeList(b, (*[]File)(l), maxFiles) }

// decodeList reads a JSON array, or null, of at most most items without
// unknown fields.
func decodeList[T any](b []byte, into *[]T, most int) error {
	*into = nil
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	switch tok, err := dec.Token(); {
	case err != nil:
		return err
	case tok == nil:
		return nil
	case tok != json.Delim('['):
		return fmt.Errorf("got %v, want a list", tok)
	}
	*into = []T{}
	for dec.More() {
		if len(*into) == most {
			return fmt.Errorf("a list of more than %d items", most)
		}
		var item T
		if err := dec.Decode(&item); err != nil {
			return err
		}
		*into = append(*into, item)
	}
	return nil
}

// readManifest decodes the bytes of a manifest, strictly.
func readManifest(b []byte, m *Manifest) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(m); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("text behind the closing brace")
	}
	if m.Format != Format {
		return fmt.Errorf("format %d, want %d", m.Format, Format)
	}
	return nil
}

// maxTold is the number of faults that are told one by one.
const maxTold = 50

// faults collects what is wrong with a manifest: the first maxTold faults and
// how many more there are.
type faults struct {
	told []error
	more int
}

func (f *faults) add(format string, args ...any) {
	if len(f.told) == maxTold {
		f.more++
		return
	}
	f.told = append(f.told, fmt.Errorf(format, args...))
}

// err joins the faults, one to a line; nil if there is none.
func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.told, fmt.Errorf("and %d more faults", f.more))...)
	}
	return errors.Join(f.told...)
}
