package gptq

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// plain is GPTQ word for word, in float64, one column after the other, with
// the scales in full precision or rounded to f16 before anything uses them.
type plain struct {
	codes       []uint8
	what        []float64
	scale, zero []float64 // out×G, groups in the order that Compress stores
}

// levels returns scale and zero of a grid (methods.md 4.1).
func levels(w []float64, o Options, f16 bool) (scale, zero float64) {
	lo, hi := min(0, slices.Min(w)), max(0, slices.Max(w))
	if o.Symmetric {
		hi = max(-lo, hi)
		lo = -hi
	}
	if lo == hi {
		lo, hi = -1, 1
	}
	scale = (hi - lo) / float64(int(1)<<o.Bits-1)
	if f16 {
		scale = float64(packed.F16ToF32(packed.F32ToF16(float32(scale))))
	}
	if o.Symmetric {
		return scale, float64(int(1) << o.Bits / 2)
	}
	return scale, math.RoundToEven(-lo / scale)
}

func gptqPlain(t *testing.T, m *quanttest.Matrix, perm []int, u *mat.TriDense, o Options, f16 bool) plain {
	t.Helper()
	n, d, size := m.Out, m.In, o.group(m.In)
	// Columns in the order of processing; those of dead channels are 0.
	w := make([]float64, n*d)
	for k, j := range perm {
		for r := range n {
			if m.H[j*d+j] != 0 {
				w[r*d+k] = float64(m.W[r*d+j])
			}
		}
	}
	groups := (d-1)/size + 1
	p := plain{make([]uint8, n*d), make([]float64, n*d), make([]float64, n*groups), make([]float64, n*groups)}
	static := o.Grid == Static || size == d
	place := make([]int, d)
	for k, j := range perm {
		place[j] = k
	}
	for r := range n {
		row := w[r*d : (r+1)*d]
		for g := range groups {
			if !static {
				break
			}
			var v []float64
			for j := g * size; j < min((g+1)*size, d); j++ {
				v = append(v, row[place[j]])
			}
			p.scale[r*groups+g], p.zero[r*groups+g] = levels(v, o, f16)
		}
		seen := row
		for k, j := range perm {
			if o.Grid == Lagged && k%128 == 0 {
				seen = slices.Clone(row)
			}
			g := k / size
			if static {
				g = j / size
			} else if k%size == 0 {
				p.scale[r*groups+g], p.zero[r*groups+g] = levels(seen[k:min(k+size, d)], o, f16)
			}
			s, z := p.scale[r*groups+g], p.zero[r*groups+g]
			q := min(max(math.RoundToEven(row[k]/s)+z, 0), float64(int(1)<<o.Bits-1))
			p.codes[r*d+j], p.what[r*d+j] = uint8(q), s*(q-z)
			uk := u.RawTriangular().Data[k*d+k : (k+1)*d]
			e := (row[k] - s*(q-z)) / uk[0]
			for i, x := range uk {
				row[k+i] -= e * x
			}
		}
	}
	return p
}

// upper returns the order of columns and U with H⁻¹ = UᵀU: the inverse, and
// its Cholesky factorisation.
func upper(t *testing.T, m *quanttest.Matrix, o Options) (perm []int, u *mat.TriDense) {
	t.Helper()
	d := m.In
	diagonal := make([]float64, d)
	var mean float64
	for j := range d {
		perm = append(perm, j)
		if diagonal[j] = m.H[j*d+j]; diagonal[j] == 0 {
			diagonal[j] = 1
		}
		mean += diagonal[j] / float64(d)
	}
	if o.ActOrder {
		slices.SortStableFunc(perm, func(a, b int) int {
			if diagonal[a] > diagonal[b] {
				return -1
			} else if diagonal[a] < diagonal[b] {
				return 1
			}
			return 0
		})
	}
	h := mat.NewSymDense(d, nil)
	for a, i := range perm {
		for b, j := range perm[:a] {
			h.SetSym(a, b, m.H[i*d+j])
		}
		h.SetSym(a, a, diagonal[i]+o.Damp*mean)
	}
	var c mat.Cholesky
	if !c.Factorize(h) {
		t.Fatal("H is not positive definite")
	}
	if err := c.InverseTo(h); err != nil {
		t.Fatal(err)
	}
	if !c.Factorize(h) {
		t.Fatal("the inverse of H is not positive definite")
	}
	u = mat.NewTriDense(d, mat.Upper, nil)
	c.UTo(u)
	return perm, u
}

func optionsOf(name string) (o Options) {
	o = DefaultOptions()
	f := strings.Split(name, ".")
	o.Bits, o.Group, o.ActOrder = int(f[1][1]-'0'), 0, f[3] == "act"
	switch f[2] {
	case "g32":
		o.Group = 32
	case "g128":
		o.Group = 128
	}
	if len(f) > 4 && f[4] != "asym" && f[4] != "sym" {
		o.Grid = f[4]
	}
	o.Symmetric = len(f) > 4 && f[4] == "sym"
	return o
}

