package linalg

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// SVD is a truncated singular value decomposition A ≈ U·diag(S)·V of an m×n
// matrix.
//
// A singular value below 10⁻⁶ of the largest cannot be told from the rounding
// of float32; it is given as 0, with zero vectors. All other columns of U and
// rows of V are orthonormal, up to rounding that grows with S[0]/S[i]. In each
// column of U the entry of largest magnitude, the first of equals, is
// positive.
type SVD struct {
	U []float32 // m×k, columns are left singular vectors
	S []float64 // k singular values, falling
	V []float32 // k×n, rows are right singular vectors
	// Residual is ‖A − U·diag(S)·V‖F/‖A‖F, 0 for A = 0. From 0.1 on it comes
	// from ‖A‖² − ΣS², where rounding is below 10⁻⁴ of it; below 0.1 that
	// difference cancels, and the product is formed and subtracted.
	Residual float64
}

// SVDOptions says how RandomizedSVD works.
type SVDOptions struct {
	// Oversample is the number of columns that the sketch of A has beyond the
	// rank, PowerIterations the number of products with A·Aᵀ that sharpen it.
	Oversample, PowerIterations int
	// Exact is the largest min(m,n) at which nothing is random.
	Exact int
	Seed  uint64 // of the random sketch
}

// DefaultSVDOptions returns 8 extra columns, 2 power iterations, nothing
// random up to 400 rows or columns, seed 0.
func DefaultSVDOptions() SVDOptions {
	return SVDOptions{Oversample: 8, PowerIterations: 2, Exact: 400}
}

// tiny is the norm below which a matrix counts as zero: normalizing a vector
// much shorter would overflow float32.
const tiny = 1e-30

// RandomizedSVD returns the k leading singular values and vectors of the m×n
// matrix a, 1 ≤ k ≤ min(m,n), which is not changed.
//
// The rows of Q are an orthonormal basis of the range of A·Ω, for a normal
// random matrix Ω, and of its products with A·Aᵀ; the small matrix B = Q·A is
// decomposed in float64 (Halko, Martinsson and Tropp, "Finding structure with randomness",
// SIAM Review 53(2), 2011, algorithms 4.4 and 5.1). Keeping the earlier blocks
// beside the last, a block Krylov space (Musco and Musco, NeurIPS 2015), takes
// no further product and where singular values fall slowly leaves a tenth of
// the excess over the best error, or less; from rank 249 on there is only one
// block. Where min(m,n) is at most
// opts.Exact or k+Oversample, B is A itself, and the result is the best
// rank-k approximation up to rounding. The result does not depend on
// cfg.Threads. A matrix of norm below 10⁻³⁰ is decomposed as zero.
//
// The error names the first entry that is not finite by row and column, or
// says that the products would overflow float32.
func RandomizedSVD(cfg gemm.Config, a []float32, m, n, k int, opts SVDOptions) (SVD, error) {
	if len(a) != m*n || k < 1 || k > min(m, n) {
		panic(fmt.Sprintf("linalg: rank %d of a matrix of %d values, want 1 to min(%d, %d) and %d×%d values", k, len(a), m, n, m, n))
	}
	square, err := squaredNorm(cfg, a, m, n)
	if err != nil {
		return SVD{}, err
	}
	// Products are with orthonormal vectors or with columns of n normals, whose
	// length is below 8√n.
	if math.Sqrt(square)*8*math.Sqrt(float64(n)) > math.MaxFloat32 {
		return SVD{}, fmt.Errorf("linalg: norm %.3g: singular value decomposition would overflow float32", math.Sqrt(square))
	}
	if norm := math.Sqrt(square); norm < tiny {
		s := SVD{U: make([]float32, m*k), S: make([]float64, k), V: make([]float32, k*n)}
		if norm > 0 {
			s.Residual = 1
		}
		return s, nil
	}
	var s SVD
	switch l := k + opts.Oversample; {
	case l < min(m, n) && opts.Exact < min(m, n):
		var q []float32
		if q, l, err = rangeBasis(cfg, a, m, n, l, opts); err != nil {
			return SVD{}, err
		}
		b := make([]float32, l*n)
		cfg.Gemm(false, false, l, n, m, 1, q, m, a, n, 0, b, n)
		if s, err = decompose(cfg, b, l, n, k); err != nil {
			return SVD{}, err
		}
		u := make([]float32, m*k)
		cfg.Gemm(true, false, m, k, l, 1, q, m, s.U, k, 0, u, k)
		s.U = u
	case m <= n:
		s, err = decompose(cfg, a, m, n, k)
	default:
		s, err = decompose(cfg, transpose(a, m, n), n, m, k)
		s.U, s.V = transpose(s.V, k, m), transpose(s.U, n, k)
	}
	if err != nil {
		return SVD{}, err
	}
	s.fixSigns(m, n)
	s.setResidual(cfg, a, m, n, square)
	return s, nil
}

