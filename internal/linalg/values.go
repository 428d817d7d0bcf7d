package linalg

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// SingularValues returns all min(m,n) singular values of the m×n matrix a,
// falling: square roots of the eigenvalues of A·Aᵀ or Aᵀ·A, the smaller, which
// is formed and decomposed in float64. Squaring leaves values down to 10⁻⁸ of the
// largest. One below 10⁻⁶ of it cannot be told from the rounding of a's own
// entries to float32 and is given as 0, as SVD does.
//
// The error names the first entry that is not finite by row and column.
func SingularValues(cfg gemm.Config, a []float32, m, n int) ([]float64, error) {
	if len(a) != m*n || m < 1 || n < 1 {
		panic("linalg: a matrix of other than m×n values, or of none")
	}
	if _, err := squaredNorm(cfg, a, m, n); err != nil {
		return nil, err
	}
	if m > n {
		a, m, n = transpose(a, m, n), n, m
	}
	var e mat.EigenSym
	if !e.Factorize(gram(cfg, a, m, n), false) {
		return nil, errors.New("linalg: the eigenvalues of a Gram matrix did not converge")
	}
	s := e.Values(nil)
	slices.Reverse(s)
	largest := math.Sqrt(max(s[0], 0))
	for i, v := range s {
		s[i] = math.Sqrt(max(v, 0))
		if s[i] <= 1e-6*largest {
			s[i] = 0
		}
	}
	return s, nil
}
