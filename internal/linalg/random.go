package linalg

import (
	"errors"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// RandomOrthogonal returns a random orthogonal n×n matrix, up to the rounding of
// float32, of the uniform (Haar) distribution: a normal random matrix Y times a
// matrix that depends on Y·Yᵀ alone. Y·O for any orthogonal O is as likely as
// Y and has the same Y·Yᵀ, so the result times O is as likely as the result.
func RandomOrthogonal(cfg gemm.Config, n int, rng *rand.Rand) ([]float32, error) {
	y := make([]float32, n*n)
	for i := range y {
		y[i] = float32(rng.NormFloat64())
	}
	q, r, err := orthonormalize(cfg, y, n, n, maxPasses)
	if err == nil && r < n {
		err = errors.New("linalg: the rows of a normal random matrix are dependent to working precision")
	}
	return q, err
}
