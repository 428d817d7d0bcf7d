// Package stage caches what costly stages make, such as a compressed model,
// in folders named by the hash of all that the result depends on. Processes
// that share a cache make each entry once. It knows nothing of what it holds
// and never deletes a finished entry.
//
// Below Cache.Dir lie, per stage:
//
//	STAGE/HASH/key.json   the key, whose SHA-256 is HASH
//	STAGE/HASH/value/     what the stage made
//	STAGE/HASH.lock       held while the entry is being made
//	STAGE/tmp-HASH-*/     unfinished work of the lock's holder
//	STAGE/corrupt-HASH-*/ entries that were found damaged and set aside
package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// A Cache is a folder of stage results. The zero Warn drops warnings.
type Cache struct {
	Dir string
	// Warn is told of damaged entries that were set aside and of leftovers
	// that could not be removed.
	Warn func(error)
}

var (
	stageName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	tmpName   = regexp.MustCompile(`^tmp-([0-9a-f]{64})-`)
)

// Key returns the hash that names an entry and the canonical JSON that it is
// the SHA-256 of: an object of the stage's name and the key, which may be
// anything that encoding/json takes. Whatever the result depends on must be
// in the key, the version of the code that makes it included.
func Key(stage string, key any) (hash string, canonicalJSON []byte, err error) {
	if !stageName.MatchString(stage) {
		return "", nil, fmt.Errorf("stage %q: want a name of a-z, 0-9 and -", stage)
	}
	b, err := Canonical(struct {
		Key   any    `json:"key"`
		Stage string `json:"stage"`
	}{key, stage})
	if err != nil {
		return "", nil, fmt.Errorf("stage %s: key: %w", stage, err)
	}
	return hashOf(b), b, nil
}

// Lookup returns the value of an entry that is there and whole. It writes
// nothing.
func (c Cache) Lookup(stage string, key any) (dir string, ok bool) {
	hash, preimage, err := Key(stage, key)
	if err != nil {
		return "", false
	}
	entry := filepath.Join(c.Dir, stage, hash)
	return filepath.Join(entry, "value"), checkEntry(entry, preimage) == nil
}

// checkEntry reports why an entry is not there and whole.
func checkEntry(entry string, preimage []byte) error {
	path := filepath.Join(entry, "key.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, preimage) {
		return fmt.Errorf("%s: its SHA-256 is %s, not the folder's name", path, hashOf(b))
	}
	value := filepath.Join(entry, "value")
	info, err := os.Stat(value)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: not a folder", value)
	}
	return nil
}

// Do returns the folder with a stage's result, and whether it was there
// already. If it was not, build makes it in tmp, an empty folder that becomes
// the result when build returns nil and is removed otherwise. While one
// process builds, others that want the same entry wait, until ctx ends. The
// result must not be changed.
//
// A cache that cannot be written still gives what it holds; otherwise the
// error names the path.
func (c Cache) Do(ctx context.Context, stage string, key any, build func(tmp string) error) (dir string, hit bool, err error) {
	hash, preimage, err := Key(stage, key)
	if err != nil {
		return "", false, err
	}
	root := filepath.Join(c.Dir, stage)
	entry := filepath.Join(root, hash)
	value := filepath.Join(entry, "value")
	if checkEntry(entry, preimage) == nil {
		return value, true, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", false, fmt.Errorf("stage %s: the cache cannot be written: %w", stage, err)
	}
	unlock, err := lock(ctx, entry+".lock")
	if err != nil {
		return "", false, fmt.Errorf("stage %s: %w", stage, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()

	switch err := checkEntry(entry, preimage); {
	case err == nil:
		return value, true, nil
	case exists(entry):
		if err := c.setAside(root, hash, err); err != nil {
			return "", false, fmt.Errorf("stage %s: %w", stage, err)
		}
	}
	c.removeLeftovers(root, hash)
	if err := makeEntry(root, hash, preimage, build); err != nil {
		return "", false, fmt.Errorf("stage %s: %w", stage, err)
	}
	return value, false, nil
}

// exists reports whether there is anything at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// setAside renames a damaged entry.
func (c Cache) setAside(root, hash string, fault error) error {
	aside, err := os.MkdirTemp(root, "corrupt-"+hash+"-")
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(root, hash), filepath.Join(aside, "entry")); err != nil {
		return err
	}
	c.warn(fmt.Errorf("damaged cache entry set aside as %s: %w", aside, fault))
	return nil
}

// removeLeftovers removes unfinished work whose owner is dead: of the entry
// whose lock is held here, and of others whose lock nobody holds.
func (c Cache) removeLeftovers(root, hash string) {
	files, err := os.ReadDir(root)
	if err != nil {
		c.warn(err)
		return
	}
	for _, f := range files {
		m := tmpName.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		unlock := func() error { return nil }
		if m[1] != hash {
			var ok bool
			if unlock, ok, err = tryLock(filepath.Join(root, m[1]+".lock")); err != nil || !ok {
				continue // its owner is alive, or whoever comes later may look
			}
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(root, f.Name())), unlock()); err != nil {
			c.warn(fmt.Errorf("unfinished work of a dead process: %w", err))
		}
	}
}

// warn passes a warning on.
func (c Cache) warn(err error) {
	if c.Warn != nil {
		c.Warn(err)
	}
}

// makeEntry builds an entry under another name, syncs it and renames it. The
// lock is held.
func makeEntry(root, hash string, preimage []byte, build func(tmp string) error) (err error) {
	tmp, err := os.MkdirTemp(root, "tmp-"+hash+"-")
	if err != nil {
		return fmt.Errorf("the cache cannot be written: %w", err)
	}
	done := false
	defer func() { // also when build panics
		if !done {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	value := filepath.Join(tmp, "value")
	if err := os.Mkdir(value, 0o755); err != nil {
		return err
	}
	if err := build(value); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "key.json"), preimage, 0o644); err != nil {
		return err
	}
	if err := syncTree(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(root, hash)); err != nil {
		return err
	}
	done = true
	return syncPath(root)
}

// syncTree syncs all files and folders below dir, so that no rename outlives
// the content.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncPath(path)
	})
}

// syncPath syncs a file or folder. That a file system cannot sync folders is
// no fault.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if err = f.Sync(); info.IsDir() {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}

// lock waits for a lock file until ctx ends.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		unlock, ok, err := tryLock(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the cache cannot be locked for writing: %w", err)
		case ok:
			return unlock, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s, which another process holds: %w", path, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
