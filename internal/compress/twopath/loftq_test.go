package twopath

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/nf4"
	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// rounds is what the reference has of one case.
type rounds struct {
	EF      []float64 `json:"e_F_after_round"`
	EFAlone []float64 `json:"e_F_of_Q_alone_after_round"`
	EH      []float64 `json:"e_H_after_round"`
}

func unpack(p *packed.Levels) []uint8 {
	codes, rb := make([]uint8, p.Out*p.In), packed.RowBytes(p.In, p.Bits)
	for r := range p.Out {
		packed.UnpackRow(codes[r*p.In:(r+1)*p.In], p.Codes[r*rb:(r+1)*rb], p.In, p.Bits)
	}
	return codes
}

// parts returns Q, and Q + L·R with L·R in float64.
func parts(p *packed.Levels, path linalg.SVD) (q, both []float64) {
	narrow := make([]float32, p.Out*p.In)
	p.Dequantize(narrow, 0, p.Out)
	q, both = quanttest.Widen(narrow), quanttest.Product(path, p.Out, p.In)
	for i, x := range q {
		both[i] += x
	}
	return q, both
}

// TestReference compares with rounds in float64 with LAPACK's decomposition:
// errors within 10⁻⁶ and codes. From the second round on a code may differ where
// float32 carries W − L·R over the middle between two levels. It errs by some
// 10⁻⁷ of a weight, and middles are a tenth of the largest weight apart or more:
// that is one weight in 10⁶ and round, so two in 49,152 hardly ever.
func TestReference(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[rounds](t, s, "loftq")
		for _, name := range names {
			m, want := s.Matrix(t, name), results[name]
			o := DefaultLoftQ()
			o.Rank = 8
			if strings.Contains(name, ".nf2.") {
				o.Bits = 2
			}
			for _, o.Rounds = range []int{1, 2, 3, 4, 5} {
				base, path, errs, err := alternate(gemm.Config{}, m.W, m.Out, m.In, o, 0)
				if err != nil {
					t.Fatal(err)
				}
				last := o.Rounds - 1
				q, both := parts(base, path)
				for what, e := range map[string][2]float64{
					"e_F": {m.RelativeFrobenius(both), want.EF[last]}, "e_F noted": {errs[last], want.EF[last]},
					"e_F of Q": {m.RelativeFrobenius(q), want.EFAlone[last]}, "e_H": {m.Weighted(both), want.EH[last]},
				} {
					if !quanttest.Close(e[0], e[1], 1e-6) {
						t.Errorf("%s round %d: %s %.10g, want %.10g", name, o.Rounds, what, e[0], e[1])
					}
				}
				if o.Rounds != 1 && o.Rounds != 5 {
					continue
				}
				codes := s.Codes(t, "loftq", fmt.Sprintf("%s.codes%d", name, o.Rounds))
				differ := 0
				for i, c := range unpack(base) {
					if c != codes[i] {
						differ++
					}
				}
				if differ > (o.Rounds-1)*2 {
					t.Errorf("%s round %d: %d codes differ", name, o.Rounds, differ)
				}
			}
		}
	})
}

// TestSpectrum: a path of full rank makes up for all of W − Q, whose singular
// values are the reference's.
func TestSpectrum(t *testing.T) {
	s := quanttest.Copied(t)
	for _, name := range []string{"heavy.nf2.r8", "gauss.nf4.r8"} {
		m := s.Matrix(t, name)
		o := DefaultLoftQ()
		o.Bits, o.Rank = int(strings.Split(name, ".")[1][2]-'0'), min(m.Out, m.In)
		_, path, _, err := alternate(gemm.Config{}, m.W, m.Out, m.In, o, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := s.Values(t, "loftq", name+".residual_singular_values1")
		for i, sigma := range path.S {
			if !(math.Abs(sigma-want[i]) <= 1e-6*want[0]) { // below that S is 0
				t.Errorf("%s: σ[%d] = %.10g, want %.10g", name, i, sigma, want[i])
			}
		}
	}
}

// TestRounds, by their definition: the base of one round is nf4's of W; the
// path is svd's of what the base leaves, rounded alike; in the second round the
// base is nf4's of W less the path.
func TestRounds(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Gauss)
	o := DefaultLoftQ()
	o.Bits, o.Rank, o.DoubleQuant = 3, 6, true
	sum, errs, err := LoftQ(gemm.Config{}, m.W, m.Out, m.In, o, 0)
	if err != nil {
		t.Fatal(err)
	}
	base, err := nf4.Compress(gemm.Config{}, m.W, m.Out, m.In, nf4.Options{Bits: 3, Block: 64, DoubleQuant: true})
	if err != nil {
		t.Fatal(err)
	}
	left := make([]float32, len(m.W))
	base.Dequantize(left, 0, m.Out)
	for i, w := range m.W {
		left[i] = w - left[i]
	}
	path, _, err := svd.Compress(gemm.Config{}, left, m.Out, m.In, 6, 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, sum, base, path)
	if len(errs) != 1 {
		t.Errorf("%d errors of one round", len(errs))
	}
	o.Rounds = 2
	_, first, _, err := alternate(gemm.Config{}, m.W, m.Out, m.In, LoftQOptions{Bits: 3, Rank: 6, Rounds: 1, Block: 64, DoubleQuant: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	low := make([]float32, len(m.W))
	multiply(gemm.Config{}, low, first, m.Out, m.In)
	for i, w := range m.W {
		low[i] = w - low[i]
	}
	if base, err = nf4.Compress(gemm.Config{}, low, m.Out, m.In, o.base()); err != nil {
		t.Fatal(err)
	}
	sum, errs, err = LoftQ(gemm.Config{}, m.W, m.Out, m.In, o, 0)
	if err != nil || len(errs) != 2 {
		t.Fatal(errs, err)
	}
	same(t, sum, base, nil)
}

// same compares the terms of a sum with others part by part; nil is not
// compared.
func same(t *testing.T, sum *packed.Sum, terms ...packed.Weight) {
	t.Helper()
	if err := sum.Check(); err != nil {
		t.Error(err)
	}
	for i, want := range terms {
		if want == nil {
			continue
		}
		got, parts := sum.Terms[i].Parts(), want.Parts()
		if len(got) != len(parts) {
			t.Fatalf("term %d: %d parts, want %d", i, len(got), len(parts))
		}
		for j, p := range parts {
			if got[j].Name != p.Name || !bytes.Equal(got[j].Data, p.Data) {
				t.Errorf("term %d: part %s differs", i, p.Name)
			}
		}
	}
}
