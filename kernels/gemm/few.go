package gemm

// multiplyFew computes p, of which A or B has few rows and neither is
// transposed, as dot products of rows, without packing: the larger matrix is
// read once from memory, as in a matrix–vector product. The sum over k is made
// in one go, in the order of kernel.dots.
func (c Config) multiplyFew(kn *kernel, p *product) {
	// x has the few rows; C(i,j) for row i of x and row j of y lies at
	// i*si+j*sj.
	x, y, nx, ny, si, sj := p.a, p.b, p.m, p.n, p.ldc, 1
	if p.n < p.m {
		x, y, nx, ny, si, sj = p.b, p.a, p.n, p.m, 1, p.ldc
	}
	tasks := 1
	if t := c.threads(); t > 1 {
		tasks = max(1, min(4*t, int(float64(ny)*float64(p.k)/minFewTask)))
	}
	step := ceilTo(ceilDiv(ny, tasks), dotRows)
	c.Parallel(ceilDiv(ny, step), func(t int) {
		var sums [dotRows]float32
		for j := t * step; j < min((t+1)*step, ny); j += dotRows {
			for i := range nx {
				kn.dotRow(&sums, x.data[i*x.ld:], y, j, min(dotRows, ny-j), p.k)
				for d := range min(dotRows, ny-j) {
					p.update(i*si+(j+d)*sj, sums[d])
				}
			}
		}
	})
}

// minFewTask is the number of values of the larger matrix below which a second
// goroutine costs more than it brings.
const minFewTask = 1 << 17

// dotRow sets sums[d] to the dot product of x and row j+d of y, for d < n ≤
// dotRows, with the same order of summation for every n.
func (kn *kernel) dotRow(sums *[dotRows]float32, x []float32, y view, j, n, k int) {
	if n == dotRows {
		kn.dots(k, &x[0], &y.data[j*y.ld], y.ld, sums)
		return
	}
	for d := range n {
		var same [dotRows]float32
		kn.dots(k, &x[0], &y.data[(j+d)*y.ld], 0, &same)
		sums[d] = same[0]
	}
}

// update sets C[at] = alpha·sum + beta·C[at].
func (p *product) update(at int, sum float32) {
	v := float32(p.alpha * sum)
	if p.beta != 0 {
		v += float32(p.beta * p.c[at])
	}
	p.c[at] = v
}
