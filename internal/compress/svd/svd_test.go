package svd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestRank: the examples of methods.md 4.6 and 6 row 12, hand-worked ends.
func TestRank(t *testing.T) {
	for _, c := range []struct {
		bits    float64
		out, in int
		want    int
	}{
		{0.5, 4096, 4096, 64},  // 0.5·4096²/(16·8192) = 64
		{0.49, 4096, 4096, 62}, // 62.72
		{2, 256, 256, 16},
		{2, 768, 256, 24}, // 2·196608/16384 = 24
		{0.2, 128, 128, 0},
		{0.25, 128, 128, 1},
		{16, 64, 64, 32},
		{16, 3, 1000, 2}, // 2.99
		{1000, 64, 64, 64},
	} {
		if got := Rank(c.bits, c.out, c.in); got != c.want {
			t.Errorf("Rank(%v, %d, %d) = %d, want %d", c.bits, c.out, c.in, got, c.want)
		}
	}
	if got := Smallest(128, 128); got != 0.25 {
		t.Errorf("Smallest = %v, want 0.25", got)
	}
	// Any rank comes back from its bits and from its bytes.
	for _, d := range [][2]int{{7, 11}, {96, 256}, {172, 64}, {2048, 8192}} {
		for k := 1; k <= min(d[0], d[1]); k += 1 + k/7 {
			if got := Rank(float64(k)*Smallest(d[0], d[1]), d[0], d[1]); got != k {
				t.Errorf("%v: rank %d comes back as %d", d, k, got)
			}
			bytes := int64(2 * k * (d[0] + d[1]))
			if got := RankForBytes(bytes, d[0], d[1]); got != k {
				t.Errorf("%v: the bytes of rank %d give %d", d, k, got)
			}
			if got := RankForBytes(bytes-1, d[0], d[1]); got != k-1 {
				t.Errorf("%v: a byte less than rank %d gives %d", d, k, got)
			}
		}
	}
}

func normal(out, in int, scale float64) []float32 {
	rng := rand.New(rand.NewPCG(uint64(out), uint64(in)))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(scale * rng.NormFloat64())
	}
	return w
}

// errorOf is ‖W−Ŵ‖F/‖W‖F, and the optimum of rank k from gonum.
func errorOf(t *testing.T, w []float32, p *packed.LowRank) (got, best float64) {
	t.Helper()
	what := make([]float32, len(w))
	p.Dequantize(what, 0, p.Out)
	var d, n float64
	wide := make([]float64, len(w))
	for i, x := range w {
		wide[i] = float64(x)
		d += (float64(x) - float64(what[i])) * (float64(x) - float64(what[i]))
		n += float64(x) * float64(x)
	}
	var s mat.SVD
	if !s.Factorize(mat.NewDense(p.Out, p.In, wide), mat.SVDNone) {
		t.Fatal("gonum: SVD failed")
	}
	var left float64
	for _, x := range s.Values(nil)[p.Rank:] {
		left += x * x
	}
	return math.Sqrt(d / n), math.Sqrt(left / n)
}

// TestCompress compares the error of what is stored with the best of its rank.
// Rounding to f16 adds at most 2⁻¹¹ of each factor, 2⁻¹⁰ of the product and
// thus of the error at most 2⁻¹⁰·‖W‖, at any scale of the weights; being
// nearly orthogonal to what is left, it adds in squares.
func TestCompress(t *testing.T) {
	for _, scale := range []float64{1e-8, 1e-4, 0.02, 1, 1e4, 1e8} {
		for _, d := range [][3]int{{30, 20, 5}, {1, 40, 1}, {64, 64, 64}, {20, 300, 20}} {
			t.Run(fmt.Sprintf("%g/%v", scale, d), func(t *testing.T) {
				w := normal(d[0], d[1], scale)
				keep := slices.Clone(w)
				p, _, err := Compress(gemm.Config{}, w, d[0], d[1], d[2], 1)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(w, keep) {
					t.Error("weights were changed")
				}
				if want := int64(2 * d[2] * (d[0] + d[1])); p.Bytes() != want {
					t.Errorf("%d bytes, want %d", p.Bytes(), want)
				}
				got, best := errorOf(t, w, p)
				if !(got >= best*(1-1e-7) && got <= math.Hypot(best, 0x1p-10)*(1+1e-6)) {
					t.Errorf("error %v, want %v", got, best)
				}
			})
		}
	}
}

// TestBalance: of a 1×n matrix of equal entries with σ = 1e10, u = σ^½ = 1e5
// overflows f16, while v = σ^½/√n = 1e3 has room to take some of it.
func TestBalance(t *testing.T) {
	const n = 10000
	w := make([]float32, n)
	for i := range w {
		w[i] = 1e8 // σ = 1e10
	}
	for _, d := range [][2]int{{1, n}, {n, 1}} {
		p, _, err := Compress(gemm.Config{}, w, d[0], d[1], 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		what := make([]float32, n)
		p.Dequantize(what, 0, d[0])
		for i, x := range what {
			if !(math.Abs(float64(x)/1e8-1) <= 0x1p-10) {
				t.Fatalf("%v: Ŵ[%d] = %v, want 1e8", d, i, x)
			}
		}
	}
}

func TestZero(t *testing.T) {
	p, _, err := Compress(gemm.Config{}, make([]float32, 12), 3, 4, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Max(p.U) != 0 || slices.Max(p.V) != 0 {
		t.Error("factors of a zero matrix are not zero")
	}
}

func TestErrors(t *testing.T) {
	nan := normal(4, 5, 1)
	nan[2*5+3] = float32(math.NaN())
	huge := normal(4, 5, 1e30)
	for _, c := range []struct {
		w    []float32
		rank int
		want string
	}{
		{nan, 1, "svd: linalg: entry [2,3] is NaN, want a finite number"},
		{huge, 1, "svd: weights too large for 16-bit factors: lowrank: "},
		{huge, 0, "svd: rank: 0 for a 4×5 matrix, want 1 to 4; rank 1 has 7.2 bits"},
		{huge, 5, "svd: rank: 5 for a 4×5 matrix, want 1 to 4"},
	} {
		_, _, err := Compress(gemm.Config{}, c.w, 4, 5, c.rank, 0)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for _, bits := range []float64{0, -1, 17, math.NaN()} {
		if faults := (Options{Bits: bits, Ranks: Uniform}).Size().Check(); len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), "bits: ") {
			t.Errorf("Check of bits %v: %v", bits, faults)
		}
	}
	if faults := DefaultOptions().Size().Check(); faults != nil {
		t.Error(faults)
	}
}
