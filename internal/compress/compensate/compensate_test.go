package compensate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// moments returns H of n random inputs of d correlated channels with very
// different scales.
func moments(d, n int, seed uint64) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	h := make([]float64, d*d)
	scale := make([]float64, d)
	for j := range scale {
		scale[j] = math.Exp(0.8 * rnd.NormFloat64())
	}
	x := make([]float64, d)
	for range n {
		common := rnd.NormFloat64()
		for j := range x {
			x[j] = scale[j] * (rnd.NormFloat64() + common)
		}
		for i := range d {
			for j := range d {
				h[i*d+j] += 2 / float64(n) * x[i] * x[j]
			}
		}
	}
	return quanttest.Narrow(h)
}

func gaussian(n int, seed uint64) []float32 {
	rnd := rand.New(rand.NewPCG(seed, 2))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rnd.NormFloat64())
	}
	return w
}

func factor(t testing.TB, h []float32, d int, o FactorOptions) *Factor {
	t.Helper()
	f, err := NewFactor(gemm.Config{}, slices.Clone(h), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// single rounds one weight.
type single func(r, c int, x float32) (uint8, float32)

// each is the Rounder that rounds weights by s.
func (s single) each(r, c int, w []float32, codes []uint8, values []float32) {
	for i, x := range w {
		codes[i], values[i] = s(r+i, c, x)
	}
}

// run returns codes and values in the original order.
func run(t testing.TB, cfg gemm.Config, w []float32, out, in int, f *Factor, round single) ([]uint8, []float64) {
	t.Helper()
	codes, what := make([]uint8, out*in), make([]float64, out*in)
	err := Run(cfg, w, out, in, f, single(func(r, c int, x float32) (uint8, float32) {
		q, v := round(r, c, x)
		what[r*in+c] = float64(v)
		return q, v
	}).each, func(r int, row []uint8) { copy(codes[r*in:], row) })
	if err != nil {
		t.Fatal(err)
	}
	return codes, what
}

// grids rounds on one asymmetric grid per row, from the original weights, with
// the scale in full precision, as the references have it.
func grids(w []float32, in, bits int) single {
	var g []grid.Grid
	for i := 0; i < len(w); i += in {
		row, top := w[i:i+in], float64(int(1)<<bits-1)
		lo, hi := min(0, float64(slices.Min(row))), max(0, float64(slices.Max(row)))
		scale := (hi - lo) / top
		g = append(g, grid.Grid{Scale: scale, Zero: math.RoundToEven(-lo / scale), Max: top})
	}
	return func(r, _ int, x float32) (uint8, float32) {
		q := g[r].Code(float64(x))
		return q, float32(g[r].Value(q))
	}
}

// TestReferenceFactor compares order and diagonal with float64 results.
// Rounding H to float32 and factoring in it is a change ΔH of about 2^-24 of
// each element, which moves U_jj, whose square is a diagonal of an inverse, by
// at most half of ‖ΔH‖/λ of itself, λ ≥ the damping of 0.1·tr(H)/d. With
// ‖ΔH‖ ≤ 2^-24·tr(H), and twice for the two causes, that is 2^-24·10·d. The
// signs of the roundings are random, so √d instead of d is asked for.
func TestReferenceFactor(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		for _, name := range []string{quanttest.Heavy, quanttest.Gauss, "gate", "q"} {
			if !s.Has(t, "inputs", name+".W") {
				continue
			}
			m := s.Matrix(t, name)
			f := factor(t, quanttest.Narrow(m.H), m.In, FactorOptions{Damp: 0.1, ActOrder: true})
			perm, _ := s.Values(t, "sketchtune", name+".perm")
			want, _ := s.Values(t, "sketchtune", name+".u_diag")
			for k, j := range f.Perm {
				if float64(j) != perm[k] {
					t.Fatalf("%s: column %d is the %d-th, want %v", name, j, k, perm[k])
				}
			}
			worst := 0.0
			for j, u := range f.Diagonal() {
				worst = max(worst, math.Abs(u/want[j]-1))
			}
			if bound := 0x1p-24 * 10 * math.Sqrt(float64(m.In)); !(worst <= bound) {
				t.Errorf("%s: U_jj is off by %.2g, want %.2g", name, worst, bound)
			}
			if name == quanttest.Heavy && !(f.Dead[37] && !f.Dead[36]) {
				t.Error("heavy: channel 37 is dead, 36 is not")
			}
		}
	})
}

