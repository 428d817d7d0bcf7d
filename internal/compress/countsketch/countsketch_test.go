package countsketch

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/hashed"
	"github.com/sketchbench/sketchbench/internal/compress/hashednets"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	return w
}

func sketch(t *testing.T, w []float32, out, in int, f hashed.Form) *packed.Hashed {
	t.Helper()
	h, _, err := hashed.Compress(gemm.Config{}, w, f, 7)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// relFBias returns ‖W−Ŵ‖F/‖W‖F and Σ(ŵ−w)·w/Σw².
func relFBias(w []float32, h *packed.Hashed) (relF, bias float64) {
	v := make([]float32, len(w))
	h.Dequantize(v, 0, h.Out)
	var d, b, n float64
	for i, x := range w {
		e := float64(v[i]) - float64(x)
		d += e * e
		b += e * float64(x)
		n += float64(x) * float64(x)
	}
	return math.Sqrt(d / n), b / n
}

// TestCheck18OneRow: relF of one row is √λ, within 1 % at 2²⁰ weights for λ up
// to 16 (methods.md 6), and it is unbiased: Σ(ŵ−w)·w/Σw² has mean 0 and, over N
// terms of variance λ/N each, a standard deviation of √(λ/N).
func TestCheck18OneRow(t *testing.T) {
	const side = 1024
	w := normal(side*side, 1)
	for _, lambda := range []float64{1, 2, 4, 8, 16} {
		f := Form(Options{Bits: 16 / lambda, Rows: 1}, side, side)
		got, bias := relFBias(w, sketch(t, w, side, side, f))
		if want := math.Sqrt(lambda); !(math.Abs(got/want-1) <= 0.01) {
			t.Errorf("λ = %v: relF %.4f, want %.4f", lambda, got, want)
		}
		if sd := math.Sqrt(lambda) / side; !(math.Abs(bias) <= 4*sd) {
			t.Errorf("λ = %v: bias %.5f, want 0 ± %.5f", lambda, bias, 4*sd)
		}
	}
}

// TestMedian: at many weights per cell the error of a row is normal, and the
// median of 3 or 5 normal values has 0.4487 or 0.2868 of their variance (Harter,
// Biometrika 1961): less than one row, but more than the third and fifth of one
// row of all the cells. The mean square error over m cells has a relative
// standard deviation of √(2/m), its root half of that.
func TestMedian(t *testing.T) {
	const side, m = 512, 512 * 512 / 48
	w := normal(side*side, 1)
	one, _ := relFBias(w, sketch(t, w, side, side, Form(Options{Bits: 1, Rows: 1, Cells: m}, side, side)))
	for rows, variance := range map[int]float64{3: 0.4487, 5: 0.2868} {
		got, _ := relFBias(w, sketch(t, w, side, side, Form(Options{Bits: 1, Rows: rows, Cells: m}, side, side)))
		if tol := 4 * math.Sqrt(2./m); !(math.Abs(got/one/math.Sqrt(variance)-1) <= tol) {
			t.Errorf("%d rows: relF %.3f of that of one, want %.3f ± %.1f %%", rows, got/one, math.Sqrt(variance), 100*tol)
		}
	}
}

// TestShrink: divided by its loads, one row is HashedNets, to the byte.
func TestShrink(t *testing.T) {
	const out, in = 64, 200
	w := normal(out*in, 2)
	got := sketch(t, w, out, in, Form(Options{Bits: 1, Rows: 1, Shrink: true}, out, in))
	want := sketch(t, w, out, in, hashednets.Form(hashednets.Options{Bits: 1}, out, in))
	for i, p := range want.Parts() {
		if !bytes.Equal(p.Data, got.Parts()[i].Data) {
			t.Errorf("%s differ", p.Name)
		}
	}
}

// TestCheck tells all faults at once.
func TestCheck(t *testing.T) {
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
	got := fmt.Sprint(Options{Bits: 100, Rows: 2, Cells: -1}.Check())
	if want := "[rows: 2, want one of 1, 3, 5 bits: 100, want above 0 and at most 32 cells: -1, want at least 1, or 0 for as many as bits leave]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
