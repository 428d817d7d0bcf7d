package kerneltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// shapes are out×in around vector widths (8, 16), blocks of 64 and 128
// columns, tails of either, and sizes that are nothing in particular; 33 rows
// of 1001 make more than one piece of work.
var shapes = [][2]int{
	{1, 1}, {5, 7}, {3, 64}, {2, 72}, {17, 128}, {16, 136}, {5, 172}, {9, 192}, {33, 320}, {33, 1001}, {70, 1024},
}

// tokens returns numbers of rows of X around the change from vector to matrix
// kernels, the largest one last; a few of them in short mode.
func tokens() []int {
	if testing.Short() {
		return []int{1, 3, 9}
	}
	return []int{1, 2, 3, 7, 8, 9, 33}
}

// Mul checks products of all formats with a float64 product of Dequantize.
func Mul(t *testing.T, d kernels.Device) {
	for _, kind := range packed.Kinds() {
		for _, s := range shapes {
			list := Variants(kind, s[1])
			if len(list) == 0 {
				t.Fatalf("kerneltest has no weights of the format %q", kind)
			}
			for _, v := range list {
				t.Run(fmt.Sprintf("%s/%dx%d", v.Name, s[0], s[1]), func(t *testing.T) {
					rnd := rand.New(rand.NewPCG(uint64(s[0]), uint64(s[1])))
					mulCase(t, d, v.Make(rnd, s[0], s[1]), normal(rnd, slices.Max(tokens())*s[1]))
				})
			}
		}
	}
}

// mulCase checks the product of w with the first rows of x for all tokens.
func mulCase(t *testing.T, d kernels.Device, w packed.Weight, x []float32) {
	t.Helper()
	m, err := d.Upload(w)
	if err != nil {
		t.Fatal(err)
	}
	out, in := w.Dims()
	if o, i := m.Dims(); o != out || i != in {
		t.Fatalf("matrix is %d×%d, want %d×%d", o, i, out, in)
	}
	if m.DeviceBytes() <= 0 {
		t.Fatalf("DeviceBytes is %d", m.DeviceBytes())
	}
	want, bound := product(w, x)
	for _, n := range tokens() {
		if n*in > len(x) {
			break
		}
		bx, by := guard(t, d, "x", x[:n*in]), output(t, d, "y", n*out)
		d.Mul(by.v, bx.v, n, m)
		bx.unchanged(t)
		for i, g := range by.values(t) {
			if e := math.Abs(float64(g) - want[i]); !(e <= bound[i]) {
				t.Fatalf("t=%d: y[%d,%d] = %v, want %v ± %.3g (off by %.3g)", n, i/out, i%out, g, want[i], bound[i], e)
			}
		}
	}
}

// product returns X·Ŵᵀ in float64 and a bound on the error of a float32
// evaluation in any order: c·|X|·Mᵀ where M holds what a kernel may add up for
// each weight.
//
// For most formats M = |Ŵ| and the chain is one dot product of in terms. For a
// grid a kernel may split Σ s·(code-zero)·x into s·(Σ code·x - zero·Σx), whose
// terms have the magnitude s·(code+zero)·|x|; the products with scale and zero
// and the sums over groups add at most 4 roundings and the number of groups.
// For a low rank it may compute (x·Vᵀ)·Uᵀ, of magnitude |x|·|V|ᵀ·|U|ᵀ, whose
// second sum adds rank roundings. For levels it may multiply a block's sum by
// the scale. A sum of matrices may add products instead of weights. Dequantize
// itself rounds only in these three.
func product(w packed.Weight, x []float32) (y, bound []float64) {
	out, in := w.Dims()
	what := make([]float32, out*in)
	w.Dequantize(what, 0, out)
	mag, more := magnitude(w)
	n := in + 4 + more
	t := len(x) / in
	var p, q mat.Dense
	p.Mul(mat.NewDense(t, in, float64s(x)), mat.NewDense(out, in, float64s(what)).T())
	q.Mul(mat.NewDense(t, in, abs(x)), mat.NewDense(out, in, mag).T())
	// A sum of zero magnitude is still allowed to be the smallest subnormal.
	q.Apply(func(_, _ int, v float64) float64 { return dotBound(n)*v + math.SmallestNonzeroFloat32 }, &q)
	return p.RawMatrix().Data, q.RawMatrix().Data
}

