package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// eachISA runs f under every instruction set. One that the machine lacks is
// skipped, but is an error where SKETCHBENCH_REQUIRE_ISA names it.
func eachISA(t *testing.T, f func(t *testing.T, isa ISA)) {
	for _, isa := range []ISA{Generic, AVX2, AVX512} {
		t.Run(string(isa), func(t *testing.T) {
			if !slices.Contains(Available(), isa) {
				if os.Getenv("SKETCHBENCH_REQUIRE_ISA") == string(isa) {
					t.Fatalf("no %s here, have %v", isa, Available())
				}
				t.Skipf("no %s here", isa)
			}
			f(t, isa)
		})
	}
}

// guard is a NaN that no kernel makes: a written guard word shows.
var guard = math.Float32frombits(0x7fc5a5a5)

// A matrix is a stored matrix with padding after each row and guard words
// before and behind, all NaN.
type matrix struct {
	memory         []float32
	rows, cols, ld int
}

const margin = 64

func newMatrix(rows, cols, pad int) matrix {
	m := matrix{rows: rows, cols: cols, ld: max(cols+pad, 1)}
	m.memory = make([]float32, 2*margin+rows*m.ld)
	for i := range m.memory {
		m.memory[i] = guard
	}
	return m
}

// size is the least number of values that a caller must pass: nothing behind
// the last row.
func (m matrix) size() int {
	if m.rows == 0 || m.cols == 0 {
		return 0
	}
	return (m.rows-1)*m.ld + m.cols
}

func (m matrix) data() []float32 {
	return m.memory[margin : margin+m.size() : margin+m.size()]
}

func (m matrix) row(i int) []float32 {
	return m.memory[margin+i*m.ld:][:m.cols]
}

func (m matrix) fill(r *rand.Rand) matrix {
	for i := range m.rows {
		for j := range m.row(i) {
			m.row(i)[j] = float32(r.NormFloat64())
		}
	}
	return m
}

func (m matrix) clone() matrix {
	m.memory = slices.Clone(m.memory)
	return m
}

// sameBits reports whether x and y are the same, NaN guard words included.
func sameBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y)
	})
}

// wide returns m, or its absolute values, in float64.
func (m matrix) wide(abs bool) blas64.General {
	g := blas64.General{Rows: m.rows, Cols: m.cols, Stride: max(m.cols, 1)}
	g.Data = make([]float64, m.rows*g.Stride)
	for i := range m.rows {
		for j, v := range m.row(i) {
			g.Data[i*g.Stride+j] = float64(v)
			if abs {
				g.Data[i*g.Stride+j] = math.Abs(float64(v))
			}
		}
	}
	return g
}

// A problem is one call of Gemm, or of SyrkLower where b is a.
type problem struct {
	ta, tb      bool
	m, n, k     int
	alpha, beta float32
	syrk        bool
	a, b, c     matrix
}

func (p problem) String() string {
	if p.syrk {
		return fmt.Sprintf("syrk/ta=%t/n=%d,k=%d/alpha=%g,beta=%g", p.ta, p.n, p.k, p.alpha, p.beta)
	}
	return fmt.Sprintf("ta=%t,tb=%t/m=%d,n=%d,k=%d/alpha=%g,beta=%g", p.ta, p.tb, p.m, p.n, p.k, p.alpha, p.beta)
}

// fill makes the matrices of p, with pad unused values after each row. C is
// NaN if beta is 0.
func (p problem) fill(r *rand.Rand, pad int) problem {
	stored := func(t bool, rows, cols int) matrix {
		if t {
			rows, cols = cols, rows
		}
		return newMatrix(rows, cols, pad).fill(r)
	}
	p.a = stored(p.ta, p.m, p.k)
	p.c = newMatrix(p.m, p.n, 2*pad)
	if p.beta != 0 {
		p.c.fill(r)
	}
	p.b = p.a
	if !p.syrk {
		p.b = stored(p.tb, p.k, p.n)
	}
	return p
}

// run computes p with cfg and returns C.
func (p problem) run(cfg Config) matrix {
	c := p.c.clone()
	if p.syrk {
		cfg.SyrkLower(p.ta, p.n, p.k, p.alpha, p.a.data(), p.a.ld, p.beta, c.data(), c.ld)
	} else {
		cfg.Gemm(p.ta, p.tb, p.m, p.n, p.k, p.alpha, p.a.data(), p.a.ld, p.b.data(), p.b.ld, p.beta, c.data(), c.ld)
	}
	return c
}

func transpose(t bool) blas.Transpose {
	if t {
		return blas.Trans
	}
	return blas.NoTrans
}

// want returns alpha·op(A)·op(B) + beta·C in float64 by gonum, or the same of
// absolute values.
func (p problem) want(abs bool) blas64.General {
	alpha, beta := float64(p.alpha), float64(p.beta)
	if abs {
		alpha, beta = math.Abs(alpha), math.Abs(beta)
	}
	c := p.c.wide(abs)
	if p.beta == 0 {
		clear(c.Data)
	}
	if p.m == 0 || p.n == 0 {
		return c
	}
	if p.k == 0 {
		for i := range c.Data {
			c.Data[i] *= beta
		}
		return c
	}
	tb := p.tb
	if p.syrk {
		tb = !p.ta
	}
	blas64.Gemm(transpose(p.ta), transpose(tb), alpha, p.a.wide(abs), p.b.wide(abs), beta, c)
	return c
}

// u is the unit roundoff of float32.
const u = 1.0 / (1 << 24)

