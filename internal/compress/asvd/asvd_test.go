package asvd

import (
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestReference holds the unrounded factors at α = 0.5 to numpy's in float64,
// within 10⁻⁶: these are not the errors that are least, so they may also be
// below. The copied H is rounded to float32, by 2⁻²⁴ of the outputs' square.
func TestReference(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		quanttest.LowRanks(t, s, "asvd_alpha_0.5", func(t *testing.T, m *quanttest.Matrix, rank int, want quanttest.LowRank) {
			d, err := decompose(gemm.Config{}, m.W, m.Out, m.In, m.MeanAbs, rank, DefaultOptions(), 0)
			if err != nil {
				t.Fatal(err)
			}
			what := quanttest.Product(d, m.Out, m.In)
			if got := m.RelativeFrobenius(what); !quanttest.Close(got, want.RelF, 1e-6) {
				t.Errorf("relF %.10g, want %.10g", got, want.RelF)
			}
			if got := m.OutputError(what); !quanttest.Close(got, want.OutputError, 1e-6) {
				t.Errorf("output error %.10g, want %.10g", got, want.OutputError)
			}
		})
	})
}

// TestPlain: α = 0 scales all channels alike, and the result is svd's but for
// rounding.
func TestPlain(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Gauss)
	o := DefaultOptions()
	o.Alpha = 0
	d, err := decompose(gemm.Config{}, m.W, m.Out, m.In, m.MeanAbs, 12, o, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := svd.Decompose(gemm.Config{}, m.W, m.Out, m.In, 12, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, want := m.RelativeFrobenius(quanttest.Product(d, m.Out, m.In)), m.RelativeFrobenius(quanttest.Product(plain, m.Out, m.In))
	if !quanttest.Close(got, want, 1e-6) {
		t.Errorf("relF %v, svd has %v", got, want)
	}
}

func TestCheck(t *testing.T) {
	if errs := DefaultOptions().Check(); errs != nil {
		t.Error(errs)
	}
	errs := Options{Bits: 17, Rank: -1, Ranks: "x", Alpha: -1}.Check()
	want := []string{"bits: 17, want above 0 and at most 16", "rank: -1, want at least 1", `ranks: "x", want one of uniform, waterfill`, "alpha: -1, want 0 to 2"}
	if len(errs) != len(want) {
		t.Fatalf("%v, want %q", errs, want)
	}
	for i, w := range want {
		if !strings.HasPrefix(errs[i].Error(), w) {
			t.Errorf("%v, want %s", errs[i], w)
		}
	}
}
