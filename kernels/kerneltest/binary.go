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

// binaryOf fills the options v with random planes, patterns and scalars.
func binaryOf(rnd *rand.Rand, out, in int, v packed.Binary) packed.Weight {
	w := &v
	w.Out, w.In = out, in
	plane := func() []byte { return randomCodes(rnd, 1, out*w.Kept(), 1) }
	w.Minus, w.Low, w.Salient = plane(), plane(), randomCodes(rnd, 1, in, 1)
	if w.Regions == 3 {
		w.High = plane()
	}
	if w.Keep < packed.PatternWidth {
		w.Mask = randomMask(rnd, w)
	}
	w.Scalars = halves(rnd, out*w.Blocks()*w.RowScalars(), 1)
	return w
}

// randomMask draws the places of patterns; the last of a row, of fewer
// columns, is always the first there is.
func randomMask(rnd *rand.Rand, w *packed.Binary) []byte {
	row := w.MaskBits()
	mask := make([]byte, packed.PlaneBytes(w.Out*row))
	n := packed.PatternBits(packed.PatternWidth, w.Keep)
	for r := range w.Out {
		for g := range w.In / packed.PatternWidth {
			place := rnd.IntN(len(packed.Patterns(packed.PatternWidth, w.Keep)))
			packed.SetBits(mask, r*row+g*n, n, uint32(place))
		}
	}
	return mask
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
