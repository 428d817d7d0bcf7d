package sketchtune

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

var gemmConfig = gemm.Config{}

// TestRefit compares with dense least squares of every row by another library:
// the error is at most that of the least, plus what the ridge may cost,
// ridge·δᵀdiag(A)δ for the step δ to the least, plus what rounding of the
// entries to f16 may, (Σ √A_ii·ρ_i)² with ρ_i half a unit of an entry.
func TestRefit(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{quanttest.Gauss, quanttest.Heavy} {
		m := s.Matrix(t, name)
		const rows = 6
		w := m.W[:rows*m.In]
		for _, size := range [][2]int{{4, 1}, {3, 4}, {2, 2}} {
			o := DefaultOptions()
			o.Bits, o.GPR = size[0], size[1]
			f := factor(t, quanttest.Narrow(m.H), m.In, o)
			before, plain, _ := compress(t, w, rows, m.In, f, o)
			o.Refit = true
			p, _, err := Compress(gemmConfig, slices.Clone(w), rows, m.In, f, quanttest.Narrow(m.H), o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Codes, before.Codes) {
				t.Fatalf("%s %v: other codes", name, size)
			}
			fitted := make([]float32, len(w))
			p.Dequantize(fitted, 0, rows)
			for r := range rows {
				l := leastSquares(m, w, before, r)
				got, was := l.error(quanttest.Widen(fitted)[r*m.In:(r+1)*m.In]), l.error(plain[r*m.In:(r+1)*m.In])
				bound := l.least + l.ridge + l.rounding(p, r)
				// Sums of H and of its product are float32.
				if !(got <= bound+1e-5*was) || !(got >= l.least*(1-1e-9)) || !(l.least < was) {
					t.Errorf("%s %v row %d: error %v, least %v, bound %v, before %v", name, size, r, got, l.least, bound, was)
				}
			}
		}
	}
}

// A least is the least error of a row, its codes given.
type least struct {
	m            *quanttest.Matrix
	w            []float64
	a            *mat.SymDense // CᵀHC over the entries that have codes
	entries      []int
	least, ridge float64
}

func leastSquares(m *quanttest.Matrix, w []float32, p *packed.Codebook, r int) *least {
	in, l := m.In, &least{m: m, w: quanttest.Widen(w[r*m.In : (r+1)*m.In])}
	codes := make([]uint8, in)
	rb := packed.RowBytes(in, p.Bits)
	packed.UnpackRow(codes, p.Codes[r*rb:(r+1)*rb], in, p.Bits)
	column := map[int]int{}
	entry := make([]int, in)
	for c, code := range codes {
		e := c/p.Group<<p.Bits + int(code)
		if m.H[c*in+c] == 0 {
			l.w[c] = 0
		}
		if _, ok := column[e]; !ok {
			column[e] = len(column)
			l.entries = append(l.entries, e)
		}
		entry[c] = column[e]
	}
	n := len(column)
	l.a = mat.NewSymDense(n, nil)
	b := mat.NewVecDense(n, nil)
	sums := make([]float64, n*n)
	for i := range in {
		for j := range in {
			h := m.H[i*in+j]
			sums[entry[i]*n+entry[j]] += h
			b.SetVec(entry[i], b.AtVec(entry[i])+h*l.w[j])
		}
	}
	for i := range n {
		for j := range i + 1 {
			l.a.SetSym(i, j, sums[i*n+j])
		}
	}
	var x mat.VecDense
	if err := x.SolveVec(l.a, b); err != nil {
		panic(err)
	}
	best := make([]float64, in)
	for c := range best {
		best[c] = x.AtVec(entry[c])
	}
	l.least = l.error(best)
	for i, e := range l.entries {
		d := x.AtVec(i) - at(p.Table[r*p.Groups()<<p.Bits+e])
		l.ridge += ridge * l.a.At(i, i) * d * d
	}
	return l
}

// error returns (w-ŵ)ᵀH(w-ŵ).
func (l *least) error(what []float64) float64 {
	var sum float64
	for i := range what {
		for j := range what {
			sum += (l.w[i] - what[i]) * l.m.H[i*l.m.In+j] * (l.w[j] - what[j])
		}
	}
	return sum
}

func (l *least) rounding(p *packed.Codebook, r int) float64 {
	var sum float64
	for i, e := range l.entries {
		v := at(p.Table[r*p.Groups()<<p.Bits+e])
		sum += math.Sqrt(l.a.At(i, i)) * (0x1p-11*math.Abs(v) + 0x1p-25)
	}
	return sum * sum
}

func TestSolve(t *testing.T) {
	// [4 2; 2 5]·[1 2]ᵀ = [8 12]ᵀ.
	a, b := []float64{4, 2, 2, 5}, []float64{8, 12}
	if !solve(a, b) || math.Abs(b[0]-1) > 1e-15 || math.Abs(b[1]-2) > 1e-15 {
		t.Errorf("solution %v", b)
	}
	if solve([]float64{1, 2, 2, 1}, []float64{1, 1}) {
		t.Error("an indefinite matrix was solved")
	}
}
