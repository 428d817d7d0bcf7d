package packed

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestPackRowByHand(t *testing.T) {
	for _, c := range []struct {
		name  string
		bits  int
		codes []uint8
		want  []byte
	}{
		// 3<<6 | 2<<4 | 1<<2 | 0
		{"2 bits, 4 codes per byte", 2, []uint8{0, 1, 2, 3}, []byte{0xe4}},
		{"2 bits, tail", 2, []uint8{3, 0, 0, 0, 2}, []byte{0x03, 0x02}},
		// Σ i·8^i for i = 0..7 = 0xfac688
		{"3 bits, 8 codes in 3 bytes", 3, []uint8{0, 1, 2, 3, 4, 5, 6, 7}, []byte{0x88, 0xc6, 0xfa}},
		{"3 bits, tail", 3, []uint8{7, 7, 7}, []byte{0xff, 0x01}},
		{"4 bits", 4, []uint8{1, 2, 3}, []byte{0x21, 0x03}},
		{"8 bits", 8, []uint8{255, 1}, []byte{255, 1}},
	} {
		got := make([]byte, RowBytes(len(c.codes), c.bits))
		PackRow(got, c.codes, c.bits)
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", c.name, got, c.want)
		}
	}
}

// TestPackRowRoundTrip packs rows of all lengths around the units of 4, 8 and
// 24 bits over dirty memory, with guard bytes on both sides.
func TestPackRowRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for bits := 1; bits <= 8; bits++ {
		for n := range 50 {
			codes := make([]uint8, n)
			for i := range codes {
				codes[i] = uint8(rng.IntN(1 << bits))
			}
			size := (n*bits + 7) / 8
			if got := RowBytes(n, bits); got != size {
				t.Fatalf("RowBytes(%d, %d) = %d, want %d", n, bits, got, size)
			}
			buf := bytes.Repeat([]byte{0xa5}, size+2)
			PackRow(buf[1:], codes, bits)
			if buf[0] != 0xa5 || buf[size+1] != 0xa5 {
				t.Fatalf("bits %d, n %d: wrote outside the row", bits, n)
			}
			if pad := size*8 - n*bits; pad > 0 && buf[size]>>(8-pad) != 0 {
				t.Fatalf("bits %d, n %d: padding %#02x", bits, n, buf[size])
			}
			back := bytes.Repeat([]byte{0x5a}, n+1)
			UnpackRow(back, buf[1:size+1], n, bits)
			if !bytes.Equal(back[:n], codes) || back[n] != 0x5a {
				t.Fatalf("bits %d, n %d: %v, want %v", bits, n, back, codes)
			}
			for i, c := range codes {
				if got := codeAt(buf[1:size+1], i, bits); got != int(c) {
					t.Fatalf("bits %d, n %d: codeAt(%d) = %d, want %d", bits, n, i, got, c)
				}
			}
		}
	}
}
