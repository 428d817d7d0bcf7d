package packed

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
)

// PatternWidth is M of the N:M masks of Binary: so many adjacent columns share
// a pattern of which are kept.
const PatternWidth = 8

// Patterns lists the 8-bit patterns of n ≤ 8 columns of which keep are ones,
// in ascending order: a mask stores a pattern's place here. The slice is
// shared and must not be changed.
func Patterns(n, keep int) []uint8 { return patternTables()[n][keep] }

var patternTables = sync.OnceValue(func() *[PatternWidth + 1][PatternWidth + 1][]uint8 {
	var t [PatternWidth + 1][PatternWidth + 1][]uint8
	for n := range PatternWidth + 1 {
		for p := range 1 << n {
			k := bits.OnesCount(uint(p))
			t[n][k] = append(t[n][k], uint8(p))
		}
	}
	return &t
})

// PatternBits returns the bits of the place of one of Patterns(n, keep),
// ⌈log2 C(n,keep)⌉.
func PatternBits(n, keep int) int {
	return bits.Len(uint(len(Patterns(n, keep)) - 1))
}

// A maskLayout says what an N:M mask with keep of 8 does to rows of in
// columns: whole patterns, and one of the last in mod 8 columns, of which
// ⌈keep·(in mod 8)/8⌉ are kept.
type maskLayout struct {
	whole          int // patterns of 8 columns
	rest, restKeep int // columns of the short pattern, 0 for none
	bits, restBits int // of a place
	kept, rowBits  int // of a row
}

func layoutOf(in, keep int) maskLayout {
	l := maskLayout{whole: in / PatternWidth, rest: in % PatternWidth}
	l.restKeep = KeptOf(l.rest, keep)
	l.bits, l.restBits = PatternBits(PatternWidth, keep), PatternBits(l.rest, l.restKeep)
	l.kept = l.whole*keep + l.restKeep
	l.rowBits = l.whole*l.bits + l.restBits
	return l
}

// PackMask returns the mask of an out×in matrix of which the weights with
// kept true are stored: keep of every 8 adjacent columns of a row, of a short
// rest ⌈keep·rest/8⌉. It panics if a row has another number.
func PackMask(kept []bool, out, in, keep int) []byte {
	l := layoutOf(in, keep)
	mask := make([]byte, PlaneBytes(out*l.rowBits))
	for r := range out {
		at := r * l.rowBits
		for c := 0; c < in; c += PatternWidth {
			n, k, width := PatternWidth, keep, l.bits
			if in-c < PatternWidth {
				n, k, width = l.rest, l.restKeep, l.restBits
			}
			var pattern uint8
			for j := range n {
				if kept[r*in+c+j] {
					pattern |= 1 << j
				}
			}
			place, ok := slices.BinarySearch(Patterns(n, k), pattern)
			if !ok {
				panic(fmt.Sprintf("packed: row %d keeps %08b of columns %d and up, want %d of %d", r, pattern, c, k, n))
			}
			SetBits(mask, at, width, uint32(place))
			at += width
		}
	}
	return mask
}

// KeptOf returns how many of n ≤ 8 adjacent columns a mask with keep of 8
// keeps: ⌈keep·n/8⌉.
func KeptOf(n, keep int) int { return (keep*n + PatternWidth - 1) / PatternWidth }
