package linalg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// sizes straddle one and two leaves and leave tails.
var sizes = []int{1, 2, 7, leaf - 1, leaf, leaf + 1, 2*leaf - 1, 2 * leaf, 2*leaf + 1, 200, 3*leaf + 5, 330}

// spd returns a symmetric positive definite matrix: I + G·Gᵀ/n, G n×n normal,
// rounded to float32. Its condition number is at most about 6.
func spd(n int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	g := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			g.Set(i, j, rng.NormFloat64())
		}
	}
	var p mat.Dense
	p.Mul(g, g.T())
	a := make([]float32, n*n)
	for i := range n {
		for j := range i + 1 {
			v := float32(p.At(i, j) / float64(n))
			if i == j {
				v++
			}
			a[i*n+j], a[j*n+i] = v, v
		}
	}
	return a
}

func dense(a []float32, m, n int) *mat.Dense {
	d := mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			d.Set(i, j, float64(a[i*n+j]))
		}
	}
	return d
}

func configs() []gemm.Config {
	var c []gemm.Config
	for _, isa := range gemm.Available() {
		c = append(c, gemm.Config{ISA: isa, Threads: 2})
	}
	return c
}

// TestCholeskyResidual checks A = L·Lᵀ and H = R·Rᵀ element by element. The
// backward error of Cholesky is at most γ_{n+1}·|L||Lᵀ| (Higham, Accuracy and
// Stability, theorem 10.3), and (|L||Lᵀ|)_ij ≤ √(a_ii·a_jj). Multiplying by
// inverted leaves in place of substitution multiplies the share of a leaf by
// its condition, here below √6.
func TestCholeskyResidual(t *testing.T) {
	for _, cfg := range configs() {
		for _, n := range sizes {
			t.Run(fmt.Sprintf("%s/%d", cfg.ISA, n), func(t *testing.T) {
				a := spd(n)
				l, r := slices.Clone(a), slices.Clone(a)
				for i := range n { // what must not be read
					for j := range n {
						if j > i {
							l[i*n+j] = float32(math.NaN())
						}
						if j < i {
							r[i*n+j] = float32(math.NaN())
						}
					}
				}
				if i, pivot := cholesky(cfg, l, n); i >= 0 {
					t.Fatal(i, pivot)
				}
				if err := UpperFactor(cfg, r, n); err != nil {
					t.Fatal(err)
				}
				checkResidual(t, "L", l, a, n)
				checkResidual(t, "R", r, a, n)
				for i := range n {
					for j := range n {
						if j > i && l[i*n+j] != 0 || j < i && r[i*n+j] != 0 {
							t.Fatalf("(%d,%d) of the empty triangle is not 0", i, j)
						}
					}
				}
			})
		}
	}
}

func checkResidual(t *testing.T, name string, f, a []float32, n int) {
	t.Helper()
	d := dense(f, n, n)
	var p mat.Dense
	p.Mul(d, d.T())
	u := math.Sqrt(6) * float64(n+1+leaf) * 0x1p-24
	for i := range n {
		if !(f[i*n+i] > 0) {
			t.Fatalf("%s[%d,%d] = %v", name, i, i, f[i*n+i])
		}
		for j := range n {
			want := float64(a[i*n+j])
			bound := u * math.Sqrt(float64(a[i*n+i])*float64(a[j*n+j]))
			if e := math.Abs(p.At(i, j) - want); !(e <= bound) {
				t.Fatalf("(%s·%sᵀ)[%d,%d] = %v, want %v ± %.2g", name, name, i, j, p.At(i, j), want, bound)
			}
		}
	}
}

// TestCholeskyGonum compares with gonum's factor, whose float64 rounding does
// not count. A backward error E gives ‖ΔL‖F/‖L‖F ≤ κ·‖E‖F/‖A‖₂/√2 to first
// order (Higham §10.4), κ ≤ 6; E is at most (n+leaf)·u·‖A‖ as above.
func TestCholeskyGonum(t *testing.T) {
	for _, n := range sizes {
		a := spd(n)
		var c mat.Cholesky
		if !c.Factorize(mat.NewSymDense(n, dense(a, n, n).RawMatrix().Data)) {
			t.Fatal("gonum: not positive definite")
		}
		var l mat.TriDense
		c.LTo(&l)
		want := make([]float64, n*n)
		for i := range n {
			for j := range i + 1 {
				want[i*n+j] = l.At(i, j)
			}
		}
		if i, pivot := cholesky(gemm.Config{}, a, n); i >= 0 {
			t.Fatal(i, pivot)
		}
		if e, tol := distance(a, want), 6*float64(n+leaf)*0x1p-24; !(e <= tol) {
			t.Errorf("n = %d: L is off by %.2g, want at most %.2g", n, e, tol)
		}
	}
}

