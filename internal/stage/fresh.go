package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// freshPrefix begins the names of caches that last for one process.
const freshPrefix = "fresh-"

// ownerFile, in such a cache, is locked while its process lives.
const ownerFile = "owner.lock"

// Fresh makes an empty cache inside dir that lasts until remove is called. If
// the process is killed before, RemoveDead removes it.
func Fresh(dir string) (fresh string, remove func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("the cache cannot be written: %w; name another with --cache DIR", err)
	}
	for {
		fresh, err := os.MkdirTemp(dir, freshPrefix)
		if err != nil {
			return "", nil, fmt.Errorf("the cache cannot be written: %w; name another with --cache DIR", err)
		}
		owner := filepath.Join(fresh, ownerFile)
		unlock, ok, err := tryLock(owner)
		if err != nil {
			return "", nil, errors.Join(fmt.Errorf("the cache cannot be locked: %w", err), os.RemoveAll(fresh))
		}
		// Another process may have taken the folder for a dead one's before
		// the lock was held.
		if ok && exists(owner) {
			return fresh, func() error { return errors.Join(unlock(), os.RemoveAll(fresh)) }, nil
		}
		if ok {
			err = unlock()
		}
		if err != nil {
			return "", nil, err
		}
	}
}

// RemoveDead removes the caches inside dir that Fresh made for processes that
// have died since, and returns their paths. What cannot be removed is left.
func RemoveDead(dir string) (removed []string, err error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil // whoever makes something there finds out why
	}
	var errs []error
	for _, f := range found {
		path := filepath.Join(dir, f.Name())
		owner := filepath.Join(path, ownerFile)
		if !f.IsDir() || !strings.HasPrefix(f.Name(), freshPrefix) || !exists(owner) {
			continue
		}
		unlock, ok, err := tryLock(owner)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if !ok {
			continue
		}
		err = errors.Join(os.RemoveAll(path), unlock())
		if errs = append(errs, err); err == nil {
			removed = append(removed, path)
		}
	}
	return removed, errors.Join(errs...)
}
