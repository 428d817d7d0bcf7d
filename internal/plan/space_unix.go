//go:build linux || darwin

package plan

import "syscall"

// FreeBytes returns the bytes that an ordinary user may still write at path.
func FreeBytes(path string) (int64, bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(path, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
