package packed

import "fmt"

// Codebook is a matrix whose codes index a table of centroids, one table per
// row and group of adjacent input channels:
// Ŵ[r,c] = Table[(r·G + c/Group)<<Bits + code[r,c]] with G = In/Group groups
// per row (methods.md 2.1).
type Codebook struct {
	Out, In int
	Bits    int // width of one code: 2, 3, 4 or 8
	Group   int // input channels that share a table; divides In
	// Codes holds Out rows of ⌈In·Bits/8⌉ bytes, lowest bits first.
	Codes []byte
	Table []uint16 // f16, Out×G×2^Bits
}

// Groups returns G, the number of tables per row.
func (w *Codebook) Groups() int { return w.In / w.Group }

// Kind returns KindCodebook.
func (w *Codebook) Kind() Kind { return KindCodebook }

// Dims returns Out and In.
func (w *Codebook) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Codebook) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns codes U8 [Out, ⌈In·Bits/8⌉] and table F16 [Out, G, 2^Bits].
func (w *Codebook) Parts() []Part {
	return []Part{
		{"codes", ClassCodes, "U8", []int{w.Out, RowBytes(w.In, w.Bits)}, w.Codes},
		{"table", ClassTables, "F16", []int{w.Out, w.Groups(), 1 << w.Bits}, bytes16(w.Table)},
	}
}

// Dequantize writes rows [r0,r1) to dst; the values are the table's, exactly.
func (w *Codebook) Dequantize(dst []float32, r0, r1 int) {
	codes := make([]uint8, w.In)
	var table [256]float32
	rb, groups, k := RowBytes(w.In, w.Bits), w.Groups(), 1<<w.Bits
	for r := r0; r < r1; r++ {
		UnpackRow(codes, w.Codes[r*rb:(r+1)*rb], w.In, w.Bits)
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		for g := range groups {
			for i, h := range w.Table[(r*groups+g)*k : (r*groups+g+1)*k] {
				table[i] = F16ToF32(h)
			}
			for c := g * w.Group; c < (g+1)*w.Group; c++ {
				row[c] = table[codes[c]]
			}
		}
	}
}

// Check reports sizes that do not fit and centroids that are not finite.
func (w *Codebook) Check() error {
	if err := checkDims(KindCodebook, w.Out, w.In); err != nil {
		return err
	}
	if err := checkWidth(KindCodebook, w.Bits); err != nil {
		return err
	}
	if w.Group < 1 || w.In%w.Group != 0 {
		return fmt.Errorf("codebook: group: %d, want a divisor of the %d input channels", w.Group, w.In)
	}
	if err := checkLen(KindCodebook, "bytes of codes", len(w.Codes), w.Out, RowBytes(w.In, w.Bits)); err != nil {
		return err
	}
	if err := checkLen(KindCodebook, "centroids", len(w.Table), w.Out, w.Groups(), 1<<w.Bits); err != nil {
		return err
	}
	return checkFinite(KindCodebook, "table", w.Table)
}
