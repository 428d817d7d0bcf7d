package stage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names in an entry's folder.
const (
	keyFile     = "key.json"
	aboutFile   = "about.json"
	contentFile = "content.json"
	usedFile    = "used"
	valueDir    = "value"
)

// A content lists the files of a value.
type content struct {
	Files []file `json:"files"` // by name
}

type file struct {
	Name   string `json:"name"` // below value, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (c content) bytes() (n int64) {
	for _, f := range c.Files {
		n += f.Bytes
	}
	return n
}

// A Progress is told how many of total bytes have been read.
type Progress func(done, total int64)

// describe writes what lies beside a finished value.
func describe(ctx context.Context, entry string, preimage []byte, about map[string]any) error {
	names, err := valueFiles(entry)
	if err != nil {
		return err
	}
	list := content{Files: []file{}}
	for _, name := range names {
		f, err := hashFile(ctx, filepath.Join(entry, valueDir, filepath.FromSlash(name)), func(int64) {})
		if err != nil {
			return err
		}
		f.Name = name
		list.Files = append(list.Files, f)
	}
	b, err := Canonical(list)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(entry, contentFile), b, 0o644); err != nil {
		return err
	}
	if len(about) > 0 {
		if b, err = Canonical(about); err != nil {
			return fmt.Errorf("about the key: %w", err)
		}
		if err := os.WriteFile(filepath.Join(entry, aboutFile), b, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(entry, usedFile), nil, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(entry, keyFile), preimage, 0o644)
}

// valueFiles lists the files below value, sorted, with slashes.
func valueFiles(entry string) ([]string, error) {
	var names []string
	root := filepath.Join(entry, valueDir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}

// hashFile reads a file through SHA-256 until ctx ends; read is told of the
// bytes as they come.
func hashFile(ctx context.Context, path string, read func(int64)) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	h := sha256.New()
	var n int64
	for buf := make([]byte, 1<<20); ; {
		if ctx.Err() != nil {
			return file{}, context.Cause(ctx)
		}
		k, err := f.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		read(int64(k))
		if err == io.EOF {
			return file{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
		}
		if err != nil {
			return file{}, err
		}
	}
}

// readContent reads an entry's list of files.
func readContent(entry string) (content, error) {
	var c content
	path := filepath.Join(entry, contentFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	for i, f := range c.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return c, fmt.Errorf("%s: files[%d]: %q leads out of the folder", path, i, f.Name)
		}
	}
	return c, nil
}

// checkEntry reports why an entry is not there with its key and all files in
// their sizes. It does not read the files.
func checkEntry(entry string, preimage []byte) error {
	path := filepath.Join(entry, keyFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, preimage) {
		return fmt.Errorf("%s: its SHA-256 is %s, not the folder's name", path, hashOf(b))
	}
	c, err := readContent(entry)
	if err != nil {
		return err
	}
	return c.checkSizes(entry)
}

// checkSizes compares the files that there are with those listed.
func (c content) checkSizes(entry string) error {
	names, err := valueFiles(entry)
	if err != nil {
		return err
	}
	var faults []error
	for _, f := range c.Files {
		i, ok := slices.BinarySearch(names, f.Name)
		if ok {
			names = slices.Delete(names, i, i+1)
		}
		path := filepath.Join(entry, valueDir, filepath.FromSlash(f.Name))
		info, err := os.Stat(path)
		switch {
		case err != nil:
			faults = append(faults, err)
		case info.Size() != f.Bytes:
			faults = append(faults, fmt.Errorf("%s: %d bytes, want %d", path, info.Size(), f.Bytes))
		}
	}
	if len(names) > 0 {
		faults = append(faults, fmt.Errorf("%s: not in %s: %s", filepath.Join(entry, valueDir), contentFile, strings.Join(names, ", ")))
	}
	return errors.Join(faults...)
}

// Verify reads the files of an entry, whose folder is named by its hash, and
// reports every one that is not as it was made. It returns the bytes of the
// value. It ends with ctx.
func Verify(ctx context.Context, entry string, progress Progress) (int64, error) {
	path := filepath.Join(entry, keyFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	abs, err := filepath.Abs(entry)
	if err != nil {
		return 0, err
	}
	if got, want := hashOf(b), filepath.Base(abs); got != want {
		return 0, fmt.Errorf("%s: SHA-256 %s, want %s, the folder's name", path, got, want)
	}
	c, err := readContent(entry)
	if err != nil {
		return 0, err
	}
	total := c.bytes()
	if err := c.checkSizes(entry); err != nil {
		return total, err
	}
	var done int64
	var faults []error
	for _, want := range c.Files {
		path := filepath.Join(entry, valueDir, filepath.FromSlash(want.Name))
		got, err := hashFile(ctx, path, func(n int64) {
			done += n
			progress(done, total)
		})
		got.Name = want.Name
		switch {
		case ctx.Err() != nil:
			return total, context.Cause(ctx)
		case err != nil:
			faults = append(faults, err)
		case got != want:
			faults = append(faults, fmt.Errorf("%s: SHA-256 %s, want %s", path, got.SHA256, want.SHA256))
		}
	}
	return total, errors.Join(faults...)
}

// IsEntry reports whether dir is named and made like an entry.
func IsEntry(dir string) bool {
	return hashName.MatchString(filepath.Base(dir)) && exists(filepath.Join(dir, keyFile))
}

// Entries lists the entries at path, which is an entry, the folder of a stage
// or a cache.
func Entries(path string) ([]string, error) {
	if abs, err := filepath.Abs(path); err == nil && hashName.MatchString(filepath.Base(abs)) {
		return []string{path}, nil
	}
	var entries []string
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		found, err := fs.Glob(os.DirFS(path), filepath.ToSlash(pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if hashName.MatchString(filepath.Base(name)) {
				entries = append(entries, filepath.Join(path, filepath.FromSlash(name)))
			}
		}
	}
	return entries, nil
}
