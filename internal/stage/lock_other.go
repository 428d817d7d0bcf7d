//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package stage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// tryLock takes a lock by making a file, on systems without flock. A process
// that dies leaves the file, which then has to be removed by hand.
func tryLock(path string) (unlock func() error, ok bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return func() error { return errors.Join(f.Close(), os.Remove(path)) }, true, nil
}

// holdUse opens the marker of an entry, so that its time can be set. Uses
// cannot be told here.
func holdUse(entry string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(entry, usedFile), os.O_RDWR, 0)
	if err != nil {
		return nil, nil // whoever opens the entry finds out what is there
	}
	return f, nil
}

// unused is never sure on systems without flock: nothing is deleted there.
func unused(string) (release func() error, ok bool, err error) { return nil, false, nil }

// isAt cannot be asked: a lock is a file of its holder's.
func isAt(*os.File, string) bool { return true }
