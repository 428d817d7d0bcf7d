package packed

import (
	"fmt"
	"math/bits"
)

// Binary is a matrix of signs with few magnitudes per row and block of
// columns, as BiLLM and STBLLM make it (methods.md 4.7). In a salient column
// a weight is a mean and two signed magnitudes; the others are cut by
// magnitude into Regions, each with a mean and one signed magnitude. With
// Keep below 8, of every 8 adjacent columns of a row Keep are stored and the
// others are 0.
type Binary struct {
	Out, In int
	Block   int // columns that share scalars; the last block may be shorter
	Regions int // of the columns that are not salient: 2 or 3
	Keep    int // weights kept of every 8: 1 to 8; below 8, Block is a multiple of 8
	// Minus, Low and High are planes of one bit for each kept weight, row by
	// row. Minus: 1 is a minus. Low: in a salient column the second sign, in
	// others the low bit of the region. High: the region's high bit, only with
	// 3 regions.
	Minus, Low, High []byte
	Salient          []byte // a plane of In bits
	// Mask holds, for each row and 8 columns, the place of the pattern of kept
	// columns in Patterns, ⌈log2 C(8,Keep)⌉ bits each in one stream. Empty
	// where all are kept.
	Mask []byte
	// Scalars is f16, Out × Blocks × (2·Regions+3): mean and magnitude of each
	// region, then mean, first and second magnitude of the salient columns.
	Scalars []uint16
}

// BinaryMeta is what Meta holds of a Binary matrix.
type BinaryMeta struct {
	Block   int `json:"block"`
	Regions int `json:"regions"`
	Keep    int `json:"keep"`
}

// Blocks returns the number of blocks of a row.
func (w *Binary) Blocks() int { return (w.In + w.Block - 1) / w.Block }

// RowScalars returns the number of scalars of a row and block.
func (w *Binary) RowScalars() int { return 2*w.Regions + 3 }

// Kept returns the number of weights of a row that are stored.
func (w *Binary) Kept() int { return layoutOf(w.In, w.Keep).kept }

// MaskBits returns the bits of the mask of a row.
func (w *Binary) MaskBits() int { return layoutOf(w.In, w.Keep).rowBits }

// Kind returns KindBinary.
func (w *Binary) Kind() Kind { return KindBinary }

// Dims returns Out and In.
func (w *Binary) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Binary) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns minus and low U8 [⌈Out·Kept/8⌉], high likewise with 3
// regions, salient U8 [⌈In/8⌉], mask U8 [⌈Out·MaskBits/8⌉] with Keep below 8,
// and scalars F16 [Out, Blocks, RowScalars].
func (w *Binary) Parts() []Part {
	plane := []int{PlaneBytes(w.Out * w.Kept())}
	parts := []Part{
		{"minus", ClassCodes, "U8", plane, w.Minus},
		{"low", ClassMasks, "U8", plane, w.Low},
	}
	if w.Regions > 2 {
		parts = append(parts, Part{"high", ClassMasks, "U8", plane, w.High})
	}
	parts = append(parts, Part{"salient", ClassMasks, "U8", []int{PlaneBytes(w.In)}, w.Salient})
	if w.Keep < PatternWidth {
		parts = append(parts, Part{"mask", ClassMasks, "U8", []int{PlaneBytes(w.Out * w.MaskBits())}, w.Mask})
	}
	return append(parts, Part{"scalars", ClassScales, "F16", []int{w.Out, w.Blocks(), w.RowScalars()}, bytes16(w.Scalars)})
}

// A BinaryLevels holds what the weights of one row and block may be. The index
// is minus + 2·low + 4·high, and 8 more in a salient column. Region 3 does
// not exist and reads as 0.
type BinaryLevels [16]float32

// Levels returns the levels of row r and block b, summed in float32: mean ∓
// magnitude, in salient columns (mean ∓ first) ∓ second.
func (w *Binary) Levels(r, b int) BinaryLevels {
	n := w.RowScalars()
	at := (r*w.Blocks() + b) * n
	return LevelsOf(w.Scalars[at:at+n], w.Regions)
}

// LevelsOf is Levels for the scalars of one row and block.
func LevelsOf(scalars []uint16, regions int) (t BinaryLevels) {
	for g := range regions {
		mean, size := F16ToF32(scalars[2*g]), F16ToF32(scalars[2*g+1])
		t[2*g], t[2*g+1] = mean+size, mean-size
	}
	s := scalars[2*regions:]
	mean, first, second := F16ToF32(s[0]), F16ToF32(s[1]), F16ToF32(s[2])
	t[8], t[9] = mean+first+second, mean-first+second
	t[10], t[11] = mean+first-second, mean-first-second
	return t
}

// Dequantize writes rows [r0,r1) to dst; the values are those of Levels.
func (w *Binary) Dequantize(dst []float32, r0, r1 int) {
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		if w.Keep < PatternWidth {
			w.sparseRow(row, r)
		} else {
			w.wholeRow(row, r)
		}
	}
}

