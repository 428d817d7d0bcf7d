package gemm

import (
	"math/rand/v2"
	"testing"
)

// TestTranspose compares the packing of rows with its definition, for all
// numbers of rows and columns around the 4, 6 and 8 that kernels take at a
// time, guard words in dst and behind src included.
func TestTranspose(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		kn, _ := Config{ISA: isa}.kernel()
		r := rand.New(rand.NewPCG(11, 12))
		for count := 1; count <= 33; count++ {
			for _, k := range []int{1, 7, 8, 9, 16, 17} {
				src := newMatrix(count, k, 3).fill(r)
				dst := newMatrix(k, count, count%3)
				want := dst.clone()
				for p := range k {
					for i := range count {
						want.row(p)[i] = src.row(i)[p]
					}
				}
				kn.transpose(dst.data(), dst.ld, src.data(), src.ld, count, k)
				if !sameBits(dst.memory, want.memory) {
					t.Fatalf("%d rows of %d: wrong", count, k)
				}
			}
		}
	})
}

// TestTileExact holds tile against small integers, whose sums are exact in
// float32 in any order, with values behind the panels that must not be read.
func TestTileExact(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		kn, _ := Config{ISA: isa}.kernel()
		for _, k := range []int{1, 3, 4, 5, 8, 11} {
			a, b := newMatrix(k, kn.mr, 0), newMatrix(k, kn.nr, 0)
			for p := range k {
				for i := range kn.mr {
					a.row(p)[i] = float32(i*7+p*3%5) - 9
				}
				for j := range kn.nr {
					b.row(p)[j] = float32(j*5+p*2%7) - 11
				}
			}
			for _, beta := range []float32{0, 2} {
				c := newMatrix(kn.mr, kn.nr, 5)
				if beta != 0 {
					for i := range c.rows {
						for j := range c.row(i) {
							c.row(i)[j] = float32(i - j)
						}
					}
				}
				want := c.clone()
				for i := range c.rows {
					for j := range c.row(i) {
						var sum float32
						for p := range k {
							sum += a.row(p)[i] * b.row(p)[j]
						}
						want.row(i)[j] = 3 * sum
						if beta != 0 {
							want.row(i)[j] += beta * float32(i-j)
						}
					}
				}
				kn.tile(k, &a.data()[0], &b.data()[0], &c.data()[0], c.ld, 3, beta)
				if !sameBits(c.memory, want.memory) {
					t.Fatalf("k = %d, beta = %g: wrong", k, beta)
				}
			}
		}
	})
}
