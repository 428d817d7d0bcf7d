package packed

// Signs is a matrix of signs between two vectors of magnitudes,
// Ŵ[r,c] = ±A[r]·B[c] (OneBit; methods.md 4.7).
type Signs struct {
	Out, In int
	// Minus is a plane of Out·In bits, row by row: 1 is a minus.
	Minus []byte
	A     []uint16 // f16, Out
	B     []uint16 // f16, In
}

// Kind returns KindSigns.
func (w *Signs) Kind() Kind { return KindSigns }

// Dims returns Out and In.
func (w *Signs) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size: ⌈Out·In/8⌉ + 2·(Out + In).
func (w *Signs) Bytes() int64 { return bytesOf(w.Parts()) }

// Parts returns minus U8 [⌈Out·In/8⌉], a F16 [Out] and b F16 [In].
func (w *Signs) Parts() []Part {
	return []Part{
		{"minus", ClassCodes, "U8", []int{PlaneBytes(w.Out * w.In)}, w.Minus},
		{"a", ClassScales, "F16", []int{w.Out}, bytes16(w.A)},
		{"b", ClassScales, "F16", []int{w.In}, bytes16(w.B)},
	}
}

// Dequantize writes rows [r0,r1) to dst; a product of two f16 values is exact
// in float32.
func (w *Signs) Dequantize(dst []float32, r0, r1 int) {
	b := make([]float32, w.In)
	for c, h := range w.B {
		b[c] = F16ToF32(h)
	}
	for r := r0; r < r1; r++ {
		a := F16ToF32(w.A[r])
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		pair := [2]float32{a, -a}
		for c := 0; c < w.In; c += 32 {
			minus := Window(w.Minus, r*w.In+c)
			for k := c; k < min(c+32, w.In); k++ {
				row[k] = pair[minus&1] * b[k]
				minus >>= 1
			}
		}
	}
}

// Check reports sizes that do not fit and magnitudes that are not finite.
func (w *Signs) Check() error {
	if err := checkDims(KindSigns, w.Out, w.In); err != nil {
		return err
	}
	if err := checkPlane(KindSigns, "minus", w.Minus, w.Out, w.In); err != nil {
		return err
	}
	if err := checkLen(KindSigns, "values of a", len(w.A), w.Out); err != nil {
		return err
	}
	if err := checkLen(KindSigns, "values of b", len(w.B), w.In); err != nil {
		return err
	}
	if err := checkFinite(KindSigns, "a", w.A); err != nil {
		return err
	}
	return checkFinite(KindSigns, "b", w.B)
}
