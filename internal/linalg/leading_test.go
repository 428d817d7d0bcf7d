package linalg

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// symmetric returns Q·diag(values)·Qᵀ for a random orthogonal Q.
func symmetric(values []float64, seed uint64) *mat.SymDense {
	n := len(values)
	rng := rand.New(rand.NewPCG(seed, 1))
	a := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			a.Set(i, j, rng.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(a)
	var q, qd, p mat.Dense
	qr.QTo(&q)
	qd.Mul(&q, mat.NewDiagDense(n, values))
	p.Mul(&qd, q.T())
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			s.SetSym(i, j, p.At(i, j))
		}
	}
	return s
}

// TestLeadingEigen: the columns are orthonormal and eigenvectors of the largest
// eigenvalues, as gonum finds them, also where eigenvalues coincide, hardly
// differ or are 0, and where the matrix falls apart.
func TestLeadingEigen(t *testing.T) {
	spread := make([]float64, 60)
	close, twice, deficient, huge := make([]float64, 40), make([]float64, 40), make([]float64, 50), make([]float64, 30)
	for i := range spread {
		spread[i] = math.Pow(0.7, float64(i))
	}
	for i := range close {
		close[i] = 1 + 1e-13*float64(i)
		twice[i] = float64(i / 2)
	}
	for i := range 5 {
		deficient[i] = float64(i + 1)
	}
	for i := range huge {
		huge[i] = 1e70 * float64(i+1)
	}
	apart := mat.NewSymDense(12, nil) // blocks of two equal 2×2 matrices and zeros
	for i := 0; i < 8; i += 2 {
		apart.SetSym(i, i, 2)
		apart.SetSym(i+1, i+1, 2)
		apart.SetSym(i, i+1, 1)
	}
	identity := mat.NewSymDense(9, nil)
	for i := range 9 {
		identity.SetSym(i, i, 3)
	}
	for name, c := range map[string]struct {
		g *mat.SymDense
		k int
	}{
		"spread": {symmetric(spread, 1), 20}, "all": {symmetric(spread, 2), 60}, "close": {symmetric(close, 3), 12},
		"twice": {symmetric(twice, 4), 15}, "deficient": {symmetric(deficient, 5), 20}, "huge": {symmetric(huge, 6), 5},
		"apart": {apart, 10}, "identity": {identity, 9}, "zero": {mat.NewSymDense(6, nil), 3}, "two": {symmetric([]float64{1, 4}, 7), 1},
	} {
		n := c.g.SymmetricDim()
		v, ok := leadingEigen(c.g, c.k)
		if !ok {
			t.Errorf("%s: not ok", name)
			continue
		}
		var e mat.EigenSym
		if !e.Factorize(c.g, false) {
			t.Fatal("gonum: eigenvalues failed")
		}
		values := e.Values(nil)
		norm := max(math.Abs(values[0]), math.Abs(values[n-1]))
		x := mat.NewDense(n, c.k, v)
		var xx, gx mat.Dense
		xx.Mul(x.T(), x)
		gx.Mul(c.g, x)
		for i := range c.k {
			for j := range c.k {
				want := 0.0
				if i == j {
					want = 1
				}
				if d := math.Abs(xx.At(i, j) - want); !(d <= 1e-13*float64(n)) {
					t.Fatalf("%s: vectors %d and %d: product off by %.2g", name, i, j, d)
				}
			}
			for r := range n {
				if d := math.Abs(gx.At(r, i) - values[n-1-i]*x.At(r, i)); !(d <= 1e-14*float64(n)*norm) {
					t.Fatalf("%s: vector %d: residual %.2g of norm %.2g", name, i, d, norm)
				}
			}
		}
	}
	if _, ok := leadingEigen(mat.NewSymDense(1, []float64{2}), 1); ok {
		t.Error("1×1 is ok")
	}
	nan := symmetric(spread, 1)
	nan.SetSym(3, 3, math.NaN())
	if _, ok := leadingEigen(nan, 3); ok {
		t.Error("NaN is ok")
	}
}
