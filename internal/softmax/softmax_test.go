package softmax

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSumExp compares with math.Exp: 7e-12 from the series, and n float64
// additions.
func TestSumExp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 255, 256, 257, 5000} {
		for _, spread := range []float64{0.1, 10, 800, 1e6} {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(spread * rng.NormFloat64())
			}
			mx := Max(x)
			var want float64
			for _, v := range x {
				want += math.Exp(float64(v - mx))
			}
			if got := SumExp(x, mx); math.Abs(got/want-1) > 1e-11 {
				t.Errorf("%d of spread %v: %v, want %v", n, spread, got, want)
			}
		}
	}
	if got := SumExp([]float32{0, float32(math.NaN())}, 0); got == got {
		t.Errorf("with a NaN: %v", got)
	}
}

// TestExps: each value by itself, the series' 7e-12, and exactly 1 at the
// maximum.
func TestExps(t *testing.T) {
	x := []float32{0, -1e-30, -0.3, -0.34657359, -0.34657362, -1, -20, -80, -690, -3000, float32(math.Inf(-1))}
	got := make([]float64, len(x)+1)
	got[len(x)] = 7
	Exps(got[:len(x)], x, 0)
	for i, v := range x {
		if want := math.Exp(float64(v)); math.Abs(got[i]-want) > 7e-12*want {
			t.Errorf("e^%v: %v, want %v", v, got[i], want)
		}
	}
	if got[0] != 1 || got[len(x)] != 7 {
		t.Errorf("e^0 = %v, guard %v", got[0], got[len(x)])
	}
}

// TestNegLogProb: p = 3/4 and 1/4, also far from 0.
func TestNegLogProb(t *testing.T) {
	for _, shift := range []float32{0, 80, -90} {
		x := []float32{shift, shift + float32(math.Log(3))}
		// float32 rounds ln 3 + shift to 2^-18 at 90.
		if got, want := NegLogProb(x, 1), math.Log(4.0/3); math.Abs(got-want) > 1e-5 {
			t.Errorf("shift %v: %v, want %v", shift, got, want)
		}
		if got, want := NegLogProb(x, 0), math.Log(4); math.Abs(got-want) > 1e-5 {
			t.Errorf("shift %v: %v, want %v", shift, got, want)
		}
	}
}
