package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// File is what a Writer needs of an *os.File.
type File interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// A Writer appends records to a JSON Lines file. It may be used by several
// goroutines.
type Writer struct {
	mu     sync.Mutex
	f      File
	path   string
	run    string
	now    func() time.Time
	size   int64
	failed error // of the first write that failed; later writes return it too
}

// Append opens the records file at path, which it creates if it is absent, to
// add records of the run named run, stamped with now. A file whose last line is
// torn is refused: Resume mends it.
func Append(path, run string, now func() time.Time) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			err = fmt.Errorf("%s: the last line is torn; nothing was written", path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return NewWriter(f, info.Size(), path, run, now), nil
}

// NewWriter returns a Writer at the end of f, which holds size bytes. The path
// is used only in errors.
func NewWriter(f File, size int64, path, run string, now func() time.Time) *Writer {
	return &Writer{f: f, size: size, path: path, run: run, now: now}
}

// Write appends one line per record with a single write call, so that a crash
// tears at most the last of them; with a done line among them it also waits
// until they are on the disk. Schema, run, time and the unit of a value are
// filled in. A record that Check refuses is an error and nothing is written.
// After a write that failed the file is cut back to whole records, and every later
// Write returns the same error.
func (w *Writer) Write(recs ...Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return w.failed
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	done := false
	for _, r := range recs {
		w.fill(&r)
		if err := r.Check(); err != nil {
			return fmt.Errorf("%s: %s line not written: %w", w.path, r.Kind, err)
		}
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("%s: %s line not written: %w", w.path, r.Kind, err)
		}
		done = done || r.Kind == KindDone
	}
	n, err := w.f.Write(buf.Bytes())
	if err != nil {
		w.failed = fmt.Errorf("%s: wrote %d of %d bytes at %d, earlier records are kept: %w", w.path, n, buf.Len(), w.size, err)
		if n > 0 {
			if err := w.f.Truncate(w.size); err != nil {
				w.failed = errors.Join(w.failed, err)
			}
		}
		return w.failed
	}
	w.size += int64(n)
	if done {
		if err := w.f.Sync(); err != nil {
			w.failed = fmt.Errorf("%s: %d bytes may not be on the disk: %w", w.path, w.size, err)
		}
	}
	return w.failed
}

// fill sets what every line has.
func (w *Writer) fill(r *Record) {
	r.Schema, r.Run = Schema, w.run
	if r.At == "" {
		r.At = w.now().UTC().Format(time.RFC3339)
	}
	if r.Kind == KindValue && r.Unit == "" {
		m, _ := LookupMetric(r.Metric)
		r.Unit = m.Unit
	}
}

// Close closes the file. It does not undo a failed write.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.f.Close()
}
