package packed

import (
	"fmt"
	"math"
	"strconv"
)

// Sum is a matrix that is the sum of others, each in its own format: a
// quantised base and a low-rank path beside it (methods.md 4.3, 4.4), or codes
// and the outliers that were taken out of them (4.5). Ŵ = Σ Terms.
type Sum struct {
	Terms []Weight // at least two, of one shape; none is a Sum
}

// SumMeta describes the terms of a Sum in order.
type SumMeta struct {
	Kind Kind `json:"kind"`
	Meta Meta `json:"meta"`
}

// maxTerms bounds what a file may claim.
const maxTerms = 8

// Kind returns KindSum.
func (w *Sum) Kind() Kind { return KindSum }

// Dims returns the shape of the terms.
func (w *Sum) Dims() (out, in int) { return w.Terms[0].Dims() }

// Bytes returns the stored size.
func (w *Sum) Bytes() int64 {
	var n int64
	for _, t := range w.Terms {
		n += t.Bytes()
	}
	return n
}

// Parts returns the parts of every term, named by its number: "0.codes" and so
// on. A part without a name is just "0".
func (w *Sum) Parts() []Part {
	var parts []Part
	for i, t := range w.Terms {
		for _, p := range t.Parts() {
			p.Name = termPart(i, p.Name)
			parts = append(parts, p)
		}
	}
	return parts
}

func termPart(term int, name string) string {
	if name == "" {
		return strconv.Itoa(term)
	}
	return strconv.Itoa(term) + "." + name
}

// Dequantize writes rows [r0,r1) to dst: the terms are added in order, every
// sum rounded to float32.
func (w *Sum) Dequantize(dst []float32, r0, r1 int) {
	_, in := w.Dims()
	dst = dst[:(r1-r0)*in]
	w.Terms[0].Dequantize(dst, r0, r1)
	more := make([]float32, len(dst))
	for _, t := range w.Terms[1:] {
		t.Dequantize(more, r0, r1)
		for i, v := range more {
			dst[i] += v
		}
	}
}

// Check reports terms that are too few, differ in shape or break their own
// invariants.
func (w *Sum) Check() error {
	if len(w.Terms) < 2 || len(w.Terms) > maxTerms {
		return fmt.Errorf("sum: %d terms, want 2 to %d", len(w.Terms), maxTerms)
	}
	out, in := w.Terms[0].Dims()
	for i, t := range w.Terms {
		if t.Kind() == KindSum {
			return fmt.Errorf("sum: term %d is a sum itself", i)
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("sum: term %d: %w", i, err)
		}
		if o, n := t.Dims(); o != out || n != in {
			return fmt.Errorf("sum: term %d is %d×%d, the first %d×%d", i, o, n, out, in)
		}
	}
	return nil
}

// sumMeta returns the meta of w.
func sumMeta(w *Sum) Meta {
	out, in := w.Dims()
	m := Meta{Out: out, In: in}
	for _, t := range w.Terms {
		m.Terms = append(m.Terms, SumMeta{t.Kind(), MetaOf(t)})
	}
	return m
}

// buildSum makes every term of its own parts.
func buildSum(m Meta, parts map[string]Part) (Weight, error) {
	if len(m.Terms) > maxTerms {
		return nil, fmt.Errorf("sum: %d terms, want 2 to %d", len(m.Terms), maxTerms)
	}
	w := &Sum{}
	for i, t := range m.Terms {
		if t.Kind == KindSum {
			return nil, fmt.Errorf("sum: term %d is a sum itself", i)
		}
		own := map[string]Part{}
		prefix := termPart(i, "")
		for name, p := range parts {
			switch {
			case name == prefix:
				own[""] = p
			case len(name) > len(prefix) && name[:len(prefix)+1] == prefix+".":
				own[name[len(prefix)+1:]] = p
			}
		}
		term, err := build(t.Kind, t.Meta, own)
		if err != nil {
			return nil, fmt.Errorf("sum: term %d: %w", i, err)
		}
		w.Terms = append(w.Terms, term)
	}
	return w, nil
}

// Sparse is a matrix of few values in compressed rows: row r holds Values[k] in
// column Columns[k] for Start[r] ≤ k < Start[r+1], columns ascending
// (methods.md 4.5).
type Sparse struct {
	Out, In int
	Start   []uint32 // Out+1 positions, from 0 to len(Values)
	Columns []uint32
	Values  []uint16 // f16
}

// Kind returns KindSparse.
func (w *Sparse) Kind() Kind { return KindSparse }

// Dims returns Out and In.
func (w *Sparse) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size: 6 bytes a value and 4 for each of Out+1 rows.
func (w *Sparse) Bytes() int64 {
	return 2*int64(len(w.Values)) + 4*int64(len(w.Columns)) + 4*int64(len(w.Start))
}

// Parts returns values F16 [n], columns U32 [n] and start U32 [Out+1].
func (w *Sparse) Parts() []Part {
	return []Part{
		{"values", ClassDense, "F16", []int{len(w.Values)}, bytes16(w.Values)},
		{"columns", ClassIndices, "U32", []int{len(w.Columns)}, bytes32(w.Columns)},
		{"start", ClassIndices, "U32", []int{len(w.Start)}, bytes32(w.Start)},
	}
}

// Dequantize writes rows [r0,r1) to dst; what is not stored is 0.
func (w *Sparse) Dequantize(dst []float32, r0, r1 int) {
	dst = dst[:(r1-r0)*w.In]
	clear(dst)
	for r := r0; r < r1; r++ {
		row := dst[(r-r0)*w.In : (r-r0+1)*w.In]
		for k := w.Start[r]; k < w.Start[r+1]; k++ {
			row[w.Columns[k]] = F16ToF32(w.Values[k])
		}
	}
}

// Check reports rows that are out of order, columns that are not ascending in
// their row or lie outside, and values that are not finite.
func (w *Sparse) Check() error {
	if err := checkDims(KindSparse, w.Out, w.In); err != nil {
		return err
	}
	if err := checkLen(KindSparse, "row starts", len(w.Start), w.Out+1); err != nil {
		return err
	}
	if len(w.Values) > math.MaxInt32 || len(w.Columns) != len(w.Values) {
		return fmt.Errorf("sparse: columns: %d for %d values", len(w.Columns), len(w.Values))
	}
	if w.Start[0] != 0 || int(w.Start[w.Out]) != len(w.Values) {
		return fmt.Errorf("sparse: start: from %d to %d, want from 0 to the %d values", w.Start[0], w.Start[w.Out], len(w.Values))
	}
	for r := range w.Out {
		lo, hi := w.Start[r], w.Start[r+1]
		if lo > hi || int(hi) > len(w.Values) {
			return fmt.Errorf("sparse: start[%d]: %d after %d, want ascending positions", r+1, hi, lo)
		}
		for k := lo; k < hi; k++ {
			if int(w.Columns[k]) >= w.In || k > lo && w.Columns[k] <= w.Columns[k-1] {
				return fmt.Errorf("sparse: columns[%d]: %d in row %d, want ascending columns below %d", k, w.Columns[k], r, w.In)
			}
		}
	}
	return checkFinite(KindSparse, "values", w.Values)
}
