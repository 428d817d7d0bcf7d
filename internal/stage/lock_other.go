//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package stage

import (
	"errors"
	"io/fs"
	"os"
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
