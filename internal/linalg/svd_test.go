package linalg

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func normal(m, n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 2))
	a := make([]float32, m*n)
	for i := range a {
		a[i] = float32(rng.NormFloat64())
	}
	return a
}

// decaying returns a matrix with singular values near (1+i)^-1: normal rows
// scaled, then mixed.
func decaying(m, n int) []float32 {
	k := min(m, n)
	l, r := normal(m, k, 3), normal(k, n, 4)
	for i := range k {
		for j := range n {
			r[i*n+j] /= float32(i+1) * float32(math.Sqrt(float64(m*n)))
		}
	}
	a := make([]float32, m*n)
	gemm.Config{}.Gemm(false, false, m, n, k, 1, l, k, r, n, 0, a, n)
	return a
}

func singularValues(t testing.TB, a []float32, m, n int) []float64 {
	t.Helper()
	var s mat.SVD
	if !s.Factorize(dense(a, m, n), mat.SVDNone) {
		t.Fatal("gonum: SVD failed")
	}
	return s.Values(nil)
}

// relativeError is ‖A − U·diag(S)·V‖F/‖A‖F in float64.
func relativeError(a []float32, s SVD, m, n int) float64 {
	k := len(s.S)
	u := dense(s.U, m, k)
	u.Mul(u, mat.NewDiagDense(k, s.S))
	var p mat.Dense
	p.Mul(u, dense(s.V, k, n))
	d := dense(a, m, n)
	norm := mat.Norm(d, 2)
	d.Sub(d, &p)
	return mat.Norm(d, 2) / norm
}

// tail is what the best approximation of rank k leaves: (Σ_{i≥k}σ²/Σσ²)^½.
func tail(sigma []float64, k int) float64 {
	var all, left float64
	for i, s := range sigma {
		all += s * s
		if i >= k {
			left += s * s
		}
	}
	return math.Sqrt(left / all)
}

