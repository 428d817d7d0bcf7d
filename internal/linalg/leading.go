package linalg

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// leadingEigen returns the eigenvectors of the k largest eigenvalues of g as the
// columns of an n×k matrix, the largest first. It takes a fraction of the time
// that all of them take: g is brought to tridiagonal form T = QᵀGQ, whose
// eigenvalues come without vectors, and each vector from inverse iteration on T
// (Golub and Van Loan, Matrix Computations, 8.4.2), made orthogonal to the
// earlier ones. Not ok means that one of them is not an eigenvector to the
// precision of float64, and says nothing else of g.
func leadingEigen(g *mat.SymDense, k int) (vectors []float64, ok bool) {
	n := g.SymmetricDim()
	if n < 2 {
		return nil, false
	}
	a := make([]float64, n*n)
	for i := range n {
		for j := range i + 1 {
			a[i*n+j] = g.At(i, j)
		}
	}
	t := tridiagonal{make([]float64, n), make([]float64, n-1)}
	tau := make([]float64, n-1)
	var lapack gonum.Implementation
	work := make([]float64, 64*n)
	lapack.Dsytrd(blas.Lower, n, a, n, t.d, t.e, tau, work, len(work))
	values := append([]float64(nil), t.d...)
	if !lapack.Dsterf(n, values, append([]float64(nil), t.e...)) {
		return nil, false
	}
	rows := make([][]float64, 0, k)
	s := newShifted(n)
	for j := range k {
		x, ok := s.eigenvector(t, values[n-1-j], rows, uint64(j))
		if !ok {
			return nil, false
		}
		rows = append(rows, x)
	}
	vectors = make([]float64, n*k)
	for j, x := range rows {
		for i, v := range x {
			vectors[i*k+j] = v
		}
	}
	// Q leaves the first row alone and is a product of reflectors of the
	// others, as a QR factorization stores them.
	work = make([]float64, 64*max(n, k))
	lapack.Dormqr(blas.Left, blas.NoTrans, n-1, k, n-1, a[n:], n, tau, vectors[k:], k, work, len(work))
	return vectors, true
}

// tridiagonal is a symmetric matrix with diagonal d and, above and below it, e.
type tridiagonal struct{ d, e []float64 }

// norm returns the largest sum of magnitudes in a row.
func (t tridiagonal) norm() float64 {
	var most float64
	for i, d := range t.d {
		sum := math.Abs(d)
		if i > 0 {
			sum += math.Abs(t.e[i-1])
		}
		if i < len(t.e) {
			sum += math.Abs(t.e[i])
		}
		most = max(most, sum)
	}
	return most
}

// residual returns ‖Tx − λx‖.
func (t tridiagonal) residual(x []float64, lambda float64) float64 {
	var sum float64
	for i, d := range t.d {
		r := (d - lambda) * x[i]
		if i > 0 {
			r += t.e[i-1] * x[i-1]
		}
		if i < len(t.e) {
			r += t.e[i] * x[i+1]
		}
		sum += r * r
	}
	return math.Sqrt(sum)
}

// shifted is T − λI in factors, by elimination with row exchanges: row i of the
// upper factor is u0[i], u1[i], u2[i] from its diagonal on; step i subtracts
// l[i] times row i from row i+1, after exchanging the two where swap[i] is set.
type shifted struct {
	u0, u1, u2, l []float64
	swap          []bool
}

func newShifted(n int) *shifted {
	return &shifted{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]bool, n)}
}

// solves is how often a vector is solved for: two do for an eigenvalue apart
// from others, the rest makes up for a bad start.
const solves = 4

// eigenvector returns the eigenvector of length 1 of an eigenvalue of t that is
// orthogonal to earlier ones, from a random start.
func (s *shifted) eigenvector(t tridiagonal, lambda float64, earlier [][]float64, seed uint64) ([]float64, bool) {
	n, norm := len(t.d), t.norm()
	const epsilon = 0x1p-52
	s.factor(t, lambda, max(epsilon*norm, math.SmallestNonzeroFloat64/epsilon))
	rng := rand.New(rand.NewPCG(seed, 0x65_6967))
	x := make([]float64, n)
	for i := range x {
		x[i] = 2*rng.Float64() - 1
	}
	for try := range solves {
		s.solve(x)
		if !normalize(x) {
			return nil, false
		}
		for range 2 { // the second takes away what rounding of the first left
			for _, y := range earlier {
				dot := 0.0
				for i, v := range y {
					dot += v * x[i]
				}
				for i, v := range y {
					x[i] -= dot * v
				}
			}
			if !normalize(x) {
				return nil, false
			}
		}
		if try > 0 && t.residual(x, lambda) <= 4*epsilon*float64(n)*norm {
			return x, true
		}
	}
	return nil, false
}

// normalize divides x by its length; it reports whether that is a number above
// 0.
func normalize(x []float64) bool {
	var most, sum float64
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	if !(most > 0) || math.IsInf(most, 0) {
		return false
	}
	for _, v := range x {
		sum += (v / most) * (v / most)
	}
	scale := 1 / (most * math.Sqrt(sum))
	for i := range x {
		x[i] *= scale
	}
	return !math.IsInf(scale, 0)
}

// factor factors T − λI; a pivot of 0 becomes tiny.
func (s *shifted) factor(t tridiagonal, lambda, tiny float64) {
	n := len(t.d)
	// The row that elimination has reached: its diagonal and what is right of it.
	p0, p1 := t.d[0]-lambda, 0.0
	if n > 1 {
		p1 = t.e[0]
	}
	for i := range n - 1 {
		below, q0, q1 := t.e[i], t.d[i+1]-lambda, 0.0
		if i+1 < n-1 {
			q1 = t.e[i+1]
		}
		if s.swap[i] = math.Abs(below) > math.Abs(p0); s.swap[i] {
			s.u0[i], s.u1[i], s.u2[i] = below, q0, q1
			s.l[i] = p0 / below
			p0, p1 = p1-s.l[i]*q0, -s.l[i]*q1
			continue
		}
		if p0 == 0 {
			p0 = tiny
		}
		s.u0[i], s.u1[i], s.u2[i] = p0, p1, 0
		s.l[i] = below / p0
		p0, p1 = q0-s.l[i]*p1, q1
	}
	if math.Abs(p0) < tiny {
		p0 = tiny
	}
	s.u0[n-1], s.u1[n-1], s.u2[n-1] = p0, 0, 0
}

// solve replaces x by (T − λI)⁻¹x.
func (s *shifted) solve(x []float64) {
	n := len(x)
	for i := range n - 1 {
		if s.swap[i] {
			x[i], x[i+1] = x[i+1], x[i]
		}
		x[i+1] -= s.l[i] * x[i]
	}
	for i := n - 1; i >= 0; i-- {
		v := x[i]
		if i+1 < n {
			v -= s.u1[i] * x[i+1]
		}
		if i+2 < n {
			v -= s.u2[i] * x[i+2]
		}
		x[i] = v / s.u0[i]
	}
}
