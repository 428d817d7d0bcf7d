package kerneltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/kernels"
)

// RMSNorm checks t×d rows, in place too. A float32 sum of d squares has the
// relative error γ_{d+1}, of which the root halves; division, root, eps and
// the two products add at most 6 roundings.
func RMSNorm(t *testing.T, d kernels.Device) {
	const eps = 1e-5
	for _, s := range [][2]int{{1, 1}, {1, 7}, {3, 64}, {9, 136}, {70, 1001}} {
		t.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(t *testing.T) {
			n, width := s[0], s[1]
			rnd := rand.New(rand.NewPCG(7, uint64(width)))
			x, gain := normal(rnd, n*width), normal(rnd, width)
			want, bound := make([]float64, n*width), make([]float64, n*width)
			for i := range n {
				var sum float64
				for _, v := range x[i*width : (i+1)*width] {
					sum += float64(v) * float64(v)
				}
				inv := 1 / math.Sqrt(sum/float64(width)+float64(float32(eps)))
				for j := range width {
					k := i*width + j
					want[k] = float64(x[k]) * inv * float64(gain[j])
					bound[k] = gamma(width+7) * math.Abs(want[k])
				}
			}
			bx, bg, by := guard(t, d, "x", x), guard(t, d, "gain", gain), output(t, d, "y", n*width)
			d.RMSNorm(by.v, bx.v, bg.v, n, eps)
			within(t, by.values(t), want, bound)
			bx.unchanged(t)
			d.RMSNorm(bx.v, bx.v, bg.v, n, eps)
			within(t, bx.values(t), want, bound)
			bg.unchanged(t)
		})
	}
}

// RoPE checks rotations against a float64 evaluation. Sine and cosine rounded
// to float32, the product and the sum make 3 roundings per term; the angle,
// exact to 2^-52 of itself or better, moves the result by that times the
// length of the pair.
func RoPE(t *testing.T, d kernels.Device) {
	for _, s := range []struct{ t, heads, dim, pos int }{
		{1, 1, 2, 0}, {1, 3, 6, 5}, {4, 2, 64, 0}, {9, 4, 8, 1000}, {33, 5, 48, 131000},
	} {
		t.Run(fmt.Sprintf("t=%d/heads=%d/dim=%d/pos=%d", s.t, s.heads, s.dim, s.pos), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(8, uint64(s.dim)))
			half, width := s.dim/2, s.heads*s.dim
			freq := make([]float64, half)
			for j := range freq {
				freq[j] = math.Pow(10000, -2*float64(j)/float64(s.dim))
			}
			x := normal(rnd, s.t*width)
			want, bound := make([]float64, len(x)), make([]float64, len(x))
			for i := range s.t {
				for h := range s.heads {
					for j := range half {
						angle := float64(s.pos+i) * freq[j]
						sin, cos := math.Sincos(angle)
						ka := i*width + h*s.dim + j
						kb := ka + half
						a, b := float64(x[ka]), float64(x[kb])
						want[ka], want[kb] = a*cos-b*sin, b*cos+a*sin
						e := (gamma(3) + 0x1p-52*angle) * (math.Abs(a) + math.Abs(b))
						bound[ka], bound[kb] = e, e
					}
				}
			}
			bx := guard(t, d, "x", x)
			d.RoPE(bx.v, s.t, s.heads, s.dim, s.pos, freq)
			within(t, bx.values(t), want, bound)
		})
	}
}

// SwiGLU checks gates over the whole range of the exponential, with every
// aliasing that is allowed. An exponential good to 2 ulp (4u), the sum, the
// division and the product make 7u. Below -88, where e^-z passes the largest
// float32, the true value is under 88·e^-88 < 1e-36 and may read as zero.
func SwiGLU(t *testing.T, d kernels.Device) {
	for _, n := range []int{1, 7, 64, 136, 9001} {
		rnd := rand.New(rand.NewPCG(9, uint64(n)))
		gate, up := normal(rnd, n), normal(rnd, n)
		for i := range gate {
			gate[i] *= float32(math.Ldexp(1, rnd.IntN(16)-8))
		}
		gate[0] = -200
		want, bound := make([]float64, n), make([]float64, n)
		for i := range want {
			z := float64(gate[i])
			want[i] = z / (1 + math.Exp(-z)) * float64(up[i])
			bound[i] = gamma(7)*math.Abs(want[i]) + 1e-36*math.Abs(float64(up[i])) + math.SmallestNonzeroFloat32
		}
		bg, bu, by := guard(t, d, "gate", gate), guard(t, d, "up", up), output(t, d, "y", n)
		d.SwiGLU(by.v, bg.v, bu.v, n)
		within(t, by.values(t), want, bound)
		bg.unchanged(t)
		bu.unchanged(t)
		d.SwiGLU(bg.v, bg.v, bu.v, n)
		within(t, bg.values(t), want, bound)
		bg = guard(t, d, "gate", gate)
		d.SwiGLU(bu.v, bg.v, bu.v, n)
		within(t, bu.values(t), want, bound)
	}
}

// Add checks sums, which have one rounding and so one right value.
func Add(t *testing.T, d kernels.Device) {
	for _, n := range []int{1, 7, 64, 136, 70001} {
		rnd := rand.New(rand.NewPCG(10, uint64(n)))
		x, y := normal(rnd, n), normal(rnd, n)
		bx, by := guard(t, d, "x", x), guard(t, d, "y", y)
		d.Add(by.v, bx.v, n-1)
		bx.unchanged(t)
		for i, g := range by.values(t) {
			want := y[i] + x[i]
			if i == n-1 {
				want = y[i] // past the n-1 values asked for
			}
			if g != want {
				t.Fatalf("n=%d: y[%d] = %v, want %v", n, i, g, want)
			}
		}
	}
}

// Gram checks H + XᵀX: t terms and one more addition, both triangles equal.
func Gram(t *testing.T, d kernels.Device) {
	for _, s := range [][2]int{{1, 1}, {5, 7}, {33, 64}, {9, 136}, {130, 172}} {
		t.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(t *testing.T) {
			n, width := s[0], s[1]
			rnd := rand.New(rand.NewPCG(11, uint64(width)))
			x, h := normal(rnd, n*width), normal(rnd, width*width)
			for i := range width {
				for j := range i {
					h[j*width+i] = h[i*width+j]
				}
			}
			want, bound := float64s(h), abs(h)
			for i := range width {
				for j := range width {
					k := i*width + j
					for r := range n {
						p := float64(x[r*width+i]) * float64(x[r*width+j])
						want[k] += p
						bound[k] += math.Abs(p)
					}
					bound[k] *= dotBound(n + 1)
				}
			}
			bx, bh := guard(t, d, "x", x), guard(t, d, "h", h)
			d.Gram(bh.v, bx.v, n, width)
			bx.unchanged(t)
			got := bh.values(t)
			within(t, got, want, bound)
			for i := range width {
				for j := range i {
					if got[i*width+j] != got[j*width+i] {
						t.Fatalf("h[%d,%d] = %v but h[%d,%d] = %v", i, j, got[i*width+j], j, i, got[j*width+i])
					}
				}
			}
		})
	}
}