// wholeRow decodes a row of which all weights are kept, 8 at a time.
func (w *Binary) wholeRow(dst []float32, r int) {
	for b, c := 0, 0; c < w.In; b++ {
		levels := w.Levels(r, b)
		for end := min(c+w.Block, w.In); c < end; {
			i := r*w.In + c
			minus, low, salient := Window(w.Minus, i), Window(w.Low, i), Window(w.Salient, c)
			var high uint32
			if w.Regions > 2 {
				high = Window(w.High, i)
			}
			for n := min(32, end-c); n > 0; n -= 8 {
				at := spread(uint8(minus)) | spread(uint8(low))<<1 | spread(uint8(high))<<2 | spread(uint8(salient))<<3
				if n >= 8 {
					d := dst[c : c+8]
					d[0], d[1], d[2], d[3] = levels[at&15], levels[at>>8&15], levels[at>>16&15], levels[at>>24&15]
					d[4], d[5], d[6], d[7] = levels[at>>32&15], levels[at>>40&15], levels[at>>48&15], levels[at>>56&15]
				} else {
					for k := range dst[c : c+n] {
						dst[c+k] = levels[at>>(8*k)&15]
					}
				}
				c += min(8, n)
				minus, low, high, salient = minus>>8, low>>8, high>>8, salient>>8
			}
		}
	}
}

// sparseRow decodes a row of which some weights are 0, a pattern at a time.
func (w *Binary) sparseRow(dst []float32, r int) {
	l := layoutOf(w.In, w.Keep)
	clear(dst)
	patterns, width := Patterns(PatternWidth, w.Keep), l.bits
	at, i := r*l.rowBits, r*l.kept // of the mask, of the planes
	var levels BinaryLevels
	for c := 0; c < w.In; c += PatternWidth {
		if c%w.Block == 0 {
			levels = w.Levels(r, c/w.Block)
		}
		if w.In-c < PatternWidth {
			patterns, width = Patterns(l.rest, l.restKeep), l.restBits
		}
		place := Window(w.Mask, at) & (1<<width - 1)
		at += width
		minus, low := Window(w.Minus, i), Window(w.Low, i)
		var high uint32
		if w.Regions > 2 {
			high = Window(w.High, i)
		}
		salient := Window(w.Salient, c)
		for p := patterns[place]; p != 0; p &= p - 1 {
			k := bits.TrailingZeros8(p)
			dst[c+k] = levels[minus&1|low&1<<1|high&1<<2|salient>>k&1<<3]
			minus, low, high = minus>>1, low>>1, high>>1
			i++
		}
	}
}

// Check reports sizes that do not fit, patterns that do not exist and scalars
// that are not finite.
func (w *Binary) Check() error {
	if err := checkDims(KindBinary, w.Out, w.In); err != nil {
		return err
	}
	if w.Regions != 2 && w.Regions != 3 {
		return fmt.Errorf("binary: regions: %d, want 2 or 3", w.Regions)
	}
	if w.Keep < 1 || w.Keep > PatternWidth {
		return fmt.Errorf("binary: keep: %d, want 1 to %d of every %d columns", w.Keep, PatternWidth, PatternWidth)
	}
	if w.Block < 1 || w.Keep < PatternWidth && w.Block%PatternWidth != 0 {
		return fmt.Errorf("binary: block: %d columns, want at least 1 and, with a mask, a multiple of %d", w.Block, PatternWidth)
	}
	// What the matrix does not use is empty.
	high, mask := 0, 0
	if w.Regions > 2 {
		high = w.Kept()
	}
	if w.Keep < PatternWidth {
		mask = w.MaskBits()
	}
	for _, p := range []struct {
		what        string
		plane       []byte
		rows, width int
	}{
		{"minus", w.Minus, w.Out, w.Kept()}, {"low", w.Low, w.Out, w.Kept()}, {"high", w.High, w.Out, high},
		{"salient", w.Salient, 1, w.In}, {"mask", w.Mask, w.Out, mask},
	} {
		if err := checkPlane(KindBinary, p.what, p.plane, p.rows, p.width); err != nil {
			return err
		}
	}
	if err := checkLen(KindBinary, "scalars", len(w.Scalars), w.Out, w.Blocks(), w.RowScalars()); err != nil {
		return err
	}
	if err := w.checkMask(); err != nil {
		return err
	}
	return checkFinite(KindBinary, "scalars", w.Scalars)
}

// checkMask reports a place that no pattern has.
func (w *Binary) checkMask() error {
	l := layoutOf(w.In, w.Keep)
	if l.rowBits == 0 {
		return nil
	}
	for r := range w.Out {
		for c := 0; c < w.In; c += PatternWidth {
			n, keep, width := PatternWidth, w.Keep, l.bits
			if w.In-c < PatternWidth {
				n, keep, width = l.rest, l.restKeep, l.restBits
			}
			place := Window(w.Mask, r*l.rowBits+c/PatternWidth*l.bits) & (1<<width - 1)
			if most := len(Patterns(n, keep)); int(place) >= most {
				return fmt.Errorf("binary: mask of row %d, column %d: pattern %d, want below %d", r, c, place, most)
			}
		}
	}
	return nil
}

// buildBinary makes the weights of the kinds that are made of planes.
func buildBinary(kind Kind, m Meta, data func(name string) []byte) (Weight, error) {
	switch kind {
	case KindPartial:
		return &Partial{
			Out: m.Out, In: m.In, Mask: data("mask"), Low: data("low"), High: data("high"),
			Scale: view16(data("scale")), Zero: data("zero"), Rest: view16(data("rest")),
		}, nil
	case KindSigns:
		return &Signs{Out: m.Out, In: m.In, Minus: data("minus"), A: view16(data("a")), B: view16(data("b"))}, nil
	}
	if m.Binary == nil {
		return nil, fmt.Errorf("binary: meta has no field binary")
	}
	return &Binary{
		Out: m.Out, In: m.In, Block: m.Binary.Block, Regions: m.Binary.Regions, Keep: m.Binary.Keep,
		Minus: data("minus"), Low: data("low"), High: data("high"), Salient: data("salient"),
		Mask: data("mask"), Scalars: view16(data("scalars")),
	}, nil
}
