package linalg

import (
	"math"
	"strings"
	"testing"
)

// diagonal returns the n×n matrix with d on its diagonal, ones where d ends.
func diagonal(n int, d ...float32) []float32 {
	a := make([]float32, n*n)
	for i := range n {
		a[i*n+i] = 1
	}
	for i, x := range d {
		a[i*n+i] = x
	}
	return a
}

// TestRootShift: the shift is floor − λ for the smallest eigenvalue λ, which a
// diagonal shows; beyond 1024 rows the first power of ten that will do.
func TestRootShift(t *testing.T) {
	for _, c := range []struct {
		name             string
		n                int
		diagonal         []float32
		floor            float64
		shift, condition float64
	}{
		{"positive definite", 3, []float32{4, 1, 0.25}, 1e-6, 0, 16},
		{"singular", 3, []float32{4, 1, 0}, 0.25, 0.25, 17},
		{"zero", 2, []float32{0, 0}, 0.5, 0.5, 1},
		{"indefinite", 3, []float32{4, 1, -0.5}, 0.25, 0.75, 19},
		{"one", 1, []float32{9}, 1, 0, 1},
		{"wide, singular", 1030, []float32{0}, 0.25, 0.25, 5},
		{"wide, indefinite", 1030, []float32{-0.5}, 0.25, 2.5, 1.75},
	} {
		r, err := SymmetricRoot(diagonal(c.n, c.diagonal...), c.n, c.floor)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !(math.Abs(r.Shift-c.shift) <= 1e-12) || !(math.Abs(r.Condition/c.condition-1) <= 1e-12) {
			t.Errorf("%s: shift %v, condition %v, want %v, %v", c.name, r.Shift, r.Condition, c.shift, c.condition)
		}
		for i, x := range r.S {
			want := 0.0
			if i%c.n == i/c.n {
				want = 1
				if i%c.n < len(c.diagonal) {
					want = float64(c.diagonal[i%c.n])
				}
				want = math.Sqrt(want + c.shift)
			}
			if float64(x) != float64(float32(want)) {
				t.Fatalf("%s: S[%d] = %v, want %v", c.name, i, x, want)
			}
		}
	}
}

// TestRootReference: of a matrix with condition 10⁶ S·Sᵀ is the matrix but for
// the rounding of S.
func TestRootReference(t *testing.T) {
	const n = 512
	ref := readReference(t, "cholesky.safetensors")["A.lower"].data
	a := make([]float32, n*n)
	for i := range n {
		copy(a[i*n:i*n+i+1], narrow(ref[i*(i+1)/2:(i+1)*(i+2)/2]))
	}
	r, err := SymmetricRoot(a, n, 1e-6)
	if err != nil || r.Shift != 0 {
		t.Fatal(err, r.Shift)
	}
	// Rounding S to float32 moves an entry of S·Sᵀ by at most 2·2⁻²⁴ of the
	// lengths of its two rows, √(A_ii·A_jj).
	for i := range n {
		for j := range i + 1 {
			var sum float64
			for k := range j + 1 {
				sum += float64(r.S[i*n+k]) * float64(r.S[j*n+k])
			}
			bound := 0x1p-23 * math.Sqrt(float64(a[i*n+i])*float64(a[j*n+j]))
			if !(math.Abs(sum-float64(a[i*n+j])) <= bound) {
				t.Fatalf("S·Sᵀ[%d,%d] = %v, want %v ± %.2g", i, j, sum, a[i*n+j], bound)
			}
		}
	}
}

func TestRootErrors(t *testing.T) {
	a := diagonal(3)
	a[1*3+0] = float32(math.Inf(-1))
	if _, err := SymmetricRoot(a, 3, 1); err == nil || err.Error() != "linalg: entry [1,0] is -Inf, want a finite number" {
		t.Error(err)
	}
	if _, err := SymmetricRoot(diagonal(1030, -1e30), 1030, 1); err == nil || !strings.HasPrefix(err.Error(), "linalg: matrix is not positive definite, nor with 1e+09 ") {
		t.Error(err)
	}
}