// check compares c with gonum's product in float64.
//
// An element is a sum of k products, multiplied by alpha, plus beta·C; for
// each block of k the sum of the earlier blocks is added. A product thus goes
// through at most k+3 roundings (its own, k-1 additions in any order, the
// product with alpha, and one addition of beta·C or of the earlier blocks for
// each block, which replaces an addition inside); beta·C goes through at most
// ⌈k/kc⌉+1. So the error is at most γ_{k+3}·(|alpha|·|A||B| + |beta||C|), with
// γ_n = n·u/(1-n·u) (Higham, Accuracy and Stability of Numerical Algorithms,
// §3.1, §3.5).
//
// That bound is loose for large k, so the errors as a whole are also held
// against the one for independent roundings of mean zero, of which the sum
// grows like √k·u·|A||B| (Higham, §2.8); the root mean square of
// error/(|A||B|) stays below √(k+3)·u.
func (p problem) check(t *testing.T, c matrix) {
	t.Helper()
	want, bound := p.want(false), p.want(true)
	n := float64(p.k + 3)
	gamma := n * u / (1 - n*u)
	var sum float64
	count := 0
	for i := range p.m {
		for j, got := range c.row(i) {
			if p.syrk && j > i {
				break
			}
			at := i*want.Stride + j
			w, b := want.Data[at], bound.Data[at]
			e := math.Abs(float64(got) - w)
			if !(e <= gamma*b) {
				t.Fatalf("%v: C[%d,%d] = %g, want %g ± %g", p, i, j, got, w, gamma*b)
			}
			if b > 0 {
				sum += (e / b) * (e / b)
				count++
			}
		}
	}
	if rms := math.Sqrt(sum / float64(max(count, 1))); !(rms <= math.Sqrt(n)*u) {
		t.Errorf("%v: root mean square error %g·|A||B|, want at most %g", p, rms, math.Sqrt(n)*u)
	}
	p.checkUntouched(t, c)
}

// checkUntouched checks that nothing but C, or its lower triangle, changed.
func (p problem) checkUntouched(t *testing.T, c matrix) {
	t.Helper()
	c = c.clone()
	for i := range c.rows {
		w := c.cols
		if p.syrk {
			w = i + 1
		}
		copy(c.row(i)[:w], p.c.row(i))
	}
	if !sameBits(c.memory, p.c.memory) {
		t.Fatalf("%v: wrote outside C", p)
	}
}

// verify runs p and checks the result and that A and B did not change.
func (p problem) verify(t *testing.T, cfg Config) {
	t.Helper()
	a, b := p.a.clone(), p.b.clone()
	c := p.run(cfg)
	p.check(t, c)
	if !sameBits(a.memory, p.a.memory) || !sameBits(b.memory, p.b.memory) {
		t.Fatalf("%v: A or B changed", p)
	}
}

// sizes returns numbers of rows or columns around a tile side of r: below,
// at and above one tile and two.
func sizes(r int) []int {
	return []int{0, 1, 2, fewRows, fewRows + 1, r - 1, r, r + 1, 2*r - 1, 2*r + 1}
}

// scales are values of alpha and beta: beta 0, 1 and neither, alpha 0.
var scales = [][2]float32{{1, 0}, {1, 1}, {-0.5, 0.75}, {2, 0}, {0, 0}, {0, 2}}

func TestGemmTails(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		kn, _ := Config{ISA: isa}.kernel()
		r := rand.New(rand.NewPCG(1, 2))
		cfg := Config{ISA: isa, Threads: 1}
		i := 0
		for _, m := range sizes(kn.mr) {
			for _, n := range sizes(kn.nr) {
				for _, k := range []int{0, 1, 2, 3, 7, 8, 9, 33} {
					i++
					s := scales[i%len(scales)]
					p := problem{ta: i&1 != 0, tb: i&2 != 0, m: m, n: n, k: k, alpha: s[0], beta: s[1]}
					p.fill(r, i%3*5).verify(t, cfg)
				}
			}
		}
	})
}

func TestGemmBlocks(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		kn, _ := Config{ISA: isa}.kernel()
		r := rand.New(rand.NewPCG(3, 4))
		// Each size in turn crosses the block that bounds it.
		var shapes [][3]int
		for d := -1; d <= 1; d++ {
			shapes = append(shapes,
				[3]int{kn.mc + d, kn.nr + 3, 40},
				[3]int{kn.mr + 1, kn.nc + d, 20},
				[3]int{2*kn.mr + 1, 2*kn.nr + 1, kn.kc + d},
				[3]int{fewRows + 1, kn.nr, 2*kn.kc + d},
				[3]int{2, kn.nr + 1, 2*kn.kc + d},
			)
		}
		for i, s := range shapes {
			for v := range 4 {
				ab := scales[(i+v)%4]
				p := problem{ta: v&1 != 0, tb: v&2 != 0, m: s[0], n: s[1], k: s[2], alpha: ab[0], beta: ab[1]}
				p.fill(r, v%2*3).verify(t, Config{ISA: isa, Threads: 1 + v%2})
			}
		}
	})
}

func TestSyrkLower(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		kn, _ := Config{ISA: isa}.kernel()
		r := rand.New(rand.NewPCG(5, 6))
		i := 0
		for _, n := range append(sizes(kn.mr), sizes(kn.nr)...) {
			for _, k := range []int{0, 1, 2, 9, kn.kc + 1} {
				i++
				s := scales[i%len(scales)]
				p := problem{ta: i&1 != 0, syrk: true, m: n, n: n, k: k, alpha: s[0], beta: s[1]}
				p.fill(r, i%3*5).verify(t, Config{ISA: isa, Threads: 1 + i%3})
			}
		}
		p := problem{ta: true, syrk: true, m: 2*kn.mc + 3, n: 2*kn.mc + 3, k: 64, alpha: 1, beta: 1}
		p.fill(r, 1).verify(t, Config{ISA: isa, Threads: 2})
	})
}
