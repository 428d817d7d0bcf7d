package svd

import "testing"

// TestCheck21Rank: the rank at B bits, r = B·n·d/(16·(n+d)), gives back the r of
// B = 16·r·(n+d)/(n·d), whatever float64 makes of B, and so do bytes: those of r
// are enough for it, and one less are not.
func TestCheck21Rank(t *testing.T) {
	for _, d := range [][2]int{{4096, 4096}, {64, 172}, {172, 64}, {33, 7}, {1, 5}} {
		out, in := d[0], d[1]
		if got := RankForBytes(1<<40, out, in); got != min(out, in) {
			t.Errorf("%d×%d: rank %d in a terabyte", out, in, got)
		}
		for r := 1; r <= min(out, in); r++ {
			bits := 16 * float64(r) * float64(out+in) / (float64(out) * float64(in))
			if got := Rank(bits, out, in); got != r {
				t.Errorf("%d×%d at %v bits: rank %d, want %d", out, in, bits, got, r)
			}
			bytes := Bytes(r, out, in)
			if got, less := RankForBytes(bytes, out, in), RankForBytes(bytes-1, out, in); got != r || less != r-1 {
				t.Errorf("%d×%d: %d bytes fit rank %d, one less %d; want %d", out, in, bytes, got, less, r)
			}
		}
	}
}
