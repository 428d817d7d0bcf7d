package approx

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// dense is w as a stored matrix.
func dense(out, in int, w []float32) *packed.Dense {
	d := &packed.Dense{Out: out, In: in, DType: "F32"}
	for _, v := range w {
		d.Data = binary.LittleEndian.AppendUint32(d.Data, math.Float32bits(v))
	}
	return d
}

// decodeRTN returns scale·(code-zero) of a case M.bB.gG.asym.
func decodeRTN(t *testing.T, s *quanttest.Set, name string, m *quanttest.Matrix) []float64 {
	codes := s.Codes(t, "rtn", name+".codes")
	scale, shape := s.Values(t, "rtn", name+".scale")
	zero := slices.Repeat([]float64{8}, len(scale)) // symmetric, 4 bits
	if s.Has(t, "rtn", name+".zero") {
		zero, _ = s.Values(t, "rtn", name+".zero")
	}
	group := m.In
	if f := strings.Split(name, ".")[2]; f != "row" {
		group, _ = strconv.Atoi(f[1:])
	}
	groups := shape[len(shape)-1]
	if len(shape) == 1 {
		groups = 1
	}
	w := make([]float64, m.Out*m.In)
	for i := range w {
		g := i/m.In*groups + i%m.In/group
		w[i] = scale[g] * (float64(codes[i]) - zero[g])
	}
	return w
}

// decodeSketchTune returns the table entries of a case M.bB.gG.sS.
func decodeSketchTune(t *testing.T, s *quanttest.Set, name string, m *quanttest.Matrix) []float64 {
	codes := s.Codes(t, "sketchtune", name+".codes")
	lut, shape := s.Values(t, "sketchtune", name+".lut")
	groups, k := shape[1], shape[2]
	w := make([]float64, m.Out*m.In)
	for i := range w {
		g := i/m.In*groups + i%m.In/(m.In/groups)
		w[i] = lut[g*k+int(codes[i])]
	}
	return w
}

// figures are the errors of a case.
type figures struct {
	EF   float64 `json:"e_F"`
	EH   float64 `json:"e_H"`
	EOut float64 `json:"e_out_test"`
}

// TestReference compares the three errors of matrices that another program
// made with those that it computed, in float64.
func TestReference(t *testing.T) {
	for _, part := range []struct {
		name   string
		decode func(*testing.T, *quanttest.Set, string, *quanttest.Matrix) []float64
	}{{"rtn", decodeRTN}, {"sketchtune", decodeSketchTune}} {
		t.Run(part.name, func(t *testing.T) {
			quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
				results, names := quanttest.Results[figures](t, s, part.name)
				for _, name := range names {
					if s.Has(t, part.name, name+".codes") {
						what := part.decode(t, s, name, s.Matrix(t, name))
						compare(t, s, name, what, results[name])
					}
				}
			})
		})
	}
}

// compare measures one matrix within 1e-6 relative, the tolerance that the
// reference states for float32 (reference/README.md section 4). Ŵ in float32
// is off by 2⁻²⁴ of an entry, so e_F by 2⁻²⁴/e_F relative, 6e-7 at e_F = 0.1;
// products of in ≤ 384 terms are off by √in·2⁻²⁴ ≈ 1e-6 of their magnitude, and
// these errors average out in sums over thousands of entries.
func compare(t *testing.T, s *quanttest.Set, name string, what []float64, want figures) {
	t.Helper()
	const tolerance = 1e-6
	m := s.Matrix(t, name)
	cfg := gemm.Config{Threads: 2}
	w, hat := dense(m.Out, m.In, m.W), dense(m.Out, m.In, quanttest.Narrow(what))
	d, err := Weights(w, hat)
	if err != nil {
		t.Fatal(err)
	}
	if got := math.Sqrt(d.ErrSq / d.RefSq); !quanttest.Close(got, want.EF, tolerance) {
		t.Errorf("%s: e_F %.12g, want %.12g", name, got, want.EF)
	}
	if d, err = Hessian(cfg, w, hat, quanttest.Narrow(m.H)); err != nil {
		t.Fatal(err)
	}
	if got := d.ErrSq / d.RefSq; !quanttest.Close(got, want.EH, tolerance) {
		t.Errorf("%s: e_H %.12g, want %.12g", name, got, want.EH)
	}
	matrix, _, _ := strings.Cut(name, ".")
	if !s.Has(t, "inputs", matrix+".Xtest") {
		return
	}
	x, shape := s.Values(t, "inputs", matrix+".Xtest")
	if d, err = Outputs(cfg, w, hat, quanttest.Narrow(x), shape[0]); err != nil {
		t.Fatal(err)
	}
	if got := math.Sqrt(d.ErrSq / d.RefSq); !quanttest.Close(got, want.EOut, tolerance) {
		t.Errorf("%s: e_out %.12g, want %.12g", name, got, want.EOut)
	}
}

