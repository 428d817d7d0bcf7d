package packed

import "math/bits"

// Partial is a matrix of which a few weights have 8 bits and the others only a
// sign (PB-LLM; methods.md 4.7). A salient weight is
// Scale[r]·(code − Zero[r]), any other Mean[r] ∓ Size[r].
type Partial struct {
	Out, In int
	Mask    []byte // a plane of Out·In bits, row by row: 1 is salient
	// Low is a plane of Out·In bits: the lowest bit of a salient weight's
	// code; of others 1 is a minus.
	Low []byte
	// High holds the other 7 bits of the codes of salient weights, in their
	// order, as one stream.
	High  []byte
	Scale []uint16 // f16, Out
	Zero  []uint8  // Out
	// Rest is f16, Out×2: mean and magnitude of the weights that are not
	// salient.
	Rest []uint16
}

// Salient returns the number of salient weights in rows before r.
func (w *Partial) Salient(r int) int { return countBits(w.Mask, 0, r*w.In) }

// RowSalient returns the number of salient weights in row r.
func (w *Partial) RowSalient(r int) int { return countBits(w.Mask, r*w.In, (r+1)*w.In) }

// Kind returns KindPartial.
func (w *Partial) Kind() Kind { return KindPartial }

// Dims returns Out and In.
func (w *Partial) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Partial) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns low U8 [⌈Out·In/8⌉], high U8 [⌈7·salient/8⌉], mask as low,
// scale F16 [Out], zero U8 [Out] and rest F16 [Out, 2].
func (w *Partial) Parts() []Part {
	plane := []int{PlaneBytes(w.Out * w.In)}
	return []Part{
		{"low", ClassCodes, "U8", plane, w.Low},
		{"high", ClassCodes, "U8", []int{len(w.High)}, w.High},
		{"mask", ClassMasks, "U8", plane, w.Mask},
		{"scale", ClassScales, "F16", []int{w.Out}, bytes16(w.Scale)},
		{"zero", ClassScales, "U8", []int{w.Out}, w.Zero},
		{"rest", ClassScales, "F16", []int{w.Out, 2}, bytes16(w.Rest)},
	}
}

// Dequantize writes rows [r0,r1) to dst: products and sums in float32, of
// which the products are exact.
func (w *Partial) Dequantize(dst []float32, r0, r1 int) {
	w.DequantizeFrom(dst, r0, r1, w.Salient(r0))
}

// DequantizeFrom is Dequantize for a caller that knows Salient(r0), which
// costs a pass over the mask.
func (w *Partial) DequantizeFrom(dst []float32, r0, r1, salient int) {
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		mean, size := F16ToF32(w.Rest[2*r]), F16ToF32(w.Rest[2*r+1])
		pair := [2]float32{mean + size, mean - size}
		scale, zero := F16ToF32(w.Scale[r]), int(w.Zero[r])
		for c := 0; c < w.In; c += 32 {
			n := min(32, w.In-c)
			low, mask := Window(w.Low, r*w.In+c), Window(w.Mask, r*w.In+c)
			if n < 32 {
				mask &= 1<<n - 1
			}
			for k, v := 0, low; k < n; k++ {
				row[c+k] = pair[v&1]
				v >>= 1
			}
			for ; mask != 0; mask &= mask - 1 {
				k := bits.TrailingZeros32(mask)
				code := Window(w.High, 7*salient)&127<<1 | low>>k&1
				row[c+k] = scale * float32(int(code)-zero)
				salient++
			}
		}
	}
}

// Check reports sizes that do not fit, a number of codes that the mask does
// not have and scalars that are not finite.
func (w *Partial) Check() error {
	if err := checkDims(KindPartial, w.Out, w.In); err != nil {
		return err
	}
	if err := checkPlane(KindPartial, "mask", w.Mask, w.Out, w.In); err != nil {
		return err
	}
	if err := checkPlane(KindPartial, "low", w.Low, w.Out, w.In); err != nil {
		return err
	}
	if err := checkPlane(KindPartial, "high", w.High, w.Salient(w.Out), 7); err != nil {
		return err
	}
	if err := checkLen(KindPartial, "scales", len(w.Scale), w.Out); err != nil {
		return err
	}
	if err := checkLen(KindPartial, "zeros", len(w.Zero), w.Out); err != nil {
		return err
	}
	if err := checkLen(KindPartial, "scalars of the rest", len(w.Rest), w.Out, 2); err != nil {
		return err
	}
	if err := checkFinite(KindPartial, "scale", w.Scale); err != nil {
		return err
	}
	return checkFinite(KindPartial, "rest", w.Rest)
}