// checkSVD checks what holds of any truncated decomposition: singular values
// fall, vectors are orthonormal, signs are fixed, Residual is the error.
func checkSVD(t *testing.T, a []float32, s SVD, m, n int) {
	t.Helper()
	k := len(s.S)
	if !slices.IsSortedFunc(s.S, func(x, y float64) int { return int(math.Copysign(1, y-x)) * b2i(x != y) }) {
		t.Errorf("singular values %v do not fall", s.S)
	}
	// A column of U is a sum of l terms of an orthonormal basis. A row of V is
	// divided by σ, and carries a rounding of some u·‖A‖F/σ.
	for name, x := range map[string]*mat.Dense{"U": dense(s.U, m, k), "V": mat.DenseCopyOf(dense(s.V, k, n).T())} {
		var g mat.Dense
		g.Mul(x.T(), x)
		for i := range k {
			for j := range k {
				want := float64(b2i(i == j))
				tol := 0x1p-24 * (20 + 2*s.S[0]/s.S[max(i, j)]*math.Sqrt(float64(k+8)))
				if e := math.Abs(g.At(i, j) - want); !(e <= tol) {
					t.Fatalf("%s: product of vectors %d and %d is off by %.2g, want at most %.2g", name, i, j, e, tol)
				}
			}
		}
	}
	for i := range k {
		column := make([]float64, m)
		for j := range m {
			column[j] = float64(s.U[j*k+i])
		}
		if slices.Max(column) < -slices.Min(column) {
			t.Errorf("the largest entry of column %d of U is negative", i)
		}
	}
	if e := relativeError(a, s, m, n); !(math.Abs(s.Residual-e) <= 1e-4*e+2e-7) {
		t.Errorf("Residual = %v, want %v", s.Residual, e)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestExactSVD compares with gonum's singular values. The error is within
// float32 rounding of the optimum and cannot be below it.
func TestExactSVD(t *testing.T) {
	for _, d := range [][3]int{{1, 1, 1}, {1, 9, 1}, {9, 1, 1}, {5, 5, 5}, {40, 30, 7}, {30, 77, 30}, {130, 64, 20}, {96, 256, 32}} {
		m, n, k := d[0], d[1], d[2]
		a := decaying(m, n)
		s, err := RandomizedSVD(gemm.Config{}, a, m, n, k, DefaultSVDOptions())
		if err != nil {
			t.Fatal(err)
		}
		checkSVD(t, a, s, m, n)
		want := singularValues(t, a, m, n)
		for i := range k {
			if e := math.Abs(s.S[i] - want[i]); !(e <= 1e-6*want[0]) {
				t.Errorf("%v: σ[%d] = %v, want %v", d, i, s.S[i], want[i])
			}
		}
		e, best := relativeError(a, s, m, n), tail(want, k)
		if !(e >= best*(1-1e-7) && e <= best*(1+1e-6)+1e-6) {
			t.Errorf("%v: error %v, want %v", d, e, best)
		}
	}
}

// withValues returns an m×n matrix with the given singular values.
func withValues(t *testing.T, m, n int, sigma []float64) []float32 {
	t.Helper()
	k := len(sigma)
	u, _, err := orthonormalize(gemm.Config{}, normal(k, m, 8), k, m, maxPasses)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := orthonormalize(gemm.Config{}, normal(k, n, 9), k, n, maxPasses)
	if err != nil {
		t.Fatal(err)
	}
	for i := range u {
		u[i] *= float32(sigma[i/m])
	}
	a := make([]float32, m*n)
	gemm.Config{}.Gemm(true, false, m, n, k, 1, u, m, v, n, 0, a, n)
	return a
}

// TestRandomizedSVD checks the random path where singular values fall slowly,
// as 1/i, and after a gap. The excess over the optimum is what
// reference/README.md allows a randomized decomposition, 1e-4. After the gap q
// power iterations alone leave of the angle between the subspaces some
// (σ_{k+1}/σ_k)^{2q+1}·√(k·n)/p, here 0.2⁵·10 = 0.003, whose square stands to
// the tail as 1e-5·k to 0.04·(n−k).
func TestRandomizedSVD(t *testing.T) {
	opts := DefaultSVDOptions()
	opts.Exact = 0
	for _, d := range [][3]int{{100, 80, 4}, {80, 100, 16}, {200, 300, 32}, {300, 200, 63}} {
		m, n, k := d[0], d[1], d[2]
		gap := make([]float64, min(m, n))
		for i := range gap {
			gap[i] = 0.2
			if i < k {
				gap[i] = 1 + 1/float64(1+i)
			}
		}
		for name, a := range map[string][]float32{"slow": decaying(m, n), "gap": withValues(t, m, n, gap)} {
			want := singularValues(t, a, m, n)
			for seed := range uint64(2) {
				opts.Seed = seed
				s, err := RandomizedSVD(gemm.Config{}, a, m, n, k, opts)
				if err != nil {
					t.Fatal(err)
				}
				checkSVD(t, a, s, m, n)
				e, best := relativeError(a, s, m, n), tail(want, k)
				t.Logf("%s %v: excess %.2g", name, d, e/best-1)
				if !(e >= best*(1-1e-7) && e <= best*(1+1e-4)) {
					t.Errorf("%s %v: error %v, want %v", name, d, e, best)
				}
			}
		}
	}
}

// sketchBound is how far the error of a random basis with p extra columns may
// exceed the optimum whatever the spectrum: without power iterations, in
// expectation a factor of √(1+k/(p−1)) (Halko, Martinsson and Tropp, theorem 10.5).
func sketchBound(k, p int) float64 { return math.Sqrt(1 + float64(k)/float64(p-1)) }

// TestSVDReference compares with the errors of reference/quant/svd.json:
// nothing may be below them, the exact path is within float32 rounding of
// them, the random one within its bound: these spectra are flat.
func TestSVDReference(t *testing.T) {
	inputs := readReference(t, "inputs.safetensors")
	sigma := readReference(t, "svd.safetensors")
	b, err := os.ReadFile(sharedtest.Dir(t, "reference", "quant", "svd.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Results map[string]struct{ SVD struct{ RelF float64 } }
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gate", "q", "heavy", "gauss"} {
		w := inputs[name+".W"]
		m, n := w.shape[0], w.shape[1]
		a := narrow(w.data)
		for _, k := range []int{1, 2, 4, 8, 16, 32} {
			want := ref.Results[fmt.Sprintf("%s.r%d", name, k)].SVD.RelF
			s, err := RandomizedSVD(gemm.Config{}, a, m, n, k, DefaultSVDOptions())
			if err != nil {
				t.Fatal(err)
			}
			e := relativeError(a, s, m, n)
			if !(e >= want*(1-1e-7) && e <= want*(1+1e-6)) {
				t.Errorf("%s, rank %d: error %v, want %v", name, k, e, want)
			}
			for i, got := range s.S {
				if v := sigma[name+".singular_values"].data[i]; !(math.Abs(got-v) <= 1e-6*v) {
					t.Errorf("%s, rank %d: σ[%d] = %v, want %v", name, k, i, got, v)
				}
			}
			opts := DefaultSVDOptions()
			opts.Exact = 0
			s, err = RandomizedSVD(gemm.Config{}, a, m, n, k, opts)
			if err != nil {
				t.Fatal(err)
			}
			e = relativeError(a, s, m, n)
			t.Logf("%s, rank %d: random excess %.2g", name, k, e/want-1)
			if !(e >= want*(1-1e-7) && e <= want*sketchBound(k, 8)) {
				t.Errorf("%s, rank %d: random error %v, want %v", name, k, e, want)
			}
		}
	}
}

// TestRankDeficient checks that values below working precision are zero, with
// zero vectors, and that an exact low rank leaves no error.
func TestRankDeficient(t *testing.T) {
	const m, n, r, k = 120, 90, 5, 20
	l, v := normal(m, r, 5), normal(r, n, 6)
	low := make([]float32, m*n)
	gemm.Config{}.Gemm(false, false, m, n, r, 1, l, r, v, n, 0, low, n)
	few := make([]float32, m*n) // only three rows are not zero
	copy(few[7*n:], normal(3, n, 7))
	faint := make([]float32, m*n)
	for i, x := range low {
		faint[i] = x * 1e-43
	}
	for name, a := range map[string][]float32{"low": low, "few": few, "zero": make([]float32, m*n), "faint": faint} {
		want := map[string]int{"low": r, "few": 3}[name]
		for _, exact := range []int{0, 400} {
			opts := DefaultSVDOptions()
			opts.Exact = exact
			s, err := RandomizedSVD(gemm.Config{}, a, m, n, k, opts)
			if err != nil {
				t.Fatal(err)
			}
			rank := 0
			for rank < k && s.S[rank] > 0 {
				rank++
			}
			if rank != want {
				t.Errorf("%s, exact %d: rank %d, want %d", name, exact, rank, want)
			}
			for i := rank; i < k; i++ {
				for j := range m {
					if s.S[i] != 0 || s.U[j*k+i] != 0 {
						t.Fatalf("%s: value or vector %d is not 0", name, i)
					}
				}
			}
			if name == "faint" {
				if s.Residual != 1 {
					t.Errorf("faint: residual %v, want 1", s.Residual)
				}
				continue
			}
			if !(s.Residual <= 1e-6) {
				t.Errorf("%s, exact %d: residual %v", name, exact, s.Residual)
			}
		}
	}
}

// TestIllConditioned runs down to the precision of float32: σ_i = 10^(-i/3).
func TestIllConditioned(t *testing.T) {
	const m, n, k = 150, 130, 12
	sigma := make([]float64, n)
	for i := range sigma {
		sigma[i] = math.Pow(10, -float64(i)/3)
	}
	a := withValues(t, m, n, sigma)
	opts := DefaultSVDOptions()
	opts.Exact = 0
	s, err := RandomizedSVD(gemm.Config{}, a, m, n, k, opts)
	if err != nil {
		t.Fatal(err)
	}
	checkSVD(t, a, s, m, n)
	for i := range k {
		if !(math.Abs(s.S[i]-sigma[i]) <= 1e-6) {
			t.Errorf("σ[%d] = %v, want %v", i, s.S[i], sigma[i])
		}
	}
}

// TestOrthonormalize checks that a basis is orthonormal whatever the condition
// of its start, and drops what is not there.
func TestOrthonormalize(t *testing.T) {
	const l, n = 37, 300
	for _, power := range []float64{0, 2, 4, 20} {
		y := normal(l, n, 10)
		for i := n; i < l*n; i++ {
			// Rows 1.. lean towards row 0 as power grows.
			y[i] = y[i%n] + y[i]*float32(math.Pow(10, -power))
		}
		q, r, err := orthonormalize(gemm.Config{}, y, l, n, maxPasses)
		if err != nil {
			t.Fatal(err)
		}
		want := l
		if power > 7 {
			want = 1
		}
		if r != want {
			t.Errorf("power %g: rank %d, want %d", power, r, want)
		}
		g := gram(gemm.Config{}, q, r, n)
		for i := range r {
			for j := range r {
				if e := math.Abs(g.At(i, j) - float64(b2i(i == j))); !(e <= 20*0x1p-24) {
					t.Fatalf("power %g: Q·Qᵀ[%d,%d] is off by %.2g", power, i, j, e)
				}
			}
		}
	}
}

// TestGram compares with gonum, over odd counts and strips.
func TestGram(t *testing.T) {
	for _, d := range [][2]int{{1, 1}, {2, 5}, {3, 255}, {7, 257}, {10, 5000}} {
		l, n := d[0], d[1]
		x := normal(l, n, 11)
		var want mat.Dense
		want.Mul(dense(x, l, n), dense(x, l, n).T())
		got := gram(gemm.Config{}, x, l, n)
		for i := range l {
			for j := range l {
				// Sums of n products of about 1 in float64.
				if !(math.Abs(got.At(i, j)-want.At(i, j)) <= 1e-12*float64(n)) {
					t.Errorf("%v: [%d,%d] = %v, want %v", d, i, j, got.At(i, j), want.At(i, j))
				}
			}
		}
	}
}

func TestSVDThreads(t *testing.T) {
	const m, n, k = 150, 700, 12
	a := decaying(m, n)
	opts := DefaultSVDOptions()
	opts.Exact = 0
	var first SVD
	for _, threads := range []int{1, 2, 5} {
		s, err := RandomizedSVD(gemm.Config{Threads: threads}, a, m, n, k, opts)
		if err != nil {
			t.Fatal(err)
		}
		if threads == 1 {
			first = s
		}
		if !slices.Equal(s.U, first.U) || !slices.Equal(s.S, first.S) || !slices.Equal(s.V, first.V) || s.Residual != first.Residual {
			t.Errorf("%d threads differ from 1", threads)
		}
	}
}

func TestSVDErrors(t *testing.T) {
	a := normal(50, 40, 12)
	a[7*40+3] = float32(math.Inf(-1))
	_, err := RandomizedSVD(gemm.Config{}, a, 50, 40, 3, DefaultSVDOptions())
	if err == nil || err.Error() != "linalg: entry [7,3] is -Inf, want a finite number" {
		t.Error(err)
	}
	for _, exact := range []int{0, 400} {
		big := make([]float32, 50*40)
		for i := range big {
			big[i] = math.MaxFloat32
		}
		opts := DefaultSVDOptions()
		opts.Exact = exact
		_, err = RandomizedSVD(gemm.Config{}, big, 50, 40, 3, opts)
		if err == nil || !strings.Contains(err.Error(), "would overflow float32") {
			t.Error(err)
		}
	}
}

func BenchmarkRandomizedSVD2048x8192Rank64(b *testing.B) {
	const m, n, k = 2048, 8192, 64
	a := normal(m, n, 1)
	for b.Loop() {
		if _, err := RandomizedSVD(gemm.Config{}, a, m, n, k, DefaultSVDOptions()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExactSVD256x768(b *testing.B) {
	const m, n, k = 256, 768, 48
	a := normal(m, n, 1)
	for b.Loop() {
		if _, err := RandomizedSVD(gemm.Config{}, a, m, n, k, DefaultSVDOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
