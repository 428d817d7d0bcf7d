package cpu_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/cpu"
)

// BenchmarkMulHashed multiplies matrices of hashed cells at half a bit per
// weight, and one of bf16 for comparison, by one vector on one thread.
func BenchmarkMulHashed(b *testing.B) {
	const out, in = 1024, 4096
	rng := rand.New(rand.NewPCG(1, 2))
	hashed := func(rows int, w packed.Hashed, seeds ...uint64) *packed.Hashed {
		w.Out, w.In, w.Rows, w.Size, w.Seeds = out, in, rows, out*in/32/rows, seeds
		w.Cells = packed.RandomF16(rng, w.Rows*w.Size)
		return &w
	}
	for _, c := range []struct {
		name string
		w    packed.Weight
	}{
		{"dense", &packed.Dense{Out: out, In: in, DType: "BF16", Data: packed.RandomBF16(rng, out*in)}},
		{"weights", hashed(1, packed.Hashed{Addressing: packed.AddressWeights, Combine: packed.CombineSingle, Sign: packed.SignHash}, 1, 2)},
		{"median of 3", hashed(3, packed.Hashed{Addressing: packed.AddressWeights, Combine: packed.CombineMedian, Sign: packed.SignHash}, 1, 2, 3, 4, 5, 6)},
		{"least of 3", hashed(3, packed.Hashed{Addressing: packed.AddressWeights, Combine: packed.CombineMin, Sign: packed.SignNone}, 1, 2, 3)},
		{"chunks of 32", hashed(1, packed.Hashed{Addressing: packed.AddressChunks, Chunk: 32, Combine: packed.CombineSingle, Sign: packed.SignNone}, 2038074743, 5, 6, 7)},
		{"tiles of 32×64", hashed(1, packed.Hashed{Addressing: packed.AddressTiles, TileIn: 32, TileOut: 64, Combine: packed.CombineSingle, Sign: packed.SignNone}, 45007, 5, 6, 7)},
	} {
		b.Run(c.name, func(b *testing.B) { benchMul(b, cpu.Available()[0], 1, c.w) })
	}
}
