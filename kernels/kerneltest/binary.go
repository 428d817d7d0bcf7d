package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// binaryVariants is Variants for formats made of planes of bits: blocks and
// rows that end inside a byte or a word of a plane, masks that keep one, half
// and nearly all of 8 columns.
func binaryVariants(kind packed.Kind, in int) []Variant {
	var list []Variant
	add := func(name string, make func(rnd *rand.Rand, out, in int) packed.Weight) {
		list = append(list, Variant{string(kind) + "/" + name, make})
	}
	switch kind {
	case packed.KindBinary:
		for _, v := range []packed.Binary{
			{Block: 128, Regions: 2, Keep: 8}, {Block: 44, Regions: 3, Keep: 8}, {Block: 5, Regions: 2, Keep: 8},
			{Block: 128, Regions: 3, Keep: 4}, {Block: 40, Regions: 3, Keep: 7}, {Block: 128, Regions: 2, Keep: 1},
		} {
			add(fmt.Sprintf("block=%d/regions=%d/keep=%d", v.Block, v.Regions, v.Keep), func(rnd *rand.Rand, out, in int) packed.Weight {
				return binaryOf(rnd, out, in, v)
			})
		}
	case packed.KindPartial:
		for _, one := range []int{1, 2, 10} {
			add(fmt.Sprintf("salient=1:%d", one), func(rnd *rand.Rand, out, in int) packed.Weight {
				return partialOf(rnd, out, in, one)
			})
		}
	case packed.KindSigns:
		add("vectors", func(rnd *rand.Rand, out, in int) packed.Weight {
			return &packed.Signs{Out: out, In: in, Minus: randomCodes(rnd, 1, out*in, 1), A: halves(rnd, out, 1), B: halves(rnd, in, 1)}
		})
	}
	return list
}

// binaryOf draws a matrix with the options v.
func binaryOf(rnd *rand.Rand, out, in int, v packed.Binary) packed.Weight {
	v.Out, v.In = out, in
	w := packed.RandomBinary(rnd, v)
	w.Scalars = halves(rnd, len(w.Scalars), 1)
	return w
}

// partialOf draws a matrix of which about one weight of so many is salient.
func partialOf(rnd *rand.Rand, out, in, one int) packed.Weight {
	w := &packed.Partial{Out: out, In: in, Low: randomCodes(rnd, 1, out*in, 1),
		Scale: halves(rnd, out, 0.01), Zero: randomCodes(rnd, 1, out, 8), Rest: halves(rnd, 2*out, 1)}
	mask := make([]uint8, out*in)
	for i := range mask {
		if rnd.IntN(one) == 0 {
			mask[i] = 1
		}
	}
	w.Mask = make([]byte, packed.PlaneBytes(out*in))
	packed.PackRow(w.Mask, mask, 1)
	w.High = randomCodes(rnd, 1, w.Salient(out), 7)
	return w
}