// TestCheck11TrailingInverse checks methods.md 6.11, U_jj² = [(H_{j..,j..})⁻¹]_jj in
// the order of processing, and that U inverts: UᵀU·H = I. The bounds are
// condition × 2^-24 for the inverse (about 1e3 here) with a factor of 16.
func TestCheck11TrailingInverse(t *testing.T) {
	const d = 70
	h := moments(d, 300, 1)
	for _, act := range []bool{false, true} {
		f := factor(t, h, d, FactorOptions{Damp: 0.01, ActOrder: act})
		p := mat.NewSymDense(d, nil)
		for i, a := range f.Perm {
			for j, b := range f.Perm[:i+1] {
				p.SetSym(i, j, float64(h[a*d+b]))
			}
			p.SetSym(i, i, p.At(i, i)+f.Damping)
		}
		u := f.Diagonal()
		for j, col := range f.Perm {
			var inv mat.Dense
			if err := inv.Inverse(p.SliceSym(j, d)); err != nil {
				t.Fatal(err)
			}
			if got, want := u[col]*u[col], inv.At(0, 0); !quanttest.Close(got, want, 1e-3) {
				t.Errorf("act order %v: U_jj² of the %d-th is %v, want %v", act, j, got, want)
			}
		}
		U := mat.NewDense(d, d, quanttest.Widen(f.U))
		var utu, prod mat.Dense
		utu.Mul(U.T(), U)
		prod.Mul(&utu, p)
		for i := range d {
			prod.Set(i, i, prod.At(i, i)-1)
		}
		for i, e := range prod.RawMatrix().Data {
			if !(math.Abs(e) < 1e-3) {
				t.Fatalf("act order %v: entry %d of UᵀU·H is %v from that of 1", act, i, e)
			}
		}
	}
}

// plain is the algorithm without blocks in float64: after each column, all
// later ones are updated.
func plain(w []float32, out, in int, f *Factor, round single) []uint8 {
	codes := make([]uint8, out*in)
	for r := range out {
		row := make([]float64, in)
		for k, j := range f.Perm {
			if !f.Dead[j] {
				row[k] = float64(w[r*in+j])
			}
		}
		for k, j := range f.Perm {
			q, v := round(r, j, float32(row[k]))
			codes[r*in+j] = q
			e := (row[k] - float64(v)) / float64(f.U[k*in+k])
			for m := k; m < in; m++ {
				row[m] -= e * float64(f.U[k*in+m])
			}
		}
	}
	return codes
}

// TestBlocks compares with the unblocked algorithm. Float32 moves a weight by
// about √in·2^-24 of the errors in it, so 1 of 1e5 codes may flip, and a
// flipped one moves later columns of its row: 1 code in 1000.
func TestBlocks(t *testing.T) {
	for _, c := range []struct{ out, in int }{{3, 1}, {2, 16}, {65, 17}, {5, 127}, {5, 128}, {9, 129}, {1100, 40}, {20, 300}} {
		h := moments(c.in, 2*c.in+10, 3)
		w := gaussian(c.out*c.in, 4)
		if c.in > 100 {
			for i := range c.in {
				h[i*c.in+77], h[77*c.in+i] = 0, 0
			}
		}
		for _, act := range []bool{false, true} {
			f := factor(t, h, c.in, FactorOptions{Damp: 0.01, ActOrder: act})
			round := grids(w, c.in, 4)
			got, _ := run(t, gemm.Config{}, w, c.out, c.in, f, round)
			want := plain(w, c.out, c.in, f, round)
			differ := 0
			for i := range got {
				if got[i] != want[i] {
					differ++
				}
			}
			if differ > len(got)/1000 {
				t.Errorf("%d×%d, act order %v: %d codes of %d differ", c.out, c.in, act, differ, len(got))
			}
		}
	}
}

