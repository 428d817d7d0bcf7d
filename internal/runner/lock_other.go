//go:build !unix

package runner

import "os"

// lockRecords opens the records file at path; there are no locks here.
func lockRecords(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
}
