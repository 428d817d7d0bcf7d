package svdllm

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/asvd"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func rootOf(t *testing.T, m *quanttest.Matrix) linalg.Root {
	t.Helper()
	root, err := NewRoot(quanttest.Narrow(m.H), m.In, m.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestReference holds the unrounded factors to the whitened decomposition of
// numpy in float64. The output error is the least of its rank: it may be above
// by 10⁻⁶ and never below. The copied H is rounded to float32.
func TestReference(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		quanttest.LowRanks(t, s, "svdllm", func(t *testing.T, m *quanttest.Matrix, rank int, want quanttest.LowRank) {
			d, err := decompose(gemm.Config{}, m.W, m.Out, m.In, rootOf(t, m), rank, 0)
			if err != nil {
				t.Fatal(err)
			}
			what := quanttest.Product(d, m.Out, m.In)
			if got := m.OutputError(what); !quanttest.Close(got, want.OutputError, 1e-6) {
				t.Errorf("output error %.10g, want %.10g", got, want.OutputError)
			}
			if got := m.RelativeFrobenius(what); !quanttest.Close(got, want.RelF, 1e-6) {
				t.Errorf("relF %.10g, want %.10g", got, want.RelF)
			}
		})
	})
}

// eigenvalues returns those of W·H·Wᵀ, falling, in float64: the squares of the
// whitened singular values, of which neither a root of H nor W·S is needed.
func eigenvalues(t *testing.T, m *quanttest.Matrix) []float64 {
	t.Helper()
	w := mat.NewDense(m.Out, m.In, quanttest.Widen(m.W))
	var wh, whw mat.Dense
	wh.Mul(w, mat.NewDense(m.In, m.In, m.H))
	whw.Mul(&wh, w.T())
	s := mat.NewSymDense(m.Out, nil)
	for i := range m.Out {
		for j := range i + 1 {
			s.SetSym(i, j, whw.At(i, j))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(s, false) {
		t.Fatal("gonum: eigenvalues failed")
	}
	v := e.Values(nil)
	slices.Reverse(v)
	return v
}

// outputOptimum is the least tr ΔHΔᵀ/tr WHWᵀ of a rank.
func outputOptimum(values []float64, rank int) float64 {
	var all, left float64
	for i, v := range values {
		all += v
		if i >= rank {
			left += v
		}
	}
	return left / all
}

// shortOf returns a matrix whose inputs are only so many tokens, fewer than it
// has input channels.
func shortOf(out, in, tokens int) *quanttest.Matrix {
	rng := rand.New(rand.NewPCG(7, 8))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	x := make([][]float64, tokens)
	for i := range x {
		x[i] = make([]float64, in)
		for j := range x[i] {
			x[i][j] = rng.NormFloat64() * math.Exp(rng.NormFloat64())
		}
	}
	return quanttest.FromInputs(w, out, in, x)
}

// TestOptimal: at every rank the H-weighted error of the unrounded factors is
// that of the eigenvalues, and at most that of svd and asvd, also where H is
// singular: with a dead channel (heavy) or with fewer tokens than channels.
//
// An error of float32 in A = W·S moves the subspace, whose error changes with
// the square of that: 10⁻⁶ of the optimum is ample. Rounding H of few tokens to
// float32 makes eigenvalues of ±2⁻²⁴·‖H‖ out of those that are 0, and as much
// of the whole is left of an error of 0.
func TestOptimal(t *testing.T) {
	s := quanttest.Copied(t)
	for name, m := range map[string]*quanttest.Matrix{
		"heavy": s.Matrix(t, quanttest.Heavy), "gauss": s.Matrix(t, quanttest.Gauss), "short": shortOf(48, 64, 40),
	} {
		var zero float64
		if name == "short" {
			zero = 0x1p-22
		}
		values := eigenvalues(t, m)
		root := rootOf(t, m)
		for _, rank := range []int{1, 5, 24, min(m.Out, m.In) - 1} {
			d, err := decompose(gemm.Config{}, m.W, m.Out, m.In, root, rank, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, best := m.Weighted(quanttest.Product(d, m.Out, m.In)), outputOptimum(values, rank)
			if !(got <= best*(1+1e-6)+zero && got >= best*(1-1e-6)-zero) {
				t.Errorf("%s rank %d: error %.10g, optimum %.10g", name, rank, got, best)
			}
			plain, err := svd.Decompose(gemm.Config{}, m.W, m.Out, m.In, rank, 0)
			if err != nil {
				t.Fatal(err)
			}
			scaled, err := svd.Scaled(gemm.Config{}, m.W, asvd.Scale(m.W, m.MeanAbs, 0.5), m.Out, m.In, rank, 0)
			if err != nil {
				t.Fatal(err)
			}
			for other, d := range map[string]linalg.SVD{"svd": plain, "asvd": scaled} {
				if e := m.Weighted(quanttest.Product(d, m.Out, m.In)); !(got <= e*(1+1e-6)+zero) {
					t.Errorf("%s rank %d: error %.10g, %s has %.10g", name, rank, got, other, e)
				}
			}
		}
	}
}

// TestSpectrum: the whitened singular values are numpy's, which are those of
// W·chol(XᵀX) and so √(T/2) times ours.
func TestSpectrum(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
			m := s.Matrix(t, name)
			want, _ := s.Values(t, "svd", name+".whitened_singular_values")
			got, err := svd.SpectrumOf(gemm.Config{}, Whiten(gemm.Config{}, m.W, m.Out, m.In, rootOf(t, m)), m.Out, m.In, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Sigma {
				// Rounding A to float32 moves σ by at most 2⁻²⁴·‖A‖F (Weyl);
				// H was rounded too.
				if v *= math.Sqrt(float64(m.Tokens) / 2); !(math.Abs(v-want[i]) <= 4*0x1p-24*want[0]) {
					t.Errorf("%s: σ[%d] = %.12g, want %.12g", name, i, v, want[i])
				}
			}
		}
	})
}

// TestCompress: rounding the factors to f16 adds to the output error no more
// than 2⁻¹⁰ of every entry's products would.
func TestCompress(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
		m := s.Matrix(t, name)
		root := rootOf(t, m)
		p, energy, err := Compress(gemm.Config{}, m.W, m.Out, m.In, root, 24, 0)
		if err != nil {
			t.Fatal(err)
		}
		what := make([]float32, len(m.W))
		p.Dequantize(what, 0, m.Out)
		got, best := m.Weighted(quanttest.Widen(what)), outputOptimum(eigenvalues(t, m), 24)
		if !(got >= best && math.Sqrt(got) <= math.Sqrt(best)+0x1p-10) {
			t.Errorf("%s: error %v, optimum %v", name, got, best)
		}
		if !quanttest.Close(1-energy, best, 1e-4) {
			t.Errorf("%s: energy %v, want %v", name, energy, 1-best)
		}
	}
}

