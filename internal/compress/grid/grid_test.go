package grid

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestReference compares grids with full-precision scales with the float64
// results of another program. Asymmetric codes and zeros are equal. Symmetric
// codes may differ where w/scale is within 1e-6 of a half: -max|w| is there by
// construction, so the quotient's last bit decides, and both levels are as
// near. Errors are sums of the same terms in another order: 1e-6.
func TestReference(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F"`
		EH float64 `json:"e_H"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "rtn")
		for _, name := range names {
			m := s.Matrix(t, name)
			bits, group, symmetric := parse(t, name, m.In)
			codes, grids, what := round(m, bits, group, symmetric)
			if e := m.RelativeFrobenius(what); !quanttest.Close(e, results[name].EF, 1e-6) {
				t.Errorf("%s: e_F %.12g, want %.12g", name, e, results[name].EF)
			}
			if e := m.Weighted(what); !symmetric && !quanttest.Close(e, results[name].EH, 1e-6) {
				t.Errorf("%s: e_H %.12g, want %.12g", name, e, results[name].EH)
			}
			if !s.Has(t, "rtn", name+".codes") {
				continue
			}
			zeros, _ := s.Values(t, "rtn", name+".zero")
			scales, _ := s.Values(t, "rtn", name+".scale")
			for i, g := range grids {
				if g.Zero != zeros[i] || !quanttest.Close(g.Scale, scales[i], 0x1p-23) {
					t.Fatalf("%s: grid %d is %+v, want zero %v, scale %v", name, i, g, zeros[i], scales[i])
				}
			}
			for i, want := range s.Codes(t, "rtn", name+".codes") {
				x := float64(m.W[i]) / grids[i/group].Scale
				if tie := math.Abs(x-math.Floor(x)-0.5) < 1e-6; codes[i] != want && !(symmetric && tie) {
					t.Fatalf("%s: code %d is %d, want %d (w/scale %v)", name, i, codes[i], want, x)
				}
			}
		}
	})
}

// exact is New16 with the scale in full precision, as the references have it.
func exact(lo, hi float64, bits int, symmetric bool) Grid {
	lo, hi = span(lo, hi, symmetric)
	g := Grid{Max: float64(int(1)<<bits - 1)}
	g.Scale = (hi - lo) / g.Max
	g.zero(lo, symmetric)
	return g
}

// parse reads bits, group and symmetry from a name like gate.b2.g32.asym.
func parse(t *testing.T, name string, in int) (bits, group int, symmetric bool) {
	t.Helper()
	f := strings.Split(name, ".")
	bits, err := strconv.Atoi(f[1][1:])
	if err != nil {
		t.Fatal(err)
	}
	if f[2] == "row" {
		return bits, in, f[3] == "sym"
	}
	group, err = strconv.Atoi(f[2][1:])
	if err != nil {
		t.Fatal(err)
	}
	return bits, group, f[3] == "sym"
}

func round(m *quanttest.Matrix, bits, group int, symmetric bool) (codes []uint8, grids []Grid, what []float64) {
	for i := 0; i < len(m.W); i += group {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, w := range m.W[i : i+group] {
			lo, hi = min(lo, float64(w)), max(hi, float64(w))
		}
		g := exact(lo, hi, bits, symmetric)
		grids = append(grids, g)
		for _, w := range m.W[i : i+group] {
			c := g.Code(float64(w))
			codes, what = append(codes, c), append(what, g.Value(c))
		}
	}
	return codes, grids, what
}

// TestByHand: range [-1,2] at 2 bits has scale 1, zero round(1) = 1, levels
// -1, 0, 1, 2. Range [0,0] is taken as [-1,1]: scale 2/3, zero round(1.5) = 2.
// Symmetric: ±2, scale 4/3, zero 2, levels -8/3, -4/3, 0, 4/3.
func TestByHand(t *testing.T) {
	for _, c := range []struct {
		lo, hi      float64
		symmetric   bool
		scale, zero float64
		w           []float64
		codes       []uint8
	}{
		{-1, 2, false, 1, 1, []float64{-1, -0.6, -0.5, 0.5, 1.5, 2, 9}, []uint8{0, 0, 1, 1, 3, 3, 3}},
		{1, 3, false, 1, 0, []float64{1, 2.5, 3}, []uint8{1, 2, 3}},
		{-6, -3, false, 2, 3, []float64{-6, -3, -1}, []uint8{0, 1, 3}},
		{0, 0, false, 2.0 / 3, 2, []float64{0}, []uint8{2}},
		{-1, 2, true, 4.0 / 3, 2, []float64{2, 0, -1, -2}, []uint8{3, 2, 1, 0}},
	} {
		g := exact(c.lo, c.hi, 2, c.symmetric)
		if math.Abs(g.Scale-c.scale) > 1e-15 || g.Zero != c.zero {
			t.Errorf("[%v,%v]: %+v, want scale %v, zero %v", c.lo, c.hi, g, c.scale, c.zero)
		}
		for i, w := range c.w {
			if q := g.Code(w); q != c.codes[i] {
				t.Errorf("[%v,%v]: code of %v is %d, want %d", c.lo, c.hi, w, q, c.codes[i])
			}
		}
	}
}

// TestHalfStep checks the property that defines rounding to nearest: no value
// moves by more than half a step, or further than the end of the grid. A
// scale rounded to f16, by up to 2^-11 of itself, and a zero rounded to an
// integer leave the ends up to Max·2^-11 + 1/2 steps inside the range; a
// symmetric grid has Max/2 steps below 0 and Max/2 - 1/2 above, so half a step
// more is lost than at the ends of an asymmetric one.
func TestHalfStep(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		a, b := math.Exp(2*rnd.NormFloat64())*rnd.NormFloat64(), rnd.NormFloat64()
		lo, hi := min(a, b), max(a, b)
		bits := []int{2, 3, 4, 8}[rnd.IntN(4)]
		g, half, err := New16(lo, hi, bits, rnd.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		if float64(packed.F16ToF32(half)) != g.Scale {
			t.Fatalf("scale %v is not the f16 %#x", g.Scale, half)
		}
		if g.Code(0) != uint8(g.Zero) || g.Value(uint8(g.Zero)) != 0 {
			t.Fatalf("%+v: 0 is not a level", g)
		}
		w := lo + rnd.Float64()*(hi-lo)
		bound := 0.5 + 1e-9
		if q := g.Code(w); q == 0 || float64(q) == g.Max {
			bound += g.Max*0x1p-11 + 0.5
		}
		if d := math.Abs(w-g.Value(g.Code(w))) / g.Scale; !(d <= bound) {
			t.Fatalf("%v in [%v,%v] at %d bits moved by %v steps", w, lo, hi, bits, d)
		}
	}
}

func TestExtremes(t *testing.T) {
	if _, _, err := New16(-1e6, 1e6, 4, false); !errors.Is(err, ErrScale) {
		t.Errorf("range beyond f16: error %v", err)
	}
	// The largest representable range: 15 × 65504.
	if _, _, err := New16(0, 15*65504, 4, false); err != nil {
		t.Error(err)
	}
	for _, hi := range []float64{1e-9, 1e-30, math.SmallestNonzeroFloat64} {
		g, half, err := New16(-hi, hi, 4, false)
		if err != nil || half == 0 || !(g.Scale > 0) || g.Value(g.Code(hi)) != 0 {
			t.Errorf("range ±%v: %+v, %v", hi, g, err)
		}
	}
}
