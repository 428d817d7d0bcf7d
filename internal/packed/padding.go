package packed

// Padding returns the bits of a weight that hold nothing, by the class of the
// parts that they fill up: rows of codes and planes end on a byte. Cells of a
// sketch that matrices share are left out, since they are nobody's own.
func Padding(w Weight) map[Class]int64 {
	p := padding{}
	p.weight(w)
	return p
}

type padding map[Class]int64

// streams counts what rows streams of n values of a width end on.
func (p padding) streams(c Class, rows, n, bits int) {
	if pad := 8*RowBytes(n, bits) - n*bits; pad > 0 {
		p[c] += int64(rows) * int64(pad)
	}
}

func (p padding) weight(w Weight) {
	switch w := w.(type) {
	case *Grid:
		p.streams(ClassCodes, w.Out, w.In, w.Bits)
		if !w.Symmetric {
			p.streams(ClassScales, 1, w.Out*w.Groups(), w.Bits)
		}
	case *Codebook:
		p.streams(ClassCodes, w.Out, w.In, w.Bits)
	case *Levels:
		p.streams(ClassCodes, w.Out, w.In, w.Bits)
	case *Cells:
		if w.Bits < 16 && w.Shared == nil {
			p.streams(ClassCells, w.Rows, w.Layout().Row, w.Bits)
		}
		p.streams(ClassIndices, 1, len(w.Class), classBits)
		if w.Reading == ReadingPlane {
			p.streams(ClassCodes, w.Out, w.In, 1)
		}
	case *Hashed:
		if w.Sign == SignPlane {
			p.streams(ClassCodes, w.Out, w.In, 1)
		}
	case *Binary:
		p.streams(ClassCodes, 1, w.Out*w.Kept(), 1)
		p.streams(ClassMasks, w.Regions-1, w.Out*w.Kept(), 1)
		p.streams(ClassMasks, 1, w.In, 1)
		if w.Keep < PatternWidth {
			p.streams(ClassMasks, 1, w.Out*w.MaskBits(), 1)
		}
	case *Partial:
		p.streams(ClassCodes, 1, w.Out*w.In, 1)
		p.streams(ClassCodes, 1, w.Salient(w.Out), 7)
		p.streams(ClassMasks, 1, w.Out*w.In, 1)
	case *Signs:
		p.streams(ClassCodes, 1, w.Out*w.In, 1)
	case *Sum:
		for _, t := range w.Terms {
			p.weight(t)
		}
	}
}
