package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// sketchOf draws an out×in sketch of eight classes with 16-bit cells of half a
// bit per weight in three rows, as ultrasketch makes them.
func sketchOf(out, in, tile, window int) *packed.Cells {
	rng := rand.New(rand.NewPCG(1, 2))
	w := &packed.Cells{
		Out: out, In: in, Rows: 3, Bits: 16, Reading: packed.ReadingMagnitude, Hash: packed.HashMix64,
		Tile: tile, Window: window, Seeds: []uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()},
		Sizes: slices.Repeat([]uint32{uint32(out * in / 96 / 8)}, 8), Cells: packed.RandomF16(rng, out*in/96/8*8*3),
	}
	_, columns := w.Units()
	for range columns {
		w.Class = append(w.Class, uint8(rng.IntN(8)))
	}
	return w
}

// BenchmarkDecompress decodes a 4096×4096 matrix of half a bit per weight on
// one thread: weight by weight as the format is specified ("naive": a hash and
// a scattered read per weight and sketch row), and by tiles, which take the
// same bytes; portable and with the instructions of this machine.
func BenchmarkDecompress(b *testing.B) {
	const out, in = 4096, 4096
	for _, isa := range Available() {
		leaf, _ := leavesOf(isa)
		for _, c := range []struct {
			name         string
			tile, window int
		}{{"naive", 0, 0}, {"tile=16,window=64", 16, 64}, {"tile=32,window=64", 32, 64}, {"tile=64,window=256", 64, 256}} {
			m := newCells(sketchOf(out, in, c.tile, c.window), leaf)
			b.Run(fmt.Sprintf("%s/%s", isa, c.name), func(b *testing.B) { benchDecode(b, m) })
		}
	}
	b.Run("specification", func(b *testing.B) {
		w, dst := sketchOf(out, in, 0, 0), make([]float32, 64*in)
		for b.Loop() {
			w.Dequantize(dst, 0, 64)
		}
		b.ReportMetric(float64(len(dst))*float64(b.N)/1e6/b.Elapsed().Seconds(), "Mweights/s")
	})
}

// benchDecode decodes into the same memory, as many rows at a time as suits.
func benchDecode(b *testing.B, m matrix) {
	out, in := m.Dims()
	n := max(rowUnit(m), 16)
	dst := make([]float32, n*in)
	for i := 0; b.Loop(); i++ {
		r := i * n % out
		m.decode(dst, r, r+n)
	}
	b.ReportMetric(float64(len(dst))*float64(b.N)/1e6/b.Elapsed().Seconds(), "Mweights/s")
}

// TestLargestOf compares the vector form of largestOf with the portable one, on
// values of both signs with ties and infinities, around the vector width.
func TestLargestOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, isa := range Available() {
		leaf, _ := leavesOf(isa)
		m := hashedCells{leaf: leaf}
		for _, n := range []int{1, 7, 8, 9, 16, 43} {
			for count := 1; count <= 4; count++ {
				const rows = 3
				values := make([]float32, 100)
				for i := range values {
					values[i] = float32(rng.IntN(5) - 2)
					if rng.IntN(9) == 0 {
						values[i] = packed.F16ToF32(infinity16)
					}
				}
				offsets := make([]uint32, rows*count)
				for i := range offsets {
					offsets[i] = rng.Uint32N(uint32(len(values) - n + 1))
				}
				stride := n + 2
				want, got := make([]float32, rows*stride), make([]float32, rows*stride)
				largestOf(block{want[1:], stride, rows, n}, values, offsets, count)
				m.largestOf(block{got[1:], stride, rows, n}, values, offsets, count)
				if !slices.Equal(got, want) {
					t.Errorf("%s, %d sketch rows: %v, want %v", isa, count, got, want)
				}
			}
		}
	}
}