func compress(t testing.TB, m *quanttest.Matrix, o Options) (*packed.Grid, []float64) {
	t.Helper()
	f, err := compensate.NewFactor(gemm.Config{}, quanttest.Narrow(m.H), m.In, o.FactorOptions())
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := Compress(gemm.Config{}, slices.Clone(m.W), m.Out, m.In, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	what := make([]float32, len(m.W))
	p.Dequantize(what, 0, m.Out)
	return p, quanttest.Widen(what)
}

func unpack(p *packed.Grid) []uint8 {
	codes, rb := make([]uint8, p.Out*p.In), packed.RowBytes(p.In, p.Bits)
	for r := range p.Out {
		packed.UnpackRow(codes[r*p.In:(r+1)*p.In], p.Codes[r*rb:(r+1)*rb], p.In, p.Bits)
	}
	return codes
}

// TestReference compares in two steps, since the reference keeps scales in
// full precision. The plain float64 form is compared with the reference: codes
// and zeros equal, scales to float32 rounding, errors to 1e-6. And Compress,
// which works in float32, is compared with the plain form with f16 scales: a
// code flipped by float32 can move a later grid, so e_H may differ by 5e-3
// where grids follow compensated weights, 1e-3 otherwise. What a flipped code
// moves is in its own row, and flips are rare: two rows may have some.
func TestReference(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F"`
		EH float64 `json:"e_H"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "gptq")
		type factor struct {
			perm []int
			u    *mat.TriDense
		}
		factors := map[string]factor{}
		for _, name := range names {
			m, o := s.Matrix(t, name), optionsOf(name)
			matrix, _, _ := strings.Cut(name, ".")
			key := fmt.Sprint(matrix, o.ActOrder)
			f, ok := factors[key]
			if !ok {
				f.perm, f.u = upper(t, m, o)
				factors[key] = f
			}
			exact := gptqPlain(t, m, f.perm, f.u, o, false)
			if e := m.Weighted(exact.what); !quanttest.Close(e, results[name].EH, 1e-6) {
				t.Errorf("%s: plain e_H %.12g, want %.12g", name, e, results[name].EH)
			}
			if e := m.RelativeFrobenius(exact.what); !quanttest.Close(e, results[name].EF, 1e-6) {
				t.Errorf("%s: plain e_F %.12g, want %.12g", name, e, results[name].EF)
			}
			if s.Has(t, "gptq", name+".codes") {
				compareGrids(t, s, name, exact)
			}
			p, what := compress(t, m, o)
			half := gptqPlain(t, m, f.perm, f.u, o, true)
			tolerance := 1e-3
			if o.Grid != Static && o.group(m.In) < m.In {
				tolerance = 5e-3
			}
			if e, want := m.Weighted(what), m.Weighted(half.what); !quanttest.Close(e, want, tolerance) {
				t.Errorf("%s: e_H %.9g, want %.9g", name, e, want)
			}
			rows := map[int]int{}
			for i, c := range unpack(p) {
				if c != half.codes[i] {
					rows[i/m.In]++
				}
			}
			if len(rows) > 2 {
				t.Errorf("%s: codes differ in rows %v, want at most two", name, rows)
			}
		}
	})
}

// TestOddGroups compares with the plain form, as TestReference does, for
// groups that are no multiple of a leaf of compensation or of its blocks, and
// leave a short last one.
func TestOddGroups(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Gauss)
	for _, act := range []bool{false, true} {
		perm, u := upper(t, m, with(func(o *Options) { o.ActOrder = act }))
		for grid, groups := range map[string][]int{Current: {1, 7, 48, 100, 250}, Lagged: {1, 16, 64, 256}, Static: {48, 100}} {
			for _, group := range groups {
				o := with(func(o *Options) { o.Bits, o.ActOrder, o.Grid, o.Group, o.Symmetric = 3, act, grid, group, group == 48 })
				_, what := compress(t, m, o)
				want := gptqPlain(t, m, perm, u, o, true)
				if got, want := m.Weighted(what), m.Weighted(want.what); !quanttest.Close(got, want, 5e-3) {
					t.Errorf("%+v: e_H %.9g, want %.9g", o, got, want)
				}
			}
		}
	}
}

// compareGrids holds codes, zeros and scales of the plain form to the
// reference. Grids that follow compensated weights depend on H, which the copied
// cases have rounded to float32: 2^-24 of each element, times the largest
// condition of 1/percdamp that damping leaves to the products.
func compareGrids(t *testing.T, s *quanttest.Set, name string, got plain) {
	t.Helper()
	if !bytes.Equal(got.codes, s.Codes(t, "gptq", name+".codes")) {
		t.Errorf("%s: plain codes differ", name)
	}
	scales, _ := s.Values(t, "gptq", name+".scale")
	zeros, _ := s.Values(t, "gptq", name+".zero")
	tolerance := 0x1p-23
	if strings.HasSuffix(name, Current) || strings.HasSuffix(name, Lagged) {
		tolerance = 0x1p-24 * 100
	}
	for i := range scales {
		if !quanttest.Close(got.scale[i], scales[i], tolerance) || got.zero[i] != zeros[i] {
			t.Fatalf("%s: grid %d is %v, %v, want %v, %v", name, i, got.scale[i], got.zero[i], scales[i], zeros[i])
		}
	}
}
