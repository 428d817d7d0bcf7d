package packed

import "fmt"

// Grid is a matrix on evenly spaced levels, one grid per row and group of
// input channels: Ŵ[r,c] = Scale[r,g]·(code[r,c] − Zero[r,g]) with
// g = c/Group (methods.md 4.1). A row has G = ⌈In/Group⌉ groups, of which the
// last may be short. With Index the groups are any sets of channels: g = Index[c].
type Grid struct {
	Out, In int
	Bits    int // width of one code: 2, 3, 4 or 8
	Group   int // input channels that share a scale
	// Symmetric grids have the zero 2^Bits/2 everywhere and store none.
	Symmetric bool
	// Codes holds Out rows of ⌈In·Bits/8⌉ bytes, lowest bits first.
	Codes []byte
	Scale []uint16 // f16, Out×G
	// Zero holds Out×G codes of Bits bits as one packed stream of
	// ⌈Out·G·Bits/8⌉ bytes; nil if Symmetric.
	Zero []byte
	// Index gives the group of each input channel, below G; nil for groups of
	// adjacent channels. It is what error compensation in another order of
	// columns leaves, whose groups are adjacent in that order.
	Index []uint32
}

// Groups returns G, the number of groups per row.
func (w *Grid) Groups() int { return (w.In-1)/w.Group + 1 }

// ZeroAt returns the code that stands for 0 in group g of row r.
func (w *Grid) ZeroAt(r, g int) int {
	if w.Symmetric {
		return 1 << w.Bits / 2
	}
	return codeAt(w.Zero, r*w.Groups()+g, w.Bits)
}

// Kind returns KindGrid.
func (w *Grid) Kind() Kind { return KindGrid }

// Dims returns Out and In.
func (w *Grid) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Grid) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns codes U8 [Out, ⌈In·Bits/8⌉], scale F16 [Out, G], unless
// Symmetric zero U8 [⌈Out·G·Bits/8⌉], and with Index index U32 [In].
func (w *Grid) Parts() []Part {
	p := []Part{
		{"codes", ClassCodes, "U8", []int{w.Out, RowBytes(w.In, w.Bits)}, w.Codes},
		{"scale", ClassScales, "F16", []int{w.Out, w.Groups()}, bytes16(w.Scale)},
	}
	if !w.Symmetric {
		p = append(p, Part{"zero", ClassScales, "U8", []int{RowBytes(w.Out*w.Groups(), w.Bits)}, w.Zero})
	}
	if w.Index != nil {
		p = append(p, Part{"index", ClassIndices, "U32", []int{w.In}, bytes32(w.Index)})
	}
	return p
}

// Dequantize writes rows [r0,r1) to dst. The difference of code and zero is
// exact; the product with the scale is rounded once to float32, which holds
// it exactly, since an 11-bit and a 9-bit significand multiply to 20 bits.
func (w *Grid) Dequantize(dst []float32, r0, r1 int) {
	codes := make([]uint8, w.In)
	rb, groups := RowBytes(w.In, w.Bits), w.Groups()
	for r := r0; r < r1; r++ {
		UnpackRow(codes, w.Codes[r*rb:(r+1)*rb], w.In, w.Bits)
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		if w.Index != nil {
			w.dequantizeIndexed(row, codes, r)
			continue
		}
		for g := range groups {
			lo, hi := g*w.Group, min((g+1)*w.Group, w.In)
			scale, zero := F16ToF32(w.Scale[r*groups+g]), w.ZeroAt(r, g)
			for c := lo; c < hi; c++ {
				row[c] = scale * float32(int(codes[c])-zero)
			}
		}
	}
}

// dequantizeIndexed is Dequantize for a row with its codes.
func (w *Grid) dequantizeIndexed(row []float32, codes []uint8, r int) {
	groups := w.Groups()
	scales, zeros := make([]float32, groups), make([]int, groups)
	for g := range groups {
		scales[g], zeros[g] = F16ToF32(w.Scale[r*groups+g]), w.ZeroAt(r, g)
	}
	for c, g := range w.Index {
		row[c] = scales[g] * float32(int(codes[c])-zeros[g])
	}
}

// Check reports sizes that do not fit, groups that do not exist and scales
// that are not finite.
func (w *Grid) Check() error {
	if err := checkDims(KindGrid, w.Out, w.In); err != nil {
		return err
	}
	if err := checkWidth(KindGrid, w.Bits); err != nil {
		return err
	}
	if w.Group < 1 {
		return fmt.Errorf("grid: group: %d, want at least 1", w.Group)
	}
	if err := checkLen(KindGrid, "bytes of codes", len(w.Codes), w.Out, RowBytes(w.In, w.Bits)); err != nil {
		return err
	}
	if err := checkLen(KindGrid, "scales", len(w.Scale), w.Out, w.Groups()); err != nil {
		return err
	}
	zeros := 0
	if !w.Symmetric {
		zeros = RowBytes(len(w.Scale), w.Bits)
	}
	if err := checkLen(KindGrid, "bytes of zeros", len(w.Zero), zeros); err != nil {
		return err
	}
	if w.Index != nil {
		if err := checkLen(KindGrid, "group indices", len(w.Index), w.In); err != nil {
			return err
		}
	}
	for c, g := range w.Index {
		if int(g) >= w.Groups() {
			return fmt.Errorf("grid: index[%d]: %d, want below the %d groups", c, g, w.Groups())
		}
	}
	return checkFinite(KindGrid, "scale", w.Scale)
}
