package cpu

import (
	"math"
	"testing"
)

// TestExp compares exp32 with math.Exp, which is good to 1 ulp of float64, over
// arguments of every exponent, both signs and down to subnormal results. The
// bound is 0.6 ulp as its comment says.
func TestExp(t *testing.T) {
	stride := uint32(9973)
	if testing.Short() {
		stride = 999983
	}
	var worst float64
	for b := uint32(0); b < 0x7f800000-stride; b += stride {
		for _, x := range []float32{math.Float32frombits(b), -math.Float32frombits(b)} {
			want, got := math.Exp(float64(x)), exp32(x)
			if want > math.MaxFloat32 {
				// Up to half an ulp above the largest value rounds to it.
				if want < math.MaxFloat32+0x1p103 {
					continue
				}
				if !math.IsInf(float64(got), 1) {
					t.Fatalf("exp32(%v) = %v, want +Inf", x, got)
				}
				continue
			}
			ulp := math.Ldexp(1, max(math.Ilogb(max(want, math.SmallestNonzeroFloat64))-23, -149))
			e := math.Abs(float64(got)-want) / ulp
			if !(e <= 0.6) {
				t.Fatalf("exp32(%v) = %v, want %v: off by %.2f ulp", x, got, want, e)
			}
			worst = max(worst, e)
		}
	}
	t.Logf("largest error %.4f ulp", worst)
	for _, c := range []struct{ x, want float32 }{
		{0, 1},
		{float32(math.Inf(1)), float32(math.Inf(1))},
		{float32(math.Inf(-1)), 0},
	} {
		if got := exp32(c.x); got != c.want {
			t.Errorf("exp32(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := exp32(float32(math.NaN())); got == got {
		t.Errorf("exp32(NaN) = %v, want NaN", got)
	}
}
