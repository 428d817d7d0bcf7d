package linalg

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// maxPasses bounds the passes of orthonormalize: two do, three after a badly
// conditioned start.
const maxPasses = 4

// orthonormalize returns an r×n matrix with the row space of the l×n matrix y,
// l ≤ n, and r. Rows are orthonormal up to the rounding of float32 unless
// passes cuts the work short; after one pass they are at least well
// conditioned. r < l if some combination of rows is 0 to working precision,
// 10⁻⁶ of the largest: such directions are dropped.
//
// A pass is CholeskyQR: with Y·Yᵀ = RᵀR in float64, Y becomes R⁻ᵀ·Y. It leaves
// a deviation from orthonormality of some u·κ(Y), so two passes, CholeskyQR2
// (Yamamoto et al., ETNA 44, 2015), end at u. Where Y·Yᵀ is singular or nearly
// so, R⁻¹ is replaced by W·Λ^-½ from the eigenvalues of Y·Yᵀ (SVQB,
// Stathopoulos and Wu, SIAM J. Sci. Comput. 23(6), 2002). A shifted Cholesky
// factor is the usual way out, but it keeps null directions as noise or zeros.
func orthonormalize(cfg gemm.Config, y []float32, l, n, passes int) ([]float32, int, error) {
	for range passes {
		g := gram(cfg, y, l, n)
		var deviation float64
		for i := range l {
			for j := range i {
				deviation = max(deviation, math.Abs(g.At(i, j)))
			}
			deviation = max(deviation, math.Abs(g.At(i, i)-1))
		}
		t, r, err := whitening(g, l)
		if err != nil {
			return nil, 0, err
		}
		q := make([]float32, r*n)
		cfg.Gemm(true, false, r, n, l, 1, t, r, y, n, 0, q, n)
		y, l = q, r
		// From well conditioned columns a pass reaches u.
		if deviation < 1e-3 {
			break
		}
	}
	return y, l, nil
}

// whitening returns an l×r matrix T with TᵀGT = I, and r.
func whitening(g *mat.SymDense, l int) ([]float32, int, error) {
	t := make([]float32, l*l)
	var c mat.Cholesky
	// Condition 10¹⁰ of G is 10⁵ of Y, which float32 still resolves.
	if c.Factorize(g) && c.Cond() < 1e10 {
		var u, inv mat.TriDense
		c.UTo(&u)
		if inv.InverseTri(&u) == nil {
			for i := range l {
				for j := i; j < l; j++ {
					t[i*l+j] = float32(inv.At(i, j))
				}
			}
			return t, l, nil
		}
	}
	values, vectors, err := eigen(g)
	if err != nil {
		return nil, 0, err
	}
	r := 0
	for r < l && values[l-1-r] > 1e-12*values[l-1] {
		r++
	}
	for i := range l {
		for j := range r {
			t[i*r+j] = float32(vectors.At(i, l-1-j) / math.Sqrt(values[l-1-j]))
		}
	}
	return t[:l*r], r, nil
}

// gram returns X·Xᵀ in float64 for the l×n matrix x. Columns are cut into a
// fixed number of strips, one to a goroutine, whose sums are added in order.
func gram(cfg gemm.Config, x []float32, l, n int) *mat.SymDense {
	const chunk = 256 // 72 rows of 256 float64 fit in the second cache
	// At most 16 strips and 32 MiB of sums.
	strips := min((n+chunk-1)/chunk, max(1, min(16, 1<<22/(l*l))))
	step := (n + strips - 1) / strips
	sums := make([][]float64, strips)
	cfg.Parallel(strips, func(s int) {
		sums[s] = make([]float64, l*l)
		buf := make([]float64, l*chunk)
		for p0 := s * step; p0 < min((s+1)*step, n); p0 += chunk {
			p1 := min(p0+chunk, min((s+1)*step, n))
			for i := range l {
				row := buf[i*(p1-p0) : (i+1)*(p1-p0)]
				for p, v := range x[i*n+p0 : i*n+p1] {
					row[p] = float64(v)
				}
			}
			addGram(sums[s], buf, l, p1-p0)
		}
	})
	total := sums[0]
	for _, s := range sums[1:] {
		for i, v := range s {
			total[i] += v
		}
	}
	// addGram fills the lower triangle, SymDense reads the upper one.
	for i := range l {
		for j := range i {
			total[j*l+i] = total[i*l+j]
		}
	}
	return mat.NewSymDense(l, total)
}

// addGram adds X·Xᵀ to the lower triangle of the l×l matrix g for the l×w
// matrix x, two by two rows at a time.
func addGram(g, x []float64, l, w int) {
	for i := 0; i < l; i += 2 {
		i1 := min(i+1, l-1)
		a, b := x[i*w:(i+1)*w], x[i1*w:(i1+1)*w]
		for j := 0; j <= i; j += 2 {
			j1 := min(j+1, l-1)
			c, d := x[j*w:(j+1)*w], x[j1*w:(j1+1)*w]
			ac, ad, bc, bd := dot4(a, b, c, d)
			g[i*l+j] += ac
			if i1 > i {
				g[i1*l+j] += bc
			}
			if j1 > j && j1 <= i {
				g[i*l+j1] += ad
			}
			if i1 > i && j1 > j {
				g[i1*l+j1] += bd
			}
		}
	}
}

// dot4 returns a·c, a·d, b·c and b·d for vectors of one length.
func dot4(a, b, c, d []float64) (ac, ad, bc, bd float64) {
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	for p, x := range a {
		y, z, v := b[p], c[p], d[p]
		ac += x * z
		ad += x * v
		bc += y * z
		bd += y * v
	}
	return ac, ad, bc, bd
}
