// Package kerneltest holds the tests that every kernels.Device must pass. All
// compare a device with straightforward float64 computations of its own, under
// tolerances derived from the arithmetic; none knows how a device works, only
// the sizes around which implementations change their ways.
package kerneltest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/kernels"
)

// Run runs every test on d.
func Run(t *testing.T, d kernels.Device) {
	t.Run("Buffers", func(t *testing.T) { Buffers(t, d) })
	t.Run("Mul", func(t *testing.T) { Mul(t, d) })
	t.Run("MulExtremes", func(t *testing.T) { MulExtremes(t, d) })
	t.Run("Embed", func(t *testing.T) { Embed(t, d) })
	t.Run("Upload", func(t *testing.T) { Upload(t, d) })
	t.Run("RMSNorm", func(t *testing.T) { RMSNorm(t, d) })
	t.Run("RoPE", func(t *testing.T) { RoPE(t, d) })
	t.Run("Attention", func(t *testing.T) { Attention(t, d) })
	t.Run("SwiGLU", func(t *testing.T) { SwiGLU(t, d) })
	t.Run("Add", func(t *testing.T) { Add(t, d) })
	t.Run("Gram", func(t *testing.T) { Gram(t, d) })
}

// u is the unit roundoff of float32.
const u = 1.0 / (1 << 24)

// gamma returns γ_n = n·u/(1-n·u), which bounds the relative error that n
// roundings make together (Higham, Accuracy and Stability of Numerical
// Algorithms, §3.1).
func gamma(n int) float64 {
	nu := float64(n) * u
	return nu / (1 - nu)
}

// dotBound returns a bound c on the error c·|x|ᵀ|y| of an n-term float32 dot
// product in any order of summation: the smaller of γ_n, which always holds,
// and exp(λ·√n·u + n·u²/(1-u)) - 1, which holds with probability above
// 1 - 2n·exp(-λ²/2) for roundings of mean zero (Higham and Mary, A New
// Approach to Probabilistic Rounding Error Analysis, SISC 2019, theorem 2.4):
// for λ = 8 and n = 10⁴ that leaves 3·10⁻¹⁰. The data are fixed by seeds, so
// a test that passes goes on passing.
func dotBound(n int) float64 {
	const lambda = 8
	f := float64(n)
	return min(gamma(n), math.Expm1(lambda*math.Sqrt(f)*u+f*u*u/(1-u)))
}

// pad is the number of guard words on each side of a buffer.
const pad = 16

// guardWord is a value that no kernel computes.
const guardWord = -7.7e33

// A guarded buffer has guard words on both sides of its values.
type guarded struct {
	v      kernels.Buffer // the values
	name   string
	all    kernels.Buffer
	d      kernels.Device
	before []float32 // the values put in
}

// guard makes a buffer that holds v between guard words.
func guard(t *testing.T, d kernels.Device, name string, v []float32) guarded {
	t.Helper()
	all, err := d.NewBuffer(len(v) + 2*pad)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, len(v)+2*pad)
	for i := range w {
		w[i] = guardWord
	}
	copy(w[pad:], v)
	d.Write(all, w)
	return guarded{all.Slice(pad, pad+len(v)), name, all, d, v}
}

// output is guard of n values that the kernel has to overwrite.
func output(t *testing.T, d kernels.Device, name string, n int) guarded {
	t.Helper()
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return guard(t, d, name, v)
}

// values returns the values and fails the test if a guard word has changed.
func (g guarded) values(t *testing.T) []float32 {
	t.Helper()
	if err := g.d.Sync(); err != nil {
		t.Fatal(err)
	}
	v := make([]float32, g.all.Len())
	g.d.Read(v, g.all)
	for i := range pad {
		if v[i] != guardWord || v[len(v)-1-i] != guardWord {
			t.Fatalf("wrote outside %s", g.name)
		}
	}
	return v[pad : len(v)-pad]
}

// unchanged fails the test if the values or guard words have changed.
func (g guarded) unchanged(t *testing.T) {
	t.Helper()
	for i, v := range g.values(t) {
		if math.Float32bits(v) != math.Float32bits(g.before[i]) {
			t.Fatalf("%s[%d] was an argument and has changed from %v to %v", g.name, i, g.before[i], v)
		}
	}
}

// within fails the test unless |got[i]-want[i]| <= bound[i] for all i.
func within(t *testing.T, got []float32, want, bound []float64) {
	t.Helper()
	for i, g := range got {
		if e := math.Abs(float64(g) - want[i]); !(e <= bound[i]) { // !(<=) also catches NaN
			t.Fatalf("y[%d] = %v, want %v ± %.3g (off by %.3g)", i, g, want[i], bound[i], e)
		}
	}
}

// normal returns n normal values.
func normal(rnd *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rnd.NormFloat64())
	}
	return v
}

// Buffers checks that memory is zero at first, that Slice shares it, and that
// Write, Read and Copy move what they say and no more.
func Buffers(t *testing.T, d kernels.Device) {
	b, err := d.NewBuffer(10)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 10)
	check := func(what string, want ...float32) {
		t.Helper()
		d.Read(got, b)
		for i, w := range want {
			if got[i] != w {
				t.Fatalf("after %s: %v, want %v", what, got, want)
			}
		}
	}
	if b.Len() != 10 || b.Slice(3, 7).Len() != 4 {
		t.Fatalf("lengths %d and %d, want 10 and 4", b.Len(), b.Slice(3, 7).Len())
	}
	check("NewBuffer", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	d.Write(b.Slice(2, 10), []float32{1, 2, 3})
	check("Write", 0, 0, 1, 2, 3, 0, 0, 0, 0, 0)
	d.Copy(b.Slice(6, 9), b.Slice(2, 5), 2)
	check("Copy", 0, 0, 1, 2, 3, 0, 1, 2, 0, 0)
	part := make([]float32, 2)
	d.Read(part, b.Slice(3, 9))
	if part[0] != 2 || part[1] != 3 {
		t.Fatalf("Read of a slice: %v, want [2 3]", part)
	}
	if _, err := d.NewBuffer(-1); err == nil {
		t.Fatal("NewBuffer(-1): no error")
	}
}
