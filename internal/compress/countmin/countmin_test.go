package countmin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestOverestimate: no magnitude is below the weight's, more rows of the same
// size bring it nearer, and carried signs are the weights' own; dropped ones
// leave magnitudes.
func TestOverestimate(t *testing.T) {
	const out, in = 64, 100
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * math.Exp(2*rng.NormFloat64()))
	}
	for _, signs := range []string{hashed.Carried, hashed.Dropped} {
		last := math.Inf(1)
		for rows := 1; rows <= 4; rows++ {
			o := Options{Bits: 2, Rows: rows, Cells: 1000, Signs: signs}
			h, _, err := hashed.Compress(gemm.Config{}, w, Form(o, out, in), 3)
			if err != nil {
				t.Fatal(err)
			}
			v := make([]float32, out*in)
			h.Dequantize(v, 0, out)
			excess := 0.
			for i, x := range v {
				magnitude, weight := math.Abs(float64(x)), math.Abs(float64(w[i]))
				if magnitude < weight || math.Signbit(float64(x)) != (signs == hashed.Carried && w[i] < 0) {
					t.Fatalf("%+v: weight %d is %v, of %v", o, i, x, w[i])
				}
				excess += magnitude - weight
			}
			if !(excess < last) {
				t.Errorf("%+v: excess %v, with a row less %v", o, excess, last)
			}
			last = excess
		}
	}
}

// TestMean: a magnitude of one row is the weight's and those of its λ(1-1/N)
// fellows on average: the mean of ŵ is (1+λ)·√(2/π) for N(0,1), over-estimated
// by far. Of m cells of Poisson load the sum over weights is Σ load·(sum), of
// relative standard deviation below √(8/N) here.
func TestMean(t *testing.T) {
	const out, in, lambda = 256, 256, 8
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	h, _, err := hashed.Compress(gemm.Config{}, w, Form(Options{Bits: 2, Rows: 1, Signs: hashed.Dropped}, out, in), 3)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, out*in)
	h.Dequantize(v, 0, out)
	mean := 0.
	for _, x := range v {
		mean += float64(x) / (out * in)
	}
	want := (1 + lambda) * math.Sqrt(2/math.Pi)
	if tol := 4 * math.Sqrt(8./(out*in)); !(math.Abs(mean/want-1) <= tol) {
		t.Errorf("mean %v, want %v ± %.1f %%", mean, want, 100*tol)
	}
}

// TestBits: 16 bits of each cell, 64 of a row's seed and, where signs are
// carried, ⌈d/8⌉ bytes for each row of the matrix, which bits have in them.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		out, in, rows int
		bits          float64
		signs         string
		want          int64
	}{
		{64, 128, 3, 2, hashed.Carried, 6*170 + 24 + 1024}, // ⌊8192/16/3⌋
		{40, 72, 1, 0.5, hashed.Dropped, 2*90 + 8},
		{33, 130, 2, 2, hashed.Carried, 4*127 + 16 + 33*17}, // ⌊(8580-4488)/16⌋ = 255
	} {
		o := Options{Bits: c.bits, Rows: c.rows, Signs: c.signs}
		if got := Form(o, c.out, c.in).StoredBytes(); got != c.want {
			t.Errorf("%d×%d, %+v: %d bytes, want %d", c.out, c.in, o, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
	got := fmt.Sprint(Options{Bits: 0.5, Rows: 5, Signs: "x"}.Check(), Options{Bits: 1, Rows: 1, Signs: hashed.Carried}.Check())
	if want := `[rows: 5, want 1 to 4 signs: "x", want one of carried, dropped] [bits: 1, want above 1: the signs that are carried take 1]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