// gridMagnitude returns a bound on |s|·(code+zero) for all weights of a grid:
// |s|·code is at most |Ŵ| + |s|·zero.
func gridMagnitude(w *packed.Grid) []float64 {
	what := make([]float32, w.Out*w.In)
	w.Dequantize(what, 0, w.Out)
	m := float64s(what)
	for i := range m {
		r, g := i/w.In, i%w.In/w.Group
		if w.Index != nil {
			g = int(w.Index[i%w.In])
		}
		zero := math.Abs(float64(packed.F16ToF32(w.Scale[r*w.Groups()+g]))) * float64(w.ZeroAt(r, g))
		m[i] = math.Abs(m[i]) + 2*zero
	}
	return m
}

func widen(h []uint16) []float32 {
	v := make([]float32, len(h))
	for i, x := range h {
		v[i] = packed.F16ToF32(x)
	}
	return v
}

func float64s(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, f := range v {
		w[i] = float64(f)
	}
	return w
}

func abs(v []float32) []float64 {
	w := float64s(v)
	for i := range w {
		w[i] = math.Abs(w[i])
	}
	return w
}

// MulExtremes checks weights at the ends of the f16 range and activations of
// very different sizes, and that NaN and infinite activations reach every
// output that reads them: nothing may hide a model that has diverged.
func MulExtremes(t *testing.T, d kernels.Device) {
	const out, in = 3, 256
	rnd := rand.New(rand.NewPCG(1, 2))
	x := normal(rnd, 2*in)
	for i := range x {
		x[i] *= float32(math.Ldexp(1, rnd.IntN(40)-20))
	}
	for _, bits := range widths {
		t.Run(fmt.Sprintf("codebook/bits=%d", bits), func(t *testing.T) {
			w := codebookOf(rnd, out, in, bits, in).(*packed.Codebook)
			// ±largest, smallest subnormal, ±0, largest subnormal.
			copy(w.Table, []uint16{0x7bff, 0x0001, 0xfbff, 0x8000, 0x0000, 0x03ff, 0x8001})
			mulCase(t, d, w, x)
		})
	}
	for _, kind := range packed.Kinds() {
		for _, v := range Variants(kind, in) {
			m, err := d.Upload(v.Make(rnd, out, in))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 2, 9} {
				x := normal(rnd, n*in)
				x[(n-1)*in+77] = float32(math.NaN())
				bx, by := guard(t, d, "x", x), output(t, d, "y", n*out)
				d.Mul(by.v, bx.v, n, m)
				for i, g := range by.values(t) {
					if isNaN := g != g; isNaN != (i/out == n-1) {
						t.Fatalf("%s: t=%d: x[%d,77] is NaN, y[%d,%d] = %v", v.Name, n, n-1, i/out, i%out, g)
					}
				}
			}
		}
	}
}

// Embed checks rows looked up: equal to Dequantize, except that a low rank may
// sum in another order.
func Embed(t *testing.T, d kernels.Device) {
	const out, in = 11, 136
	ids := []int{3, 0, 10, 3}
	for _, kind := range packed.Kinds() {
		for _, v := range Variants(kind, in) {
			t.Run(v.Name, func(t *testing.T) {
				w := v.Make(rand.New(rand.NewPCG(3, 4)), out, in)
				m, err := d.Upload(w)
				if err != nil {
					t.Fatal(err)
				}
				by := output(t, d, "y", len(ids)*in)
				d.Embed(by.v, ids, m)
				want, bound := make([]float64, 0, len(ids)*in), make([]float64, len(ids)*in)
				row := make([]float32, in)
				for i, id := range ids {
					w.Dequantize(row, id, id+1)
					want = append(want, float64s(row)...)
					copy(bound[i*in:], lookupBound(w, id))
				}
				within(t, by.values(t), want, bound)
			})
		}
	}
}

// Upload checks that a weight that breaks its invariants is refused.
func Upload(t *testing.T, d kernels.Device) {
	w := denseOf(rand.New(rand.NewPCG(5, 6)), 2, 3, "F32").(*packed.Dense)
	w.Data = w.Data[1:]
	if _, err := d.Upload(w); err == nil {
		t.Fatal("Upload of a dense matrix that lacks a byte: no error")
	}
}
