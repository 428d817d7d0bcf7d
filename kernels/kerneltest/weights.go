package kerneltest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// A Variant is one way to fill a format for a given size.
type Variant struct {
	Name string
	Make func(rnd *rand.Rand, out, in int) packed.Weight
}

// widths are the code widths that have kernels of their own.
var widths = []int{2, 3, 4, 8}

// Variants lists what is tested of a format for matrices with in columns, nil
// for a format that it does not know.
func Variants(kind packed.Kind, in int) []Variant {
	var list []Variant
	add := func(name string, make func(rnd *rand.Rand, out, in int) packed.Weight) {
		list = append(list, Variant{string(kind) + "/" + name, make})
	}
	switch kind {
	case packed.KindDense:
		for _, dtype := range []string{"F32", "F16", "BF16"} {
			add(dtype, func(rnd *rand.Rand, out, in int) packed.Weight { return denseOf(rnd, out, in, dtype) })
		}
	case packed.KindGrid:
		for _, bits := range widths {
			for _, group := range gridGroups(in) {
				for _, symmetric := range []bool{false, true} {
					add(fmt.Sprintf("bits=%d/group=%d/symmetric=%v", bits, group, symmetric), func(rnd *rand.Rand, out, in int) packed.Weight {
						return gridOf(rnd, out, in, bits, group, symmetric)
					})
				}
			}
			// Groups of any size, and of the size that they have in order.
			add(fmt.Sprintf("bits=%d/group=32/indexed", bits), func(rnd *rand.Rand, out, in int) packed.Weight {
				w := gridOf(rnd, out, in, bits, 32, false).(*packed.Grid)
				for range in {
					w.Index = append(w.Index, uint32(rnd.IntN(w.Groups())))
				}
				return w
			})
			for _, group := range []int{32, 64, 128} {
				add(fmt.Sprintf("bits=%d/group=%d/permuted", bits, group), func(rnd *rand.Rand, out, in int) packed.Weight {
					w := gridOf(rnd, out, in, bits, group, group == 64).(*packed.Grid)
					w.Index = make([]uint32, in)
					for k, c := range rnd.Perm(in) {
						w.Index[c] = uint32(k / group)
					}
					return w
				})
			}
		}
	case packed.KindCodebook:
		for _, bits := range widths {
			for _, group := range codebookGroups(in) {
				add(fmt.Sprintf("bits=%d/group=%d", bits, group), func(rnd *rand.Rand, out, in int) packed.Weight {
					return codebookOf(rnd, out, in, bits, group)
				})
			}
		}
	case packed.KindLowRank:
		for _, rank := range []int{1, 13} {
			add(fmt.Sprintf("rank=%d", rank), func(rnd *rand.Rand, out, in int) packed.Weight {
				return &packed.LowRank{Out: out, In: in, Rank: rank, U: halves(rnd, out*rank, 1), V: halves(rnd, rank*in, 1)}
			})
		}
	case packed.KindCells:
		list = cellVariants()
	case packed.KindHashed:
		for _, form := range hashedForms() {
			add(form.Name, form.Make)
		}
	case packed.KindLevels:
		for _, bits := range []int{2, 3, 4} {
			for _, block := range append(gridGroups(in), 2*in+1) {
				add(fmt.Sprintf("bits=%d/block=%d", bits, block), func(rnd *rand.Rand, out, in int) packed.Weight {
					return levelsOf(rnd, out, in, bits, block, false)
				})
			}
			for _, block := range []int{10, 64} {
				add(fmt.Sprintf("bits=%d/block=%d/double", bits, block), func(rnd *rand.Rand, out, in int) packed.Weight {
					return levelsOf(rnd, out, in, bits, block, true)
				})
			}
		}
	case packed.KindBinary, packed.KindPartial, packed.KindSigns:
		list = binaryVariants(kind, in)
	case packed.KindSparse:
		add("tenth", sparseOf)
	case packed.KindSum:
		all := sums(in)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			add(name, func(rnd *rand.Rand, out, in int) packed.Weight { return sumOf(rnd, out, in, all[name]...) })
		}
	}
	return list
}

// gridGroups returns group sizes: one group, groups of whole vectors, of parts
// of a vector, odd ones; those that leave a short last group where in is not a
// multiple; and one that is longer than a row.
func gridGroups(in int) []int {
	groups := slices.DeleteFunc([]int{in, 128, 64, 32, 10}, func(g int) bool { return g > in })
	return append(groups, in+84)
}

// codebookGroups is gridGroups for groups that must divide in, and the
// smallest divisor above 1 for one more that is not a power of two.
func codebookGroups(in int) []int {
	groups := slices.DeleteFunc([]int{in, 128, 64, 32}, func(g int) bool { return in%g != 0 })
	for p := 3; p < in; p++ {
		if in%p == 0 {
			groups = append(groups, in/p)
			break
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// halves returns n normal f16 values of the given standard deviation.
func halves(rnd *rand.Rand, n int, sd float64) []uint16 {
	v := make([]uint16, n)
	for i := range v {
		v[i] = packed.F32ToF16(float32(sd * rnd.NormFloat64()))
	}
	return v
}

func denseOf(rnd *rand.Rand, out, in int, dtype string) packed.Weight {
	w := &packed.Dense{Out: out, In: in, DType: dtype}
	for range out * in {
		v := float32(rnd.NormFloat64())
		switch dtype {
		case "F32":
			w.Data = binary.LittleEndian.AppendUint32(w.Data, math.Float32bits(v))
		case "F16":
			w.Data = binary.LittleEndian.AppendUint16(w.Data, packed.F32ToF16(v))
		case "BF16":
			w.Data = binary.LittleEndian.AppendUint16(w.Data, packed.F32ToBF16(v))
		}
	}
	return w
}

// randomCodes returns out rows of in uniform codes, packed.
func randomCodes(rnd *rand.Rand, out, in, bits int) []byte {
	rb := packed.RowBytes(in, bits)
	b := make([]byte, out*rb)
	codes := make([]uint8, in)
	for r := range out {
		for c := range codes {
			codes[c] = uint8(rnd.IntN(1 << bits))
		}
		packed.PackRow(b[r*rb:], codes, bits)
	}
	return b
}

func gridOf(rnd *rand.Rand, out, in, bits, group int, symmetric bool) packed.Weight {
	w := &packed.Grid{Out: out, In: in, Bits: bits, Group: group, Symmetric: symmetric, Codes: randomCodes(rnd, out, in, bits)}
	n := out * w.Groups()
	w.Scale = halves(rnd, n, 0.1)
	if !symmetric {
		w.Zero = randomCodes(rnd, 1, n, bits)
	}
	return w
}

func codebookOf(rnd *rand.Rand, out, in, bits, group int) packed.Weight {
	return &packed.Codebook{
		Out: out, In: in, Bits: bits, Group: group,
		Codes: randomCodes(rnd, out, in, bits), Table: halves(rnd, out*(in/group)<<bits, 1),
	}
}

// levelsOf returns scales of both signs, which double quantisation may give.
func levelsOf(rnd *rand.Rand, out, in, bits, block int, double bool) packed.Weight {
	w := &packed.Levels{Out: out, In: in, Bits: bits, Block: block, Codes: randomCodes(rnd, out, in, bits)}
	n := w.Blocks()
	if !double {
		w.Absmax = normal(rnd, n)
		return w
	}
	w.AbsmaxCodes = randomCodes(rnd, 1, n, 8)
	w.Absmax2, w.Offset = normal(rnd, (n-1)/256+1), rnd.Float32()
	return w
}