// TestInvertUpper checks U·R = I, the property that defines the inverse. A
// product of computed inverses has a residual of at most γ_n·|U||R| for each
// of the two products that make a block (Higham §14.2), taken for the norm.
func TestInvertUpper(t *testing.T) {
	for _, cfg := range configs() {
		for _, n := range sizes {
			r := spd(n)
			if err := UpperFactor(cfg, r, n); err != nil {
				t.Fatal(err)
			}
			u := slices.Clone(r)
			for i := range n {
				for j := range i {
					u[i*n+j] = float32(math.NaN()) // not read
				}
			}
			if err := InvertUpper(cfg, u, n); err != nil {
				t.Fatal(err)
			}
			var p mat.Dense
			p.Mul(dense(u, n, n), dense(r, n, n))
			for i := range n {
				p.Set(i, i, p.At(i, i)-1)
			}
			tol := 2 * float64(n+1) * 0x1p-24 * mat.Norm(dense(u, n, n), 2) * mat.Norm(dense(r, n, n), 2) / math.Sqrt(float64(n))
			if e := mat.Norm(&p, 2); !(e <= tol) {
				t.Errorf("%s, n = %d: ‖UR−I‖ = %.2g, want at most %.2g", cfg.ISA, n, e, tol)
			}
			for i := range n {
				for j := range i {
					if u[i*n+j] != 0 {
						t.Fatalf("n = %d: (%d,%d) below the diagonal is %v", n, i, j, u[i*n+j])
					}
				}
			}
		}
	}
}

// TestReference compares U, H⁻¹ = UᵀU, with LAPACK's in float64, for a matrix
// of condition 1e6 and three dampings. The tolerances of the diagonal are
// those of reference/README.md section 4. The first row, which holds the
// largest entries of the inverse, suffers more from float32: LAPACK's spotrf
// of the reversed matrix and strtri (OpenBLAS through scipy 1.17) are off by
// 7.2e-3, 4.6e-5 and 5.6e-6, the input's own rounding by a tenth of that.
// Another order of summation may double it.
func TestReference(t *testing.T) {
	ref := readReference(t, "cholesky.safetensors")
	for _, c := range []struct {
		damp      float64
		name      string
		diag, row float64
	}{{0, "0.0", 2e-3, 1.4e-2}, {0.01, "0.01", 1e-5, 1e-4}, {0.1, "0.1", 1e-6, 1.2e-5}} {
		u, n := referenceMatrix(ref, c.damp)
		if err := UpperFactor(gemm.Config{}, u, n); err != nil {
			t.Fatal(err)
		}
		if err := InvertUpper(gemm.Config{}, u, n); err != nil {
			t.Fatal(err)
		}
		var diag, upper []float32
		for i := range n {
			diag = append(diag, u[i*n+i])
			upper = append(upper, u[i*n+i:(i+1)*n]...)
		}
		check := func(name string, got []float32, tol float64) {
			e := distance(got, ref[name+".percdamp"+c.name].data)
			t.Logf("%s, damping %s: off by %.2g", name, c.name, e)
			if !(e <= tol) {
				t.Errorf("%s, damping %s: off by %.2g, want at most %.2g", name, c.name, e, tol)
			}
		}
		check("U.diag", diag, c.diag)
		check("U.first_row", u[:n], c.row)
		if c.damp == 0.01 {
			check("U.upper", upper, c.row)
		}
	}
}

// referenceMatrix returns A + damp·mean(diag A)·I and its size.
func referenceMatrix(ref map[string]tensor, damp float64) ([]float32, int) {
	const n = 512
	low := ref["A.lower"].data
	var mean float64
	for i := range n {
		mean += low[i*(i+1)/2+i] / n
	}
	a := make([]float32, n*n)
	for i := range n {
		for j := range i + 1 {
			v := low[i*(i+1)/2+j]
			if i == j {
				v += damp * mean
			}
			a[i*n+j], a[j*n+i] = float32(v), float32(v)
		}
	}
	return a, n
}

