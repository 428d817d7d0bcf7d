package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// hashedForms lists all ways of addressing, combination and sign that go
// together, chunks and tiles of whole vectors and of parts of one, and both
// hashes of a tile.
func hashedForms() []Variant {
	var list []Variant
	add := func(name string, form packed.Hashed) {
		list = append(list, Variant{name, func(rnd *rand.Rand, out, in int) packed.Weight { return hashedOf(rnd, out, in, form) }})
	}
	for _, sign := range []string{packed.SignNone, packed.SignHash, packed.SignPlane} {
		for _, c := range []struct {
			rows    int
			combine string
		}{{1, packed.CombineSingle}, {3, packed.CombineMedian}, {5, packed.CombineMedian}, {2, packed.CombineMin}, {3, packed.CombineMin}} {
			form := packed.Hashed{Rows: c.rows, Size: 37, Addressing: packed.AddressWeights, Combine: c.combine, Sign: sign}
			form.Seeds = make([]uint64, c.rows)
			if sign == packed.SignHash {
				form.Seeds = make([]uint64, 2*c.rows)
			}
			add(fmt.Sprintf("weights/sign=%s/%s/rows=%d", sign, c.combine, c.rows), form)
		}
	}
	for _, z := range []int{1, 5, 32, 64} {
		add(fmt.Sprintf("chunks=%d", z), packed.Hashed{Rows: 1, Size: 64, Addressing: packed.AddressChunks, Chunk: z,
			Combine: packed.CombineSingle, Sign: packed.SignNone, Seeds: make([]uint64, packed.TileSeeds)})
	}
	for _, tile := range [][2]int{{1, 1}, {3, 5}, {8, 16}, {32, 64}} {
		for _, seeds := range []int{packed.TileSeeds, packed.TwoLevelSeeds} {
			add(fmt.Sprintf("tiles=%dx%d/seeds=%d", tile[0], tile[1], seeds), packed.Hashed{Rows: 1, Size: tile[0]*tile[1] + 77,
				Addressing: packed.AddressTiles, TileIn: tile[0], TileOut: tile[1],
				Combine: packed.CombineSingle, Sign: packed.SignNone, Seeds: make([]uint64, seeds)})
		}
	}
	return list
}

// hashedOf fills seeds, cells and signs of a form.
func hashedOf(rnd *rand.Rand, out, in int, form packed.Hashed) packed.Weight {
	w := &form
	w.Out, w.In = out, in
	seeds := make([]uint64, len(form.Seeds))
	for i := range seeds {
		seeds[i] = rnd.Uint64()
		if w.Addressing != packed.AddressWeights {
			seeds[i] %= 45007
		}
	}
	if w.Addressing != packed.AddressWeights {
		seeds[0] = 45007
	}
	w.Seeds = seeds
	w.Cells = halves(rnd, w.Rows*w.Size, 1)
	if w.Sign == packed.SignPlane {
		w.Signs = randomCodes(rnd, out, in, 1)
	}
	return w
}