// TestReferenceCodes runs on the reference's own tables. In float32 its own
// program changes at most 27 codes and e_H by 0.035 %; H and U rounded here
// are a second such perturbation, so twice that.
func TestReferenceCodes(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F"`
		EH float64 `json:"e_H"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "sketchtune")
		factors := map[string]*Factor{}
		most, worst := 0, 0.0
		for _, name := range names {
			m := s.Matrix(t, name)
			matrix, _, _ := strings.Cut(name, ".")
			if factors[matrix] == nil {
				factors[matrix] = factor(t, quanttest.Narrow(m.H), m.In, FactorOptions{Damp: 0.1, ActOrder: true})
			}
			lut, shape := s.Values(t, "sketchtune", name+".lut")
			g, k := shape[1], shape[2]
			codes, what := run(t, gemm.Config{}, m.W, m.Out, m.In, factors[matrix], func(r, c int, x float32) (uint8, float32) {
				table := lut[(r*g+c/(m.In/g))*k:][:k]
				best := 0
				for i, v := range table {
					if math.Abs(v-float64(x)) < math.Abs(table[best]-float64(x)) {
						best = i
					}
				}
				return uint8(best), float32(table[best])
			})
			differ := 0
			for i, q := range s.Codes(t, "sketchtune", name+".codes") {
				if q != codes[i] {
					differ++
				}
			}
			e := m.Weighted(what)
			most, worst = max(most, differ), max(worst, math.Abs(e/results[name].EH-1))
			if differ > 2*27 || !quanttest.Close(e, results[name].EH, 2*3.5e-4) {
				t.Errorf("%s: %d codes differ, e_H %v, want %v", name, differ, e, results[name].EH)
			}
		}
		t.Logf("at most %d codes and %.2g of e_H differ", most, worst)
	})
}

// TestCompensationHelps: on the calibration inputs the output error is at most
// that of rounding alone, in total over rows; at 8 bits the matrix itself
// stays within about 1e-2 (Gaussian) or 0.05 (heavy tails) (methods.md 6.10).
// For Gaussian rows of 256, whose range is 5.7σ, rounding alone leaves
// 5.7/255/√12 = 0.0065; what compensation adds to it, at most as much again, is
// the sum of earlier columns' errors.
func TestCompensationHelps(t *testing.T) {
	s := quanttest.Copied(t)
	for name, bound := range map[string]float64{quanttest.Gauss: 0.013, quanttest.Heavy: 0.05} {
		m := s.Matrix(t, name)
		w := slices.Clone(m.W)
		for i := range w {
			if m.H[i%m.In*(m.In+1)] == 0 {
				w[i] = 0 // a dead column keeps no error that compensation could show
			}
		}
		for _, act := range []bool{false, true} {
			f := factor(t, quanttest.Narrow(m.H), m.In, FactorOptions{Damp: 0.01, ActOrder: act})
			for _, bits := range []int{2, 3, 4, 8} {
				round := grids(w, m.In, bits)
				_, with := run(t, gemm.Config{}, m.W, m.Out, m.In, f, round)
				without := make([]float64, len(w))
				for i, x := range w {
					_, v := round(i/m.In, i%m.In, x)
					without[i] = float64(v)
				}
				if a, b := m.Weighted(with), m.Weighted(without); !(a <= b) {
					t.Errorf("%s, %d bits, act order %v: e_H %v with compensation, %v without", name, bits, act, a, b)
				}
				if m.In == 384 {
					for i := range m.Out { // e_F of what is not dead
						with[i*m.In+37] = float64(m.W[i*m.In+37])
					}
				}
				if e := m.RelativeFrobenius(with); bits == 8 && !(e <= bound) {
					t.Errorf("%s, act order %v: 8 bits leave %v of the norm", name, act, e)
				}
			}
		}
	}
}

// TestOrder: taking columns in act-order is the same as moving the columns and
// H by hand and taking them as they come.
func TestOrder(t *testing.T) {
	const out, in = 6, 200
	h, w := moments(in, 500, 5), gaussian(out*in, 6)
	f := factor(t, h, in, FactorOptions{Damp: 0.1, ActOrder: true})
	moved, movedW := make([]float32, in*in), make([]float32, out*in)
	for k, j := range f.Perm {
		for m, i := range f.Perm {
			moved[k*in+m] = h[j*in+i]
		}
		for r := range out {
			movedW[r*in+k] = w[r*in+j]
		}
	}
	g := factor(t, moved, in, FactorOptions{Damp: 0.1})
	if !slices.Equal(f.U, g.U) {
		t.Error("U differs")
	}
	round := grids(w, in, 3)
	got, _ := run(t, gemm.Config{}, w, out, in, f, round)
	want, _ := run(t, gemm.Config{}, movedW, out, in, g, round)
	for r := range out {
		for k, j := range f.Perm {
			if got[r*in+j] != want[r*in+k] {
				t.Fatalf("row %d: code of column %d differs", r, j)
			}
		}
	}
	for k := 1; k < in; k++ {
		a, b := f.Perm[k-1], f.Perm[k]
		if x, y := h[a*in+a], h[b*in+b]; x < y || x == y && a > b {
			t.Fatalf("column %d (%v) is before %d (%v)", a, x, b, y)
		}
	}
}

// TestThreads: factor and codes are equal to the bit for any number of
// threads. More rows than one chunk.
func TestThreads(t *testing.T) {
	const out, in = 1100, 190
	h, w := moments(in, 400, 7), gaussian(out*in, 8)
	round := grids(w, in, 3)
	var u []float32
	var codes []uint8
	for _, threads := range []int{1, 2, 3} {
		cfg := gemm.Config{Threads: threads}
		f, err := NewFactor(cfg, slices.Clone(h), in, FactorOptions{Damp: 0.1, ActOrder: true})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := run(t, cfg, w, out, in, f, round)
		if threads == 1 {
			u, codes = f.U, c
		}
		if !slices.Equal(u, f.U) || !slices.Equal(codes, c) {
			t.Errorf("%d threads: another result", threads)
		}
	}
}

// TestRounderSeesEachColumnOnce checks what Rounder promises.
func TestRounderSeesEachColumnOnce(t *testing.T) {
	const out, in = 40, 150
	h, w := moments(in, 400, 9), gaussian(out*in, 10)
	f := factor(t, h, in, FactorOptions{Damp: 0.1, ActOrder: true})
	var mu sync.Mutex
	seen, rows := map[int][]int{}, map[int]int{}
	err := Run(gemm.Config{}, w, out, in, f, single(func(r, c int, x float32) (uint8, float32) {
		mu.Lock()
		defer mu.Unlock()
		seen[r] = append(seen[r], c)
		return uint8(c), x
	}).each, func(r int, codes []uint8) {
		mu.Lock()
		defer mu.Unlock()
		rows[r]++
		for c, q := range codes {
			if q != uint8(c) {
				t.Errorf("row %d: code %d is that of another column", r, c)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for r := range out {
		if rows[r] != 1 || !slices.Equal(seen[r], f.Perm) {
			t.Fatalf("row %d: delivered %d times, columns %v", r, rows[r], seen[r])
		}
	}
}

func TestErrors(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		h    []float32
		o    FactorOptions
		want string
	}{
		{"NaN", []float32{1, 0, nan, 1}, FactorOptions{}, "second moments: H[1,0] is NaN"},
		{"negative", []float32{1, 0, 0, -2}, FactorOptions{}, "second moments: H[1,1] is -2"},
		{"damp", []float32{1, 0, 0, 1}, FactorOptions{Damp: -1}, "damp: -1, want a finite number of 0 or more"},
		{"singular", []float32{1, 3, 3, 1}, FactorOptions{Damp: 0.1}, "second moments 2×2 with damp 0.1 added 10 times (1 on the diagonal): "},
		{"singular", []float32{1, 3, 3, 1}, FactorOptions{Damp: 0.1}, "; try a damp of 10"},
		{"undamped", []float32{1, 1, 1, 1}, FactorOptions{}, "; try a damp of 0.01"},
	} {
		if _, err := NewFactor(gemm.Config{}, c.h, 2, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	f := factor(t, []float32{1, 0, 0, 1}, 2, FactorOptions{})
	err := Run(gemm.Config{}, []float32{1, 2, 3, nan}, 2, 2, f, nil, nil)
	if err == nil || err.Error() != "weight [1,1] is NaN" {
		t.Errorf("error %v", err)
	}
	// All channels dead: H = I.
	f = factor(t, make([]float32, 4), 2, FactorOptions{Damp: 0.25, ActOrder: true})
	if f.Damping != 0.25 || !f.Dead[0] || math.Abs(float64(f.U[0])-1/math.Sqrt(1.25)) > 1e-7 {
		t.Errorf("H = 0: %+v", f)
	}
}