// TestByHand works a 2×2 matrix.
//
//	W = [1 2; 3 4], Ŵ = [1 1; 3 6]: W-Ŵ = [0 1; 0 -2]
//	‖W-Ŵ‖² = 1+4 = 5, ‖W‖² = 1+4+9+16 = 30
//	H = [2 1; 1 3]: (0 1)H(0 1)ᵀ + (0 -2)H(0 -2)ᵀ = 3 + 12 = 15,
//	(1 2)H(1 2)ᵀ + (3 4)H(3 4)ᵀ = (2+4+12) + (18+24+48) = 18 + 90 = 108
//	X = [1 0; 1 1; 2 -1]: X(W-Ŵ)ᵀ = [0 0; 1 -2; -1 2], squares 10;
//	XWᵀ = [1 3; 3 7; 0 2], squares 1+9+9+49+0+4 = 72
func TestByHand(t *testing.T) {
	w, hat := dense(2, 2, []float32{1, 2, 3, 4}), dense(2, 2, []float32{1, 1, 3, 6})
	for _, cfg := range []gemm.Config{{}, {ISA: gemm.Generic, Threads: 1}} {
		d, err := Weights(w, hat)
		if want := (Distance{5, 30}); err != nil || d != want {
			t.Errorf("weights %+v, want %+v, %v", d, want, err)
		}
		d, err = Hessian(cfg, w, hat, []float32{2, 1, 1, 3})
		if want := (Distance{15, 108}); err != nil || d != want {
			t.Errorf("H %+v, want %+v, %v", d, want, err)
		}
		d, err = Outputs(cfg, w, hat, []float32{1, 0, 1, 1, 2, -1}, 3)
		if want := (Distance{10, 72}); err != nil || d != want {
			t.Errorf("outputs %+v, want %+v, %v", d, want, err)
		}
	}
}

// TestBlocks takes more rows than one block has, in formats of their own, and
// compares with float64 sums over Dequantize.
func TestBlocks(t *testing.T) {
	const out, in, rows = 2*blockRows + 44, 24, 5
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.IntN(17)-8) / 8 // products and sums are exact
		}
		return v
	}
	w := dense(out, in, random(out*in))
	hat := &packed.LowRank{Out: out, In: in, Rank: 2}
	for range out * 2 {
		hat.U = append(hat.U, packed.F32ToF16(float32(rng.IntN(5)-2)/4))
	}
	for range in * 2 {
		hat.V = append(hat.V, packed.F32ToF16(float32(rng.IntN(5)-2)/4))
	}
	a, b := make([]float32, out*in), make([]float32, out*in)
	w.Dequantize(a, 0, out)
	hat.Dequantize(b, 0, out)
	x := random(rows * in)
	h := make([]float32, in*in)
	for i := range in {
		for j := range in {
			for r := range rows {
				h[i*in+j] += x[r*in+i] * x[r*in+j]
			}
		}
	}
	var weights, outputs Distance
	for r := range out {
		for i := range in {
			e, v := float64(a[r*in+i])-float64(b[r*in+i]), float64(a[r*in+i])
			weights.ErrSq += e * e
			weights.RefSq += v * v
		}
		for k := range rows {
			var e, v float64
			for i := range in {
				e += float64(x[k*in+i]) * (float64(a[r*in+i]) - float64(b[r*in+i]))
				v += float64(x[k*in+i]) * float64(a[r*in+i])
			}
			outputs.ErrSq += e * e
			outputs.RefSq += v * v
		}
	}
	if d, err := Weights(w, hat); err != nil || d != weights {
		t.Errorf("weights %+v, want %+v, %v", d, weights, err)
	}
	if d, err := Outputs(gemm.Config{}, w, hat, x, rows); err != nil || d != outputs {
		t.Errorf("outputs %+v, want %+v, %v", d, outputs, err)
	}
	// H = XᵀX: the same numbers, summed in another order.
	d, err := Hessian(gemm.Config{}, w, hat, h)
	if err != nil || !quanttest.Close(d.ErrSq, outputs.ErrSq, 1e-6) || !quanttest.Close(d.RefSq, outputs.RefSq, 1e-6) {
		t.Errorf("H %+v, want %+v, %v", d, outputs, err)
	}
}

// TestIdentical: equal weights have no error at all, in any format.
func TestIdentical(t *testing.T) {
	s := quanttest.Copied(t)
	m := s.Matrix(t, quanttest.Gauss)
	w := dense(m.Out, m.In, m.W)
	h := quanttest.Narrow(m.H)
	for name, measure := range map[string]func() (Distance, error){
		"weights": func() (Distance, error) { return Weights(w, w) },
		"H":       func() (Distance, error) { return Hessian(gemm.Config{}, w, w, h) },
		"outputs": func() (Distance, error) { return Outputs(gemm.Config{}, w, w, h[:7*m.In], 7) },
	} {
		if d, err := measure(); err != nil || d.ErrSq != 0 || !(d.RefSq > 0) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// TestMismatch: other dimensions are an error, and wrong lengths the caller's
// bug.
func TestMismatch(t *testing.T) {
	w, hat := dense(2, 3, make([]float32, 6)), dense(3, 2, make([]float32, 6))
	const want = "approx: compressed matrix is 3×2, the original 2×3"
	for _, measure := range []func() (Distance, error){
		func() (Distance, error) { return Weights(w, hat) },
		func() (Distance, error) { return Hessian(gemm.Config{}, w, hat, make([]float32, 9)) },
		func() (Distance, error) { return Outputs(gemm.Config{}, w, hat, make([]float32, 3), 1) },
	} {
		if _, err := measure(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, bug := range []func(){
		func() { _, _ = Hessian(gemm.Config{}, w, w, make([]float32, 4)) },
		func() { _, _ = Outputs(gemm.Config{}, w, w, make([]float32, 4), 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			bug()
		}()
	}
}
