package compensate

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestInverseDiagonal compares with another library's inverse in float64, to
// what a float32 factorisation of a well-conditioned matrix loses.
func TestInverseDiagonal(t *testing.T) {
	const d, samples = 40, 400
	rnd := rand.New(rand.NewPCG(2, 2))
	x := make([]float32, samples*d)
	for i := range x {
		x[i] = float32(rnd.NormFloat64() * float64(1+i%d%7))
	}
	h := make([]float32, d*d)
	gemm.Config{}.Gemm(true, false, d, d, samples, 2./samples, x, d, x, d, 0, h, d)
	a := mat.NewDense(d, d, nil)
	for i, v := range h {
		a.Set(i/d, i%d, float64(v))
	}
	f, err := NewFactor(gemm.Config{}, h, d, FactorOptions{Damp: 0.1, ActOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	for j := range d {
		a.Set(j, j, a.At(j, j)+f.Damping)
	}
	var inverse mat.Dense
	if err := inverse.Inverse(a); err != nil {
		t.Fatal(err)
	}
	for j, got := range f.InverseDiagonal() {
		if want := inverse.At(j, j); math.Abs(got-want) > 1e-5*want {
			t.Errorf("channel %d: %v, want %v", j, got, want)
		}
	}
}
