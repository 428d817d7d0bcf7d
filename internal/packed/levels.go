package packed

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// AbsmaxBlock is the number of scales of a Levels matrix that share a
// second-level scale.
const AbsmaxBlock = 256

// Levels is a matrix on the levels of a normal float (NF2, NF3, NF4), scaled
// block by block: Ŵ[i] = NormalFloat(Bits)[code[i]]·absmax[i/Block], i = r·In + c
// (methods.md 4.3). A block is of the flattened matrix, so it crosses rows
// where In is no multiple of it; the last one may be short. The levels belong
// to the format and are not stored.
type Levels struct {
	Out, In int
	Bits    int // width of one code: 2, 3 or 4
	Block   int // weights, row-major, that share a scale
	// Codes holds Out rows of ⌈In·Bits/8⌉ bytes, lowest bits first.
	Codes []byte
	// Absmax holds the scale of every block; nil with double quantisation.
	Absmax []float32
	// Double quantisation: the scale of block k is
	// DynamicMap()[AbsmaxCodes[k]]·Absmax2[k/256] + Offset, each operation
	// rounded to float32.
	AbsmaxCodes []uint8
	Absmax2     []float32
	Offset      float32
}

// LevelsMeta is what Meta says of a Levels matrix only.
type LevelsMeta struct {
	Block  int  `json:"block"`
	Double bool `json:"double,omitempty"` // scales are 8-bit codes
}

// The levels of bitsandbytes for 4 bits; those of LoftQ's generator for 2 and
// 3 (methods.md 4.3), rounded to float32.
var (
	normalFloat2 = []float32{-1, 0, 0.33791519352165506, 1}
	normalFloat3 = []float32{-1, -0.4786291601159111, -0.21714181782574396, 0,
		0.16093017270493618, 0.33791519352165506, 0.562616970075237, 1}
	normalFloat4 = []float32{-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
		-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
		0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
		0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1}
)

// NormalFloat returns the 2^bits levels of a normal float, ascending from -1
// to 1, one of them 0. Nobody may change them.
func NormalFloat(bits int) []float32 {
	switch bits {
	case 2:
		return normalFloat2
	case 3:
		return normalFloat3
	case 4:
		return normalFloat4
	}
	panic(fmt.Sprintf("packed: normal float of %d bits, want 2, 3 or 4", bits))
}

var dynamicMap = newDynamicMap()

// DynamicMap returns the 256 values, ascending, of the signed 8-bit data type
// with a dynamic exponent of bitsandbytes, to the bit: in each of seven
// decades 2^i magnitudes, of either sign, and 0 and 1.
func DynamicMap() *[256]float32 { return &dynamicMap }

// newDynamicMap makes the values as bitsandbytes does, in float32: magnitudes
// are the middles of 2^i+1 points from 0.1 to 1, which are counted from the
// nearer end, times a power of ten.
func newDynamicMap() (m [256]float32) {
	values := []float32{0, 1}
	decade := []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1}
	for i, scale := range decade {
		n := 1 << i
		step := float64((1 - float32(0.1)) / float32(n))
		point := func(k int) float32 {
			if k < (n+1)/2 {
				return float32(float64(float32(0.1)) + float64(step*float64(k)))
			}
			return float32(1 - float64(step*float64(n-k)))
		}
		for k := range n {
			v := float32(float32(scale) * ((point(k) + point(k+1)) / 2))
			values = append(values, v, -v)
		}
	}
	slices.Sort(values)
	copy(m[:], values)
	return m
}

// Blocks returns the number of scales.
func (w *Levels) Blocks() int { return (w.Out*w.In-1)/w.Block + 1 }

// Double reports whether the scales are quantised too.
func (w *Levels) Double() bool { return w.Absmax == nil }

// Scale returns the scale of a block.
func (w *Levels) Scale(block int) float32 {
	if !w.Double() {
		return w.Absmax[block]
	}
	return float32(dynamicMap[w.AbsmaxCodes[block]]*w.Absmax2[block/AbsmaxBlock]) + w.Offset
}

// Kind returns KindLevels.
func (w *Levels) Kind() Kind { return KindLevels }

// Dims returns Out and In.
func (w *Levels) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Levels) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns codes U8 [Out, ⌈In·Bits/8⌉] and absmax F32 [blocks]; with
// double quantisation, instead of absmax, absmax_codes U8 [blocks], absmax2
// F32 [⌈blocks/256⌉] and offset F32 [1].
func (w *Levels) Parts() []Part {
	codes := Part{"codes", ClassCodes, "U8", []int{w.Out, RowBytes(w.In, w.Bits)}, w.Codes}
	if !w.Double() {
		return []Part{codes, {"absmax", ClassScales, "F32", []int{len(w.Absmax)}, bytes32(w.Absmax)}}
	}
	offset := binary.LittleEndian.AppendUint32(nil, math.Float32bits(w.Offset))
	return []Part{
		codes,
		{"absmax_codes", ClassScales, "U8", []int{len(w.AbsmaxCodes)}, w.AbsmaxCodes},
		{"absmax2", ClassScales, "F32", []int{len(w.Absmax2)}, bytes32(w.Absmax2)},
		{"offset", ClassScales, "F32", []int{1}, offset},
	}
}

// Dequantize writes rows [r0,r1) to dst: level times scale, rounded once.
func (w *Levels) Dequantize(dst []float32, r0, r1 int) {
	codes, levels := make([]uint8, w.In), NormalFloat(w.Bits)
	rb := RowBytes(w.In, w.Bits)
	for r := r0; r < r1; r++ {
		UnpackRow(codes, w.Codes[r*rb:(r+1)*rb], w.In, w.Bits)
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		for c := 0; c < w.In; {
			block := (r*w.In + c) / w.Block
			scale, end := w.Scale(block), min(w.In, (block+1)*w.Block-r*w.In)
			for ; c < end; c++ {
				row[c] = levels[codes[c]] * scale
			}
		}
	}
}

// Check reports sizes that do not fit and scales that are not finite.
func (w *Levels) Check() error {
	if err := checkDims(KindLevels, w.Out, w.In); err != nil {
		return err
	}
	if w.Bits < 2 || w.Bits > 4 {
		return fmt.Errorf("levels: bits: %d, want one of 2, 3, 4", w.Bits)
	}
	if w.Block < 1 || w.Block > math.MaxInt32 {
		return fmt.Errorf("levels: block: %d, want 1 to %d", w.Block, math.MaxInt32)
	}
	if err := checkLen(KindLevels, "bytes of codes", len(w.Codes), w.Out, RowBytes(w.In, w.Bits)); err != nil {
		return err
	}
	if !w.Double() {
		if err := checkLen(KindLevels, "scales", len(w.Absmax), w.Blocks()); err != nil {
			return err
		}
		return checkFinite32(KindLevels, "absmax", w.Absmax, 0)
	}
	if err := checkLen(KindLevels, "codes of scales", len(w.AbsmaxCodes), w.Blocks()); err != nil {
		return err
	}
	if err := checkLen(KindLevels, "second-level scales", len(w.Absmax2), (w.Blocks()-1)/AbsmaxBlock+1); err != nil {
		return err
	}
	return checkFinite32(KindLevels, "absmax2", w.Absmax2, w.Offset)
}

// checkFinite32 reports the first value whose magnitude, with that of offset
// added, is not finite.
func checkFinite32(k Kind, what string, v []float32, offset float32) error {
	for i, x := range v {
		if !finite(abs(x) + abs(offset)) {
			return fmt.Errorf("%s: %s[%d] is %v with an offset of %v, want a finite sum", k, what, i, x, offset)
		}
	}
	return nil
}
