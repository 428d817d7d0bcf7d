//go:build linux

package subject

import (
	"context"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sketchbench/sketchbench/internal/stage"
)

// BenchmarkOpenCold compresses a model of 67 million linear weights, bf16, of
// which the page cache holds nothing when the clock starts.
func BenchmarkOpenCold(b *testing.B) {
	c := Tiny
	c.HiddenSize, c.Intermediate, c.Layers, c.Heads, c.KVHeads, c.HeadDim = 1024, 4096, 4, 16, 16, 64
	dir := b.TempDir()
	WriteModel(b, dir, c, nil)
	for _, method := range []string{"int4", "ultrasketch", "svd"} {
		b.Run(method, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				m, err := OpenModel(dir, dir)
				if err != nil {
					b.Fatal(err)
				}
				for _, f := range m.Tensors.Files() {
					forget(b, f.Name())
				}
				e := newEnv(b, m, 2)
				e.Cache = stage.Cache{Dir: b.TempDir()}
				b.StartTimer()
				s, err := e.Open(context.Background(), defaultCase(b, method), quiet)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// forget drops a file from the page cache, except for pages that are mapped.
func forget(t testing.TB, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}
