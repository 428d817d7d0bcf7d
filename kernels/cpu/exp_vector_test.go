package cpu

import (
	"math"
	"os"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// vectorLeaves calls f for the loops of every instruction set with vectors.
func vectorLeaves(t *testing.T, f func(t *testing.T, l leaves)) {
	for _, isa := range []gemm.ISA{gemm.AVX2, gemm.AVX512} {
		t.Run(string(isa), func(t *testing.T) {
			l, ok := leavesOf(isa)
			if !ok && os.Getenv("SKETCHBENCH_REQUIRE_ISA") == string(isa) {
				t.Fatalf("%s is required here and not available", isa)
			}
			if !ok {
				t.Skipf("%s is not available", isa)
			}
			f(t, l)
		})
	}
}

// TestExpSum compares the vector exponential with math.Exp over arguments of
// every exponent down to the smallest normal result. 2 ulp: the argument's
// reduction and the last two fused multiply-adds each round once, at half an
// ulp of a value between 0.7 and 1.42; the scaling by 2^k is exact.
func TestExpSum(t *testing.T) {
	vectorLeaves(t, func(t *testing.T, l leaves) {
		var xs []float32
		stride := uint32(1237)
		if testing.Short() {
			stride = 50021
		}
		for b := uint32(0); b < math.Float32bits(87.2); b += stride {
			xs = append(xs, -math.Float32frombits(b))
		}
		xs = xs[:len(xs)/l.lanes*l.lanes]
		got := append([]float32(nil), xs...)
		sum := l.expSum(&got[0], len(got), 0)
		var want, worst float64
		for i, x := range xs {
			e := math.Exp(float64(x))
			want += float64(got[i])
			ulp := math.Ldexp(1, math.Ilogb(e)-23)
			off := math.Abs(float64(got[i])-e) / ulp
			if !(off <= 2) {
				t.Fatalf("e^%v = %v, want %v: off by %.2f ulp", x, got[i], e, off)
			}
			worst = max(worst, off)
		}
		t.Logf("largest error %.3f ulp over %d values", worst, len(xs))
		// Two orders of summation of n positive float64 values.
		if bound := want * float64(len(xs)) * 0x1p-52; !(math.Abs(sum-want) <= bound) {
			t.Errorf("sum %v, want %v ± %v", sum, want, bound)
		}
	})
}

// TestExpEdges checks what lies outside the normal results.
func TestExpEdges(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	vectorLeaves(t, func(t *testing.T, l leaves) {
		x := make([]float32, 2*l.lanes)
		for i := range x {
			x[i] = []float32{0, -87.4, -1e30, -inf, nan, -0x1p-126, 1000, 5}[i%8]
		}
		l.expSum(&x[0], len(x), 0)
		for i, e := range x {
			ok := false
			switch i % 8 {
			case 0, 5:
				ok = e == 1
			case 1, 2, 3:
				ok = e >= 0 && e < 1.3e-38
			case 4:
				ok = e != e
			case 6:
				ok = e == inf
			case 7:
				ok = math.Abs(float64(e)-math.Exp(5)) < 4e-5
			}
			if !ok {
				t.Errorf("value %d: %v", i, e)
			}
		}
		if n := l.expSum(nil, 0, 0); n != 0 {
			t.Errorf("sum of nothing %v", n)
		}
	})
}

// TestMaxOf puts the largest value in every lane.
func TestMaxOf(t *testing.T) {
	vectorLeaves(t, func(t *testing.T, l leaves) {
		x := make([]float32, 3*l.lanes)
		for at := range x {
			for i := range x {
				x[i] = -float32(i) - 10
			}
			x[at] = -3
			if got := l.maxOf(&x[0], len(x)); got != -3 {
				t.Errorf("largest at %d: got %v, want -3", at, got)
			}
		}
	})
}

// TestSiluMul compares with float64. Relative to the result: 2 ulp of the
// exponential, and half an ulp each for sum, quotient and product.
func TestSiluMul(t *testing.T) {
	vectorLeaves(t, func(t *testing.T, l leaves) {
		n := 64 * l.lanes
		gate, up, y := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range gate {
			gate[i], up[i] = float32(i-n/2)*60/float32(n), 1.5-float32(i%7)
		}
		l.siluMul(&y[0], &gate[0], &up[0], n)
		for i, g := range gate {
			z := float64(g)
			want := z / (1 + math.Exp(-z)) * float64(up[i])
			if bound := 4 * 0x1p-23 * math.Abs(want); !(math.Abs(float64(y[i])-want) <= bound) {
				t.Fatalf("silu(%v)·%v = %v, want %v ± %v", g, up[i], y[i], want, bound)
			}
		}
		far := []float32{-1000, 1000}
		for i := range gate {
			gate[i], up[i] = far[i%2], 2
		}
		l.siluMul(&y[0], &gate[0], &up[0], n)
		if y[0] != 0 || y[1] != 2000 {
			t.Errorf("silu(∓1000)·2 = %v and %v, want 0 and 2000", y[0], y[1])
		}
	})
}
