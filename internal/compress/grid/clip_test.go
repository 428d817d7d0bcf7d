package grid

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
)

// TestClipReference compares the errors after clip search, scales in full
// precision, with those of another program.
func TestClipReference(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F_mse_clip"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "rtn")
		for _, name := range names {
			m := s.Matrix(t, name)
			bits, group, symmetric := parse(t, name, m.In)
			var what []float64
			for i := 0; i < len(m.W); i += group {
				w := m.W[i : i+group]
				lo, hi := math.Inf(1), math.Inf(-1)
				for _, v := range w {
					lo, hi = min(lo, float64(v)), max(hi, float64(v))
				}
				g, _, err := Clip(w, lo, hi, symmetric, func(lo, hi float64) (Grid, int, error) {
					return exact(lo, hi, bits, symmetric), 0, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range w {
					what = append(what, g.Value(g.Code(float64(v))))
				}
			}
			if e := m.RelativeFrobenius(what); !quanttest.Close(e, results[name].EF, 1e-6) {
				t.Errorf("%s: e_F %.12g, want %.12g", name, e, results[name].EF)
			}
		}
	})
}

// TestClipNarrowest: the range chosen is the best of 80, by definition, and with
// few large weights among many small ones the narrowest of them, 0.21 of the
// whole.
func TestClipNarrowest(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	narrowest := 0
	for trial := range 8 {
		w := []float32{1}
		for range 1000 * (trial + 1) {
			w = append(w, float32(0.05*rng.NormFloat64()))
		}
		symmetric := trial%2 == 0
		lo, hi := -1.0, 1.0
		if !symmetric {
			lo = float64(slices.Min(w))
		}
		make16 := func(lo, hi float64) (Grid, uint16, error) { return New16(lo, hi, 2, symmetric) }
		got, _, err := Clip(w, lo, hi, symmetric, make16)
		if err != nil {
			t.Fatal(err)
		}
		var best Grid
		step, least := 0, math.Inf(1)
		for i := range 80 {
			p := 1 - float64(i)/100
			g, _, err := make16(p*lo, p*hi)
			if err != nil {
				t.Fatal(err)
			}
			var e float64
			for _, v := range w {
				e += math.Pow(math.Abs(g.Value(g.Code(float64(v)))-float64(v)), 2.4)
			}
			if e < least*(1-1e-8) {
				best, step, least = g, i, e
			}
		}
		if got != best {
			t.Errorf("trial %d: %+v, want %+v", trial, got, best)
		}
		if step == 79 {
			narrowest++
		}
	}
	if narrowest == 0 {
		t.Error("the narrowest range was never best")
	}
}

// TestPow24 compares with math.Pow over all sizes that a float32 can have.
func TestPow24(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 100000 {
		x := math.Ldexp(1+rng.Float64(), rng.IntN(300)-150)
		if got, want := pow24(-x), math.Pow(x, 2.4); !quanttest.Close(got, want, 1e-9) {
			t.Fatalf("%v^2.4 = %v, want %v", x, got, want)
		}
	}
	if pow24(0) != 0 {
		t.Errorf("0^2.4 = %v", pow24(0))
	}
}