// maxBasis bounds the rows of a basis that holds more than one block: its
// decomposition in float64 is cubic and on one thread.
const maxBasis = 512

// rangeBasis returns a matrix of rows of length m, and their number, which are
// orthonormal and nearly span the leading left singular vectors of a: the
// space of y, (A·Aᵀ)·y, (A·Aᵀ)²·y, … for l random combinations y of A's
// columns, as many of the last as maxBasis and the shape allow. Bases are kept
// as rows: gemm then has the few vectors on the side of A in its product, which
// it packs into narrower panels.
func rangeBasis(cfg gemm.Config, a []float32, m, n, l int, opts SVDOptions) ([]float32, int, error) {
	rng := rand.New(rand.NewPCG(opts.Seed, 0x5356_44))
	z := make([]float32, l*n)
	for i := range z {
		z[i] = float32(rng.NormFloat64())
	}
	keep := max(1, min(maxBasis, min(m, n)-1)/l)
	var blocks []float32
	for i := range opts.PowerIterations + 1 {
		y := make([]float32, l*m)
		cfg.Gemm(false, true, l, m, n, 1, z, n, a, n, 0, y, m)
		// Within a block the vectors need only be far from dependent.
		y, r, err := orthonormalize(cfg, y, l, m, 1)
		if err != nil {
			return nil, 0, err
		}
		if opts.PowerIterations-i < keep {
			blocks = append(blocks, y...)
		}
		if i == opts.PowerIterations {
			break
		}
		z = z[:r*n]
		cfg.Gemm(false, false, r, n, m, 1, y, m, a, n, 0, z, n)
		if z, l, err = orthonormalize(cfg, z, r, n, 1); err != nil {
			return nil, 0, err
		}
	}
	return orthonormalize(cfg, blocks, len(blocks)/m, m, maxPasses)
}

// decompose returns the k leading singular triplets of the l×n matrix b; if l
// is less than k, the rest is zero.
//
// U are the eigenvectors W of B·Bᵀ, formed and decomposed in float64; S and V
// are the lengths and directions of the rows of Wᵀ·B. Squaring costs nothing
// here: float64 resolves σ down to 10⁻⁸ of the largest, beyond the rounding of
// B itself, and W·Wᵀ·B is a projection of B however close two values are.
func decompose(cfg gemm.Config, b []float32, l, n, k int) (SVD, error) {
	s := SVD{U: make([]float32, l*k), S: make([]float64, k), V: make([]float32, k*n)}
	r := min(l, k)
	w, err := topEigenvectors(gram(cfg, b, l, n), r)
	if err != nil {
		return s, err
	}
	p := make([]float32, r*n)
	cfg.Gemm(true, false, r, n, l, 1, w, r, b, n, 0, p, n)
	norms := make([]float64, r)
	order := make([]int, r)
	for i := range r {
		norms[i] = math.Sqrt(sumSquares(p[i*n : (i+1)*n]))
		// Falling, up to rounding: insertion sort.
		j := i
		for ; j > 0 && norms[order[j-1]] < norms[i]; j-- {
			order[j] = order[j-1]
		}
		order[j] = i
	}
	for i, from := range order {
		if norms[from] <= 1e-6*norms[order[0]] {
			break
		}
		s.S[i] = norms[from]
		for j, x := range p[from*n : (from+1)*n] {
			s.V[i*n+j] = float32(float64(x) / norms[from])
		}
		for j := range l {
			s.U[j*k+i] = w[j*r+from]
		}
	}
	return s, nil
}

