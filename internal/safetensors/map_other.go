//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package safetensors

import (
	"fmt"
	"io"
)

// MapFile reads the file into memory, where no memory map is at hand.
func MapFile(path string) (b []byte, unmap func() error, err error) {
	f, size, err := statSize(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b = make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, func() error { return nil }, nil
}
