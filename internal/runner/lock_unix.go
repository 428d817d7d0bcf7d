//go:build unix

package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockRecords holds the records file at path, which it creates if it is
// absent, against other runs: the second of two would take the first one's
// unfinished lines for those of a dead process. The lock ends with the process
// at the latest. A file system without locks does without.
func lockRecords(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%s: another run is writing to it", path), f.Close())
	}
	return f, nil
}