// TestCheck11TrailingInverse checks row 11 of methods.md 6: U_jj² is the first
// diagonal entry of the inverse of the trailing part of H.
func TestCheck11TrailingInverse(t *testing.T) {
	const n = 150
	h := spd(n)
	u := slices.Clone(h)
	if err := UpperFactor(gemm.Config{}, u, n); err != nil {
		t.Fatal(err)
	}
	if err := InvertUpper(gemm.Config{}, u, n); err != nil {
		t.Fatal(err)
	}
	d := dense(h, n, n)
	for _, j := range []int{0, 1, 63, 64, 100, n - 1} {
		var inv mat.Dense
		if err := inv.Inverse(d.Slice(j, n, j, n)); err != nil {
			t.Fatal(err)
		}
		// Condition 6, so the relative error is some n·u·6.
		got, want := float64(u[j*n+j])*float64(u[j*n+j]), inv.At(0, 0)
		if !(math.Abs(got/want-1) <= 6*n*0x1p-24) {
			t.Errorf("U[%d,%d]² = %v, want %v", j, j, got, want)
		}
	}
}

// TestThreads checks that threads do not change a bit.
func TestThreads(t *testing.T) {
	const n = 330
	var first []float32
	for _, threads := range []int{1, 2, 5} {
		cfg := gemm.Config{Threads: threads}
		a := spd(n)
		if err := UpperFactor(cfg, a, n); err != nil {
			t.Fatal(err)
		}
		if err := InvertUpper(cfg, a, n); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = a
		}
		if !slices.Equal(a, first) {
			t.Errorf("%d threads differ from 1", threads)
		}
	}
}

func TestErrors(t *testing.T) {
	const n = 130
	for _, k := range []int{0, 63, 64, 100, 129} {
		l, r, u := spd(n), spd(n), spd(n)
		// A pivot is at most its diagonal entry: -3 stays negative, and what
		// comes before it in the order of elimination is unchanged.
		l[k*n+k], r[k*n+k], u[k*n+k] = -3, -3, 0
		if i, pivot := cholesky(gemm.Config{}, l, n); i != k || !(pivot < 0) {
			t.Errorf("k = %d: pivot %d is %v", k, i, pivot)
		}
		for _, c := range []struct {
			err  error
			want string
		}{
			{UpperFactor(gemm.Config{}, r, n), fmt.Sprintf("linalg: matrix is not positive definite: pivot %d is -", k)},
			{InvertUpper(gemm.Config{}, u, n), fmt.Sprintf("linalg: triangular matrix is singular: diagonal entry %d is 0, want", k)},
		} {
			if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) {
				t.Errorf("k = %d: got %v, want %q…", k, c.err, c.want)
			}
		}
	}
	a := spd(n)
	a[3*n+70] = float32(math.NaN())
	if err := UpperFactor(gemm.Config{}, a, n); err == nil || !strings.Contains(err.Error(), "pivot 3 is NaN") {
		t.Errorf("NaN: %v", err)
	}
	if err := UpperFactor(gemm.Config{}, nil, 0); err != nil {
		t.Error(err)
	}
	if err := InvertUpper(gemm.Config{}, nil, 0); err != nil {
		t.Error(err)
	}
}

// BenchmarkFactorChain times UpperFactor and InvertUpper, n³/3 operations each,
// and in turn with them Gemm on three n×n matrices. It reports both rates, of
// the fastest runs, and their ratio. The time per operation counts all three.
func BenchmarkFactorChain(b *testing.B) {
	for _, n := range []int{2048, 4096, 8192} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%d/threads=%d", n, threads), func(b *testing.B) {
				cfg := gemm.Config{Threads: threads}
				a := spdFast(n)
				w := make([]float32, n*n)
				cube := float64(n) * float64(n) * float64(n) / 1e9
				var chain, product float64
				for b.Loop() {
					start := time.Now()
					cfg.Gemm(false, true, n, n, n, 1, a, n, a, n, 0, w, n)
					product = max(product, 2*cube/time.Since(start).Seconds())
					copy(w, a)
					start = time.Now()
					if err := UpperFactor(cfg, w, n); err != nil {
						b.Fatal(err)
					}
					if err := InvertUpper(cfg, w, n); err != nil {
						b.Fatal(err)
					}
					chain = max(chain, 2*cube/3/time.Since(start).Seconds())
				}
				b.ReportMetric(chain, "GFLOP/s-chain")
				b.ReportMetric(product, "GFLOP/s-gemm")
				b.ReportMetric(chain/product, "chain/gemm")
			})
		}
	}
}

// spdFast returns a diagonally dominant matrix: 1/(1+|i-j|)² + 3·I.
func spdFast(n int) []float32 {
	a := make([]float32, n*n)
	for i := range n {
		for j := range n {
			d := float32(1 + max(i-j, j-i))
			a[i*n+j] = 1 / (d * d)
		}
		a[i*n+i] += 3
	}
	return a
}
