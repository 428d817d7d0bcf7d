package subject

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestCompressDrawn: every method compresses a matrix of no model, to what it
// says that it stores; those that read files of others cannot.
func TestCompressDrawn(t *testing.T) {
	const n = 192
	for i := range methods {
		m := &methods[i]
		if m.Compress == nil || slices.Contains([]string{"import", "external"}, m.Name) {
			continue
		}
		c := &Case{Label: m.Name, Method: m, Options: m.New()}
		if err := c.CheckShape(n, n); err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		w, rng := make([]float32, n*n), rand.New(rand.NewPCG(1, 2))
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		what, err := c.CompressDrawn(gemm.Config{Threads: 2}, w, n, n)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		out, in := what.Dims()
		if most := m.StoredBytes(c.Options, n, n); out != n || in != n || what.Check() != nil || what.Bytes() > most {
			t.Errorf("%s: %d×%d in %d bytes, want at most %d; %v", m.Name, out, in, what.Bytes(), most, what.Check())
		}
	}
}

// TestIs: a model is itself by name, and by the bytes of its files.
func TestIs(t *testing.T) {
	m, err := OpenModel(demo.Model, "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if same, err := m.Is(demo.Model, ""); !same || err != nil {
		t.Errorf("demo is itself: %v, %v", same, err)
	}
	if _, err := m.Is("nowhere", filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("no error about a folder that is not there")
	}
	if n := len(m.Linears()); n != 42 {
		t.Errorf("%d linear layers, want 6·7", n)
	}
}
