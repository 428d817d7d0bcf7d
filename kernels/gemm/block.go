package gemm

// A product is one call of Gemm or SyrkLower: C = alpha·A·Bᵀ + beta·C, A m×k
// and B n×k in the sense of view.
type product struct {
	m, n, k     int
	a, b        view
	c           []float32
	ldc         int
	alpha, beta float32
	lower       bool // only i ≥ j of C; m == n
}

// fewRows is the size of A or B in rows up to which packing the other matrix
// costs more than it gains: each packed value would take part in so few
// products.
const fewRows = 6

// multiply chooses the way to compute p and shares it among threads.
//
// The work is cut into rectangles of C. Each element of C is computed inside
// one rectangle, by sums over fixed blocks of k in rising order, with the same
// operations wherever it lies in its tile; so neither the cut nor the number
// of threads can change a bit of the result.
func (c Config) multiply(p *product) {
	kn, err := c.kernel()
	if err != nil {
		panic(err)
	}
	if p.k == 0 || p.alpha == 0 {
		p.scale()
		return
	}
	if !p.a.transposed && !p.b.transposed && !p.lower && min(p.m, p.n) <= fewRows {
		c.multiplyFew(kn, p)
		return
	}
	tasks := p.cut(kn, c.threads())
	c.Parallel(len(tasks), func(i int) {
		ws := workspaces.Get().(*workspace)
		p.compute(kn, ws, tasks[i])
		workspaces.Put(ws)
	})
}

// scale computes C = beta·C.
func (p *product) scale() {
	for i := range p.m {
		n := p.n
		if p.lower {
			n = i + 1
		}
		row := p.c[i*p.ldc : i*p.ldc+n]
		if p.beta == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= p.beta
		}
	}
}

// A rect is the part [i0,i1)×[j0,j1) of C.
type rect struct{ i0, i1, j0, j1 int }

// minTask is the number of multiply-adds below which a second goroutine
// costs more than it brings: some tens of microseconds of work.
const minTask = 1 << 20

// cut divides C into rectangles whose corners are multiples of the tile, two
// or more for each thread if the product is large enough. For a triangle, the
// rectangles wholly above the diagonal are left out, and larger ones come
// first.
func (p *product) cut(kn *kernel, threads int) []rect {
	want := 1
	if threads > 1 {
		work := float64(p.m) * float64(p.n) * float64(p.k)
		want = int(min(2*float64(threads), work/minTask))
	}
	if p.lower {
		want = 2 * max(want, 4) // half of them lie above the diagonal
	}
	// Halve the longer side, counted in tiles, until there are enough.
	rows, cols := 1, 1
	for rows*cols < want {
		h, w := float64(p.m)/float64(rows), float64(p.n)/float64(cols)
		switch {
		case w >= h && p.n > 2*kn.nr*cols:
			cols *= 2
		case p.m > 2*kn.mr*rows:
			rows *= 2
		case p.n > 2*kn.nr*cols:
			cols *= 2
		default:
			want = 0
		}
	}
	dm := ceilTo(ceilDiv(p.m, rows), kn.mr)
	dn := ceilTo(ceilDiv(p.n, cols), kn.nr)
	var tasks []rect
	for i := 0; i < p.m; i += dm {
		for j := 0; j < p.n; j += dn {
			r := rect{i, min(i+dm, p.m), j, min(j+dn, p.n)}
			if p.lower && r.j0 > r.i1-1 {
				continue
			}
			tasks = append(tasks, r)
		}
	}
	return tasks
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
func ceilTo(a, b int) int  { return ceilDiv(a, b) * b }

// compute computes the part r of C.
func (p *product) compute(kn *kernel, ws *workspace, r rect) {
	kc := min(kn.kc, p.k)
	ws.a = grow(ws.a, ceilTo(min(kn.mc, r.i1-r.i0), kn.mr)*kc)
	ws.b = grow(ws.b, ceilTo(min(kn.nc, r.j1-r.j0), kn.nr)*kc)
	for j0 := r.j0; j0 < r.j1; j0 += kn.nc {
		j1 := min(j0+kn.nc, r.j1)
		for p0 := 0; p0 < p.k; p0 += kn.kc {
			k := min(kn.kc, p.k-p0)
			beta := p.beta
			if p0 > 0 {
				beta = 1
			}
			kn.pack(ws.b, p.b, j0, j1-j0, p0, k, kn.nr)
			for i0 := r.i0; i0 < r.i1; i0 += kn.mc {
				i1 := min(i0+kn.mc, r.i1)
				if p.lower && j0 > i1-1 {
					continue
				}
				kn.pack(ws.a, p.a, i0, i1-i0, p0, k, kn.mr)
				p.block(kn, ws, rect{i0, i1, j0, j1}, k, beta)
			}
		}
	}
}

// block multiplies the packed block of A by the packed block of B into the
// part r of C, k terms deep.
func (p *product) block(kn *kernel, ws *workspace, r rect, k int, beta float32) {
	for j := r.j0; j < r.j1; j += kn.nr {
		b := &ws.b[(j-r.j0)*k]
		w := min(kn.nr, r.j1-j)
		for i := r.i0; i < r.i1; i += kn.mr {
			a := &ws.a[(i-r.i0)*k]
			h := min(kn.mr, r.i1-i)
			crossing := p.lower && j+w-1 > i
			switch {
			case p.lower && j > i+h-1: // above the diagonal
			case h < kn.mr || w < kn.nr || crossing:
				p.edge(kn, ws, rect{i, i + h, j, j + w}, k, a, b, beta)
			default:
				kn.tile(k, a, b, &p.c[i*p.ldc+j], p.ldc, p.alpha, beta)
			}
		}
	}
}

// edge computes the part r of C, at most a tile, through a copy, so that
// nothing outside C or above the diagonal of a triangle is touched.
func (p *product) edge(kn *kernel, ws *workspace, r rect, k int, a, b *float32, beta float32) {
	t := ws.tile[:kn.mr*kn.nr]
	row := func(i int) (c, t []float32) {
		w := r.j1 - r.j0
		if p.lower {
			w = min(w, i+1-r.j0)
		}
		if w <= 0 {
			return nil, nil
		}
		o := (i - r.i0) * kn.nr
		return p.c[i*p.ldc+r.j0:][:w], ws.tile[o : o+w]
	}
	if beta != 0 {
		clear(t)
		for i := r.i0; i < r.i1; i++ {
			c, t := row(i)
			copy(t, c)
		}
	}
	kn.tile(k, a, b, &t[0], kn.nr, p.alpha, beta)
	for i := r.i0; i < r.i1; i++ {
		c, t := row(i)
		copy(c, t)
	}
}
