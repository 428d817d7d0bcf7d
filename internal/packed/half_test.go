package packed

import (
	"math"
	"testing"
)

// halfValue is binary16 by its definition: (-1)^s·2^(e-25)·(1024+m), with
// 2^-24·m for subnormals.
func halfValue(h uint16) float64 {
	e, m := int(h>>10)&31, float64(h&1023)
	v := math.Ldexp(1024+m, e-25)
	switch {
	case e == 0:
		v = math.Ldexp(m, -24)
	case e == 31 && m == 0:
		v = math.Inf(1)
	case e == 31:
		return math.NaN()
	}
	return math.Copysign(v, 0.5-float64(h>>15))
}

func TestF16AllPatterns(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want, got := halfValue(h), F16ToF32(h)
		if math.IsNaN(want) {
			if got == got {
				t.Fatalf("F16ToF32(%#04x) = %v, want NaN", h, got)
			}
			for _, back := range []uint16{F32ToF16(got), F32ToF16TowardZero(got)} {
				if back|0x200 != h|0x200 {
					t.Fatalf("NaN %#04x came back as %#04x", h, back)
				}
			}
			continue
		}
		if math.Float64bits(float64(got)) != math.Float64bits(want) {
			t.Fatalf("F16ToF32(%#04x) = %v, want %v", h, got, want)
		}
		if n, z := F32ToF16(got), F32ToF16TowardZero(got); n != h || z != h {
			t.Fatalf("%#04x came back as %#04x, toward zero %#04x", h, n, z)
		}
	}
}

// TestF16Rounding checks, for every pair of neighbouring binary16 magnitudes,
// the midpoint (a tie, to the even one) and the float32 values just beside it
// and just inside the ends. All midpoints are float32 values.
func TestF16Rounding(t *testing.T) {
	for lo := uint16(0); lo < 0x7c00; lo++ {
		a, b := halfValue(lo), halfValue(lo+1)
		if lo+1 == 0x7c00 {
			b = 65536 // where the next binade's first value would stand
		}
		mid := float32((a + b) / 2)
		even := lo + lo&1
		for _, c := range []struct {
			x       float32
			nearest uint16
		}{
			{mid, even},
			{math.Nextafter32(mid, 0), lo},
			{math.Nextafter32(mid, float32(math.Inf(1))), lo + 1},
			{math.Nextafter32(float32(a), 1e9), lo},
			{math.Nextafter32(float32(b), 0), lo + 1},
		} {
			for _, sign := range []uint16{0, 0x8000} {
				x := c.x
				if sign != 0 {
					x = -x
				}
				if got := F32ToF16(x); got != c.nearest|sign {
					t.Fatalf("F32ToF16(%v) = %#04x, want %#04x", x, got, c.nearest|sign)
				}
				if got := F32ToF16TowardZero(x); got != lo|sign {
					t.Fatalf("F32ToF16TowardZero(%v) = %#04x, want %#04x", x, got, lo|sign)
				}
			}
		}
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x             float32
		nearest, zero uint16
	}{
		{1e30, 0x7c00, 0x7bff},
		{-math.MaxFloat32, 0xfc00, 0xfbff},
		{inf, 0x7c00, 0x7c00},
		{-inf, 0xfc00, 0xfc00},
		{math.SmallestNonzeroFloat32, 0, 0},
	} {
		if n, z := F32ToF16(c.x), F32ToF16TowardZero(c.x); n != c.nearest || z != c.zero {
			t.Errorf("%v: %#04x and %#04x, want %#04x and %#04x", c.x, n, z, c.nearest, c.zero)
		}
	}
}

func TestBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := BF16ToF32(h)
		if math.Float32bits(f) != uint32(h)<<16 {
			t.Fatalf("BF16ToF32(%#04x) = %v", h, f)
		}
		if back := F32ToBF16(f); back != h && !(f != f && back == h|0x40) {
			t.Fatalf("%#04x came back as %#04x", h, back)
		}
		if h&0x7f80 == 0x7f80 {
			continue
		}
		tie := math.Float32frombits(uint32(h)<<16 | 0x8000)
		if got, want := F32ToBF16(tie), h+h&1; got != want {
			t.Fatalf("F32ToBF16(%v) = %#04x, want %#04x", tie, got, want)
		}
		below, above := math.Float32frombits(uint32(h)<<16|0x7fff), math.Float32frombits(uint32(h)<<16|0x8001)
		if F32ToBF16(below) != h || F32ToBF16(above) != h+1 {
			t.Fatalf("beside the tie above %#04x: %#04x, %#04x", h, F32ToBF16(below), F32ToBF16(above))
		}
	}
}
