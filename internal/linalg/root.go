package linalg

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// A Root is a square root of a symmetric matrix A that may be singular.
type Root struct {
	S []float32 // n×n, lower triangular, S·Sᵀ = A + Shift·I up to rounding
	// Shift is what was added to the diagonal, 0 where A is positive definite.
	Shift float64
	// Condition is (max S_jj/min S_jj)², at most the condition number of
	// A + Shift·I.
	Condition float64
}

// maxEigenvalue is the largest n of which the smallest eigenvalue is computed:
// a second of one core.
const maxEigenvalue = 1024

// SymmetricRoot factors the symmetric n×n matrix a, of which only the lower
// triangle is read and nothing is changed, in float64, whatever its condition
// up to 10¹⁵. A matrix that is not positive definite has floor − λ added to its
// diagonal, λ being its smallest eigenvalue; beyond 1024 rows, where that is
// slow, the first of floor, 10·floor, …, 10⁹·floor that makes it positive
// definite. The error names the value of a that is not finite, or tells that
// none of these did.
func SymmetricRoot(a []float32, n int, floor float64) (Root, error) {
	if n < 1 || len(a) != n*n || !(floor > 0) {
		panic(fmt.Sprintf("linalg: root of %d values with floor %v, want %d×%d and a floor above 0", len(a), floor, n, n))
	}
	w := make([]float64, n*n)
	factor := func(shift float64) bool {
		for i := range n {
			for j, x := range a[i*n : i*n+i+1] {
				w[i*n+j] = float64(x)
			}
			w[i*n+i] += shift
		}
		_, ok := lapack64.Potrf(blas64.Symmetric{Uplo: blas.Lower, N: n, Data: w, Stride: n})
		return ok
	}
	for i := range n {
		for j, x := range a[i*n : i*n+i+1] {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return Root{}, fmt.Errorf("linalg: entry [%d,%d] is %v, want a finite number", i, j, x)
			}
		}
	}
	var shift float64
	ok := factor(0)
	if !ok && n <= maxEigenvalue {
		least, err := smallestEigenvalue(a, n)
		if err != nil {
			return Root{}, err
		}
		shift = floor - least
		ok = factor(shift)
	}
	for try := 0; !ok; try++ {
		if try == shifts {
			return Root{}, fmt.Errorf("linalg: matrix is not positive definite, nor with %.3g added to its diagonal", shift)
		}
		shift = max(floor, 10*shift)
		ok = factor(shift)
	}
	return newRoot(w, n, shift), nil
}

// shifts is how many shifts are tried.
const shifts = 10

// newRoot rounds the lower triangle of w.
func newRoot(w []float64, n int, shift float64) Root {
	r := Root{S: make([]float32, n*n), Shift: shift}
	low, high := math.Inf(1), 0.0
	for i := range n {
		for j, x := range w[i*n : i*n+i+1] {
			r.S[i*n+j] = float32(x)
		}
		low, high = min(low, w[i*n+i]), max(high, w[i*n+i])
	}
	r.Condition = high / low * (high / low)
	return r
}

// smallestEigenvalue reads the lower triangle of a.
func smallestEigenvalue(a []float32, n int) (float64, error) {
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j, x := range a[i*n : i*n+i+1] {
			s.SetSym(i, j, float64(x))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(s, false) {
		return 0, fmt.Errorf("linalg: the eigenvalues of a %d×%d matrix did not converge", n, n)
	}
	return e.Values(nil)[0], nil
}
