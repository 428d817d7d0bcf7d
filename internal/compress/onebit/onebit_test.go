package onebit

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func compress(t testing.TB, w []float32, out, in int) *packed.Signs {
	t.Helper()
	p, err := Compress(gemm.Config{}, w, out, in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func dequantized(w packed.Weight) []float64 {
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	return quanttest.Widen(v)
}

// TestReference compares the error with that of numpy's NMF from a random
// start. Rounding both vectors to f16 changes a weight by at most 2·2⁻¹¹ of
// itself, and what is lost by it stands at right angles to the optimum's error
// only in part: 2⁻¹⁰ of ‖Ŵ‖/‖W‖ ≤ 1.
func TestReference(t *testing.T) {
	s := quanttest.Copied(t)
	refs, _ := quanttest.Results[struct {
		EF float64 `json:"e_F"`
	}](t, s, "binary")
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		e := m.RelativeFrobenius(dequantized(compress(t, m.W, m.Out, m.In)))
		if want := refs[name+".onebit"].EF; !(math.Abs(e-want) <= 0x1p-10) {
			t.Errorf("%s: e_F %v, want %v", name, e, want)
		}
	}
}

// TestLeading compares the leading singular value and the error with gonum's
// decomposition of |W|; ‖|W| − σuvᵀ‖² = ‖W‖² − σ₁² is the least there is.
func TestLeading(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{1, 1}, {1, 7}, {9, 1}, {13, 70}, {130, 65}} {
		out, in := shape[0], shape[1]
		w, a := make([]float32, out*in), make([]float64, out*in)
		var squares float64
		for i := range w {
			w[i] = float32(rng.NormFloat64() * math.Exp(rng.NormFloat64()))
			a[i] = math.Abs(float64(w[i]))
			squares += a[i] * a[i]
		}
		var svd mat.SVD
		if !svd.Factorize(mat.NewDense(out, in, a), mat.SVDNone) {
			t.Fatal("gonum's decomposition failed")
		}
		best := svd.Values(nil)[0]
		sigma, u, v := leading(gemm.Config{}, w, out, in)
		var e float64
		for i, x := range a {
			d := x - sigma*u[i/in]*v[i%in]
			e += d * d
		}
		if !quanttest.Close(sigma, best, 1e-12) || !(math.Abs(e-(squares-best*best)) <= 1e-12*squares) {
			t.Errorf("%d×%d: σ %v, want %v; error %v, want %v", out, in, sigma, best, e, squares-best*best)
		}
		if slices.Min(u) < 0 || slices.Min(v) < 0 {
			t.Errorf("%d×%d: a negative magnitude", out, in)
		}
	}
}

// TestExact: a matrix whose magnitudes have rank 1 comes back within the
// rounding of two f16 factors, (1+2⁻¹¹)² − 1.
func TestExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const out, in = 11, 37
	a, b := make([]float64, out), make([]float64, in)
	for i := range a {
		a[i] = math.Exp(rng.NormFloat64())
	}
	for i := range b {
		b[i] = math.Exp(rng.NormFloat64())
	}
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(a[i/in] * b[i%in] * float64(2*rng.IntN(2)-1))
	}
	for i, v := range dequantized(compress(t, w, out, in)) {
		if x := float64(w[i]); !(math.Abs(v-x) <= math.Abs(x)*(0x1p-10+0x1p-20)) {
			t.Fatalf("[%d,%d] is %v, was %v", i/in, i%in, v, x)
		}
	}
}

// TestCheck12Bits counts bytes: 1 + 16(n+d)/(nd) bits, 1.0078125 at 4096², and
// at 5×13 a plane of 9 bytes.
func TestCheck12Bits(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		out, in int
		want    float64 // bits
	}{
		{64, 256, 64 * 256 * (1 + 16*320./(64*256))},
		{40, 128, 40 * 128 * (1 + 16*168./(40*128))},
		{5, 13, 8 * (9 + 2*18)},
	} {
		w := make([]float32, c.out*c.in)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		p := compress(t, w, c.out, c.in)
		var parts int64
		for _, part := range p.Parts() {
			parts += int64(len(part.Data))
		}
		if 8*float64(p.Bytes()) != c.want || p.Bytes() != StoredBytes(c.out, c.in) || parts != p.Bytes() {
			t.Errorf("%d×%d: %d bytes, parts %d, formula %d, want %v bits", c.out, c.in, p.Bytes(), parts, StoredBytes(c.out, c.in), c.want)
		}
		if d := Draw(c.out, c.in, rng); d.Bytes() != p.Bytes() || d.Check() != nil {
			t.Errorf("%d×%d: drawn %d bytes, %v", c.out, c.in, d.Bytes(), d.Check())
		}
	}
	if bits := 8 * float64(StoredBytes(4096, 4096)) / 4096 / 4096; bits != 1.0078125 {
		t.Errorf("4096²: %v bits", bits)
	}
}

// TestHardShapes: zeros stay zeros, one value stays itself, a matrix of two
// equal leading singular values has an answer, and an error names a weight.
func TestHardShapes(t *testing.T) {
	for _, v := range dequantized(compress(t, make([]float32, 6), 2, 3)) {
		if v != 0 {
			t.Errorf("0 became %v", v)
		}
	}
	for _, v := range dequantized(compress(t, slices.Repeat([]float32{-0.25}, 35), 5, 7)) {
		if !quanttest.Close(v, -0.25, 0x1p-10+0x1p-20) {
			t.Errorf("-0.25 became %v", v)
		}
	}
	// I has ‖W‖² = 2 and σ = 1 twice: an error of 1 is the least.
	var e float64
	for i, v := range dequantized(compress(t, []float32{1, 0, 0, 1}, 2, 2)) {
		d := v - float64(1-(i+1)/2%2)
		e += d * d
	}
	if !(math.Abs(e-1) <= 1e-3) {
		t.Errorf("identity: error %v, want 1", e)
	}
	if _, err := Compress(gemm.Config{}, []float32{1, float32(math.Inf(-1))}, 1, 2); err == nil || err.Error() != "onebit: weight [0,1] is -Inf" {
		t.Error(err)
	}
	if _, err := Compress(gemm.Config{}, []float32{1e12}, 1, 1); err == nil || !strings.HasPrefix(err.Error(), "onebit: weights too large for 16-bit vectors") {
		t.Error(err)
	}
}

// TestThreads: one and three threads make the same bits.
func TestThreads(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Heavy)
	one, _ := Compress(gemm.Config{Threads: 1}, m.W, m.Out, m.In)
	three, _ := Compress(gemm.Config{Threads: 3}, m.W, m.Out, m.In)
	if !slices.Equal(one.A, three.A) || !slices.Equal(one.B, three.B) || !slices.Equal(one.Minus, three.Minus) {
		t.Error("threads change the result")
	}
}
