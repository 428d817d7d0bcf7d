//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package stage

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// TestNoLocks: on a file system whose locks fail, as on some network mounts,
// nothing is made without a lock, and what is there can be used.
func TestNoLocks(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if _, _, err := do(c, context.Background(), 1, put("v")); err != nil {
		t.Fatal(err)
	}
	defer func(f func(int, int) error) { flock = f }(flock)
	flock = func(int, int) error { return syscall.ENOLCK }
	if dir, hit, err := do(c, context.Background(), 1, fail); err != nil || !hit || read(t, dir) != "v" {
		t.Errorf("hit %v, %v", hit, err)
	}
	_, _, err := do(c, context.Background(), 2, fail)
	if !errors.Is(err, syscall.ENOLCK) || !strings.Contains(err.Error(), c.Dir) || !strings.Contains(err.Error(), "--cache DIR") {
		t.Errorf("got %v", err)
	}
	interrupted := 0
	flock = func(int, int) error {
		if interrupted++; interrupted < 3 {
			return syscall.EINTR
		}
		return nil
	}
	if _, hit, err := do(c, context.Background(), 2, put("w")); err != nil || hit {
		t.Errorf("after signals: %v, %v", hit, err)
	}
}