// topEigenvectors returns the eigenvectors of the r largest eigenvalues of g as
// columns, the largest first. Up to two thirds of all are computed by
// themselves, which for a quarter of them takes a quarter of the time.
func topEigenvectors(g *mat.SymDense, r int) ([]float32, error) {
	l := g.SymmetricDim()
	w := make([]float32, l*r)
	if 3*r <= 2*l {
		if v, ok := leadingEigen(g, r); ok {
			for i, x := range v {
				w[i] = float32(x)
			}
			return w, nil
		}
	}
	values, vectors, err := eigen(g)
	if err != nil {
		return nil, err
	}
	for i := range l {
		for j := range r {
			w[i*r+j] = float32(vectors.At(i, len(values)-1-j))
		}
	}
	return w, nil
}

// eigen returns the eigenvalues of g, rising, and its eigenvectors as columns.
func eigen(g *mat.SymDense) ([]float64, *mat.Dense, error) {
	var e mat.EigenSym
	if !e.Factorize(g, true) {
		return nil, nil, errors.New("linalg: the eigenvalues of a Gram matrix did not converge")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	return e.Values(nil), &v, nil
}

// fixSigns makes the largest entry of each column of U positive.
func (s *SVD) fixSigns(m, n int) {
	k := len(s.S)
	for i := range k {
		var largest float32
		for j := range m {
			if x := s.U[j*k+i]; abs(x) > abs(largest) {
				largest = x
			}
		}
		if largest >= 0 {
			continue
		}
		for j := range m {
			s.U[j*k+i] = -s.U[j*k+i]
		}
		for j := range n {
			s.V[i*n+j] = -s.V[i*n+j]
		}
	}
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// setResidual sets s.Residual; square is ‖A‖².
//
// U·diag(S)·V is a projection of A, so ‖A − U·diag(S)·V‖² = ‖A‖² − ΣS². Each S²
// has a relative error of some 10⁻⁷ from float32, so the difference has one of
// 10⁻⁷/Residual², and Residual half of it: 10⁻⁵ or less from 0.1 on.
func (s *SVD) setResidual(cfg gemm.Config, a []float32, m, n int, square float64) {
	left := square
	for _, x := range s.S {
		left -= x * x
	}
	if left < 0.01*square {
		left = s.squaredError(cfg, a, m, n)
	}
	s.Residual = math.Sqrt(left / square)
}

// squaredError returns ‖A − U·diag(S)·V‖F², 256 rows at a time.
func (s *SVD) squaredError(cfg gemm.Config, a []float32, m, n int) float64 {
	const rows = 256
	k := len(s.S)
	us := make([]float32, rows*k)
	e := make([]float32, min(rows, m)*n)
	var sum float64
	for r := 0; r < m; r += rows {
		h := min(rows, m-r)
		for i := range h * k {
			us[i] = float32(float64(s.U[r*k+i]) * s.S[i%k])
		}
		copy(e, a[r*n:(r+h)*n])
		cfg.Gemm(false, false, h, n, k, -1, us, k, s.V, n, 1, e, n)
		sum += sumSquares(e[:h*n])
	}
	return sum
}

// squaredNorm returns ‖A‖F². The error names the first entry that is not
// finite.
func squaredNorm(cfg gemm.Config, a []float32, m, n int) (float64, error) {
	sums := make([]float64, m)
	cfg.Parallel(m, func(i int) { sums[i] = sumSquares(a[i*n : (i+1)*n]) })
	var sum float64
	for i, s := range sums {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			for j, x := range a[i*n : (i+1)*n] {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					return 0, fmt.Errorf("linalg: entry [%d,%d] is %v, want a finite number", i, j, x)
				}
			}
		}
		sum += s
	}
	return sum, nil
}

func sumSquares(x []float32) float64 {
	var s0, s1 float64
	for ; len(x) >= 2; x = x[2:] {
		s0 += float64(x[0]) * float64(x[0])
		s1 += float64(x[1]) * float64(x[1])
	}
	if len(x) == 1 {
		s0 += float64(x[0]) * float64(x[0])
	}
	return s0 + s1
}

// transpose returns the n×m transpose of the m×n matrix a.
func transpose(a []float32, m, n int) []float32 {
	t := make([]float32, len(a))
	for i := range m {
		for j, x := range a[i*n : (i+1)*n] {
			t[j*m+i] = x
		}
	}
	return t
}
