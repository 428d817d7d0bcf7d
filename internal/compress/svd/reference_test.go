package svd

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestReference holds the unrounded factors to LAPACK's in float64: an error
// within 10⁻⁶ of the optimum and never below. Nothing is random at these sizes;
// internal/linalg tests what is.
func TestReference(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		quanttest.LowRanks(t, s, "svd", func(t *testing.T, m *quanttest.Matrix, rank int, want quanttest.LowRank) {
			d, err := Decompose(gemm.Config{}, m.W, m.Out, m.In, rank, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := m.RelativeFrobenius(quanttest.Product(d, m.Out, m.In))
			if !(got >= want.RelF*(1-1e-7) && got <= want.RelF*(1+1e-6)) {
				t.Errorf("relF %.10g, want %.10g", got, want.RelF)
			}
		})
	})
}

// TestSpectrum: the singular values are LAPACK's.
func TestSpectrum(t *testing.T) {
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		for _, name := range []string{quanttest.Heavy, quanttest.Gauss} {
			m := s.Matrix(t, name)
			want, _ := s.Values(t, "svd", name+".singular_values")
			got, err := SpectrumOf(gemm.Config{}, m.W, m.Out, m.In, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Out != m.Out || got.In != m.In || len(got.Sigma) != len(want) {
				t.Fatalf("%s: %d values of a %d×%d matrix, want %d", name, len(got.Sigma), got.Out, got.In, len(want))
			}
			for i, v := range got.Sigma {
				// Squares are exact to 10⁻¹⁵ of the largest.
				if !(abs(v*v-want[i]*want[i]) <= 1e-13*want[0]*want[0]) {
					t.Errorf("%s: σ[%d] = %.12g, want %.12g", name, i, v, want[i])
				}
			}
		}
	})
}

func abs(x float64) float64 { return max(x, -x) }

// TestCheck12LowRankBits counts the bytes of packed factors: 16·r·(n+d)/(n·d)
// bits per weight, 0.5 at rank 64 of 4096×4096 (methods.md 6, checks 12, 20
// and 21).
func TestCheck12LowRankBits(t *testing.T) {
	for _, c := range []struct {
		out, in, rank int
		bits          float64
	}{{4096, 4096, 64, 0.5}, {172, 64, 8, 16 * 8 * 236. / (172 * 64)}, {1, 40, 1, 16 * 41. / 40}} {
		p := packed.LowRank{Out: c.out, In: c.in, Rank: c.rank, U: make([]uint16, c.out*c.rank), V: make([]uint16, c.rank*c.in)}
		var parts int64
		for _, part := range p.Parts() {
			parts += int64(len(part.Data))
		}
		if b := Bytes(c.rank, c.out, c.in); p.Bytes() != b || parts != b {
			t.Errorf("%d×%d rank %d: %d bytes in parts of %d, want %d", c.out, c.in, c.rank, p.Bytes(), parts, b)
		}
		if bits := 8 * float64(p.Bytes()) / float64(c.out*c.in); bits != c.bits {
			t.Errorf("%d×%d rank %d: %v bits, want %v", c.out, c.in, c.rank, bits, c.bits)
		}
		if r := Rank(c.bits, c.out, c.in); r != c.rank {
			t.Errorf("%d×%d: %v bits give rank %d, want %d", c.out, c.in, c.bits, r, c.rank)
		}
	}
}

// TestCheck20EqualTrainables: the 16-bit table entries of sketchtune, 2^b·n·g,
// are as many as the factors of rank round(2^b·n·g/(n+d)) have: 8 for n = d,
// b = 4, g = 1.
func TestCheck20EqualTrainables(t *testing.T) {
	for _, n := range []int{256, 2048, 4096} {
		if r := RankForBytes(int64(2*16*n), n, n); r != 8 {
			t.Errorf("n = %d: rank %d, want 8", n, r)
		}
	}
}
