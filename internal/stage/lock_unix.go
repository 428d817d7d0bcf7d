//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// flock is the system's; tests put others in its place.
var flock = syscall.Flock

// tryFlock locks an open file without waiting. ok is false if another open
// file, here or in another process, holds a lock that excludes this one.
func tryFlock(f *os.File, how int) (ok bool, err error) {
	for {
		err = flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	}
	return false, fmt.Errorf("%w; a cache wants a file system with locks: name another with --cache DIR",
		&os.PathError{Op: "flock", Path: f.Name(), Err: err})
}

// tryLock takes the lock of a file, which is made if need be and never
// removed. The system releases it when the process dies. ok is false if
// another open file, here or in another process, holds the lock.
func tryLock(path string) (unlock func() error, ok bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, false, err
	}
	ok, err = tryFlock(f, syscall.LOCK_EX)
	if !ok {
		return nil, false, errors.Join(err, f.Close())
	}
	return f.Close, true, nil
}

// holdUse marks an entry as in use until the file is closed. It is nil where
// that cannot be: in a cache that cannot be written or has no locks. An entry
// that is gone, or being deleted, is fs.ErrNotExist.
func holdUse(entry string) (*os.File, error) {
	path := filepath.Join(entry, usedFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, nil // whoever opens the entry finds out what is there
	}
	ok, err := tryFlock(f, syscall.LOCK_SH)
	if err != nil {
		return nil, f.Close()
	}
	if !ok || !isAt(f, path) {
		return nil, errors.Join(&os.PathError{Op: "open", Path: entry, Err: fs.ErrNotExist}, f.Close())
	}
	return f, nil
}

// isAt reports whether an open file is still the one at path.
func isAt(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// unused takes an entry that nobody uses away from those who might; ok is
// false while somebody does.
func unused(entry string) (release func() error, ok bool, err error) {
	return tryLock(filepath.Join(entry, usedFile))
}
