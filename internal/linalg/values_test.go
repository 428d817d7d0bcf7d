package linalg

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestSingularValues compares with gonum's decomposition of A itself in
// float64. Gonum's values are off by some u·σ₀, ours, from A·Aᵀ, by
// u·σ₀²/σᵢ, which is 10⁻¹⁰ of σ₀ at the smallest that are kept.
func TestSingularValues(t *testing.T) {
	for _, d := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {5, 5}, {40, 30}, {30, 77}, {130, 64}} {
		m, n := d[0], d[1]
		a := decaying(m, n)
		got, err := SingularValues(gemm.Config{}, a, m, n)
		if err != nil {
			t.Fatal(err)
		}
		want := singularValues(t, a, m, n)
		if len(got) != min(m, n) {
			t.Fatalf("%v: %d values", d, len(got))
		}
		for i, w := range want {
			if w <= 2e-6*want[0] {
				continue // near where values are given as 0
			}
			if !(math.Abs(got[i]-w) <= 1e-9*want[0]) {
				t.Errorf("%v: σ[%d] = %v, want %v", d, i, got[i], w)
			}
		}
	}
}

// TestSingularValuesRank: a product of rank 3 has three values, and zeros
// where float32 leaves noise; a zero matrix has only zeros.
func TestSingularValuesRank(t *testing.T) {
	a := withValues(t, 30, 50, []float64{3, 2, 1})
	got, err := SingularValues(gemm.Config{}, a, 30, 50)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if want := []float64{3, 2, 1}; i < 3 && !(math.Abs(v-want[i]) < 1e-5) || i >= 3 && v != 0 {
			t.Errorf("σ[%d] = %v", i, v)
		}
	}
	got, err = SingularValues(gemm.Config{}, make([]float32, 6), 3, 2)
	if err != nil || got[0] != 0 || got[1] != 0 {
		t.Errorf("zero matrix: %v, %v", got, err)
	}
	nan := []float32{1, 2, float32(math.NaN()), 4}
	if _, err := SingularValues(gemm.Config{}, nan, 2, 2); err == nil || !strings.Contains(err.Error(), "entry [1,0] is NaN") {
		t.Errorf("NaN: %v", err)
	}
}

// TestRandomOrthogonal: Q·Qᵀ = I within some n·u of float32, the mean entry of
// many is 0 and the mean square 1/n, within 5 standard deviations of entries of
// variance 1/n and squares of variance below 2/n².
func TestRandomOrthogonal(t *testing.T) {
	const n, times = 48, 20
	var sum, square float64
	rng := rand.New(rand.NewPCG(1, 2))
	for range times {
		q, err := RandomOrthogonal(gemm.Config{}, n, rng)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			for j := range n {
				var dot float64
				for k := range n {
					dot += float64(q[i*n+k]) * float64(q[j*n+k])
				}
				if want := float64(b2i(i == j)); !(math.Abs(dot-want) < n*0x1p-23) {
					t.Fatalf("rows %d and %d: product %v", i, j, dot)
				}
			}
			sum += float64(q[i*n+i])
			square += float64(q[i*n+i]) * float64(q[i*n+i])
		}
	}
	if sd := 1 / math.Sqrt(n); !(math.Abs(sum/(n*times)) < 5*sd/math.Sqrt(n*times)) {
		t.Errorf("mean entry of the diagonal %v", sum/(n*times))
	}
	if !(math.Abs(square/(n*times)-1./n) < 5*math.Sqrt2/n/math.Sqrt(n*times)) {
		t.Errorf("mean square of the diagonal %v, want %v", square/(n*times), 1./n)
	}
}