func TestErrors(t *testing.T) {
	if errs := DefaultOptions().Size().Check(); errs != nil {
		t.Error(errs)
	}
	h := []float32{1, float32(math.NaN()), float32(math.NaN()), 1}
	if _, err := NewRoot(h, 2, 1); err == nil || err.Error() != "second moments: linalg: entry [1,0] is NaN, want a finite number" {
		t.Error(err)
	}
	root, err := NewRoot(make([]float32, 4), 2, 8) // inputs that are all zero: 10⁻⁶·2/8
	if err != nil || root.Shift != 1e-6/4 {
		t.Fatal(root.Shift, err)
	}
	w := []float32{1, 2, 3, 4}
	if _, _, err := Compress(gemm.Config{}, w, 2, 2, root, 3, 0); err == nil || !strings.HasPrefix(err.Error(), "svdllm: rank: 3 for a 2×2 matrix, want 1 to 2") {
		t.Error(err)
	}
	p, _, err := Compress(gemm.Config{}, w, 2, 2, root, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	what := make([]float32, 4)
	p.Dequantize(what, 0, 2)
	for i, x := range what {
		if !(math.Abs(float64(x-w[i])) <= 0x1p-8) {
			t.Errorf("Ŵ[%d] = %v, want %v: full rank under dead inputs", i, x, w[i])
		}
	}
}
