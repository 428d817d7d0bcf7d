package cpu

import (
	"math"

	"github.com/sketchbench/sketchbench/kernels"
)

// heads is the geometry of a call of Attention: t queries at positions pos and
// up, n query heads that share kv key-value heads, of dim values each.
type heads struct {
	t, pos, n, kv, dim int
}

// Attention computes causal softmax attention for t queries at positions
// pos..pos+t-1. Q and Y are t×heads×headDim; K and V hold positions
// 0..pos+t-1 as rows of kvHeads×headDim. Query head h reads key-value head
// h/(heads/kvHeads). Scores are scaled by 1/√headDim.
func (d *Device) Attention(y, q, k, v kernels.Buffer, t, pos, nHeads, kvHeads, headDim int) {
	if nHeads%kvHeads != 0 {
		panic("cpu: Attention: heads is not a multiple of kvHeads")
	}
	g := heads{t: t, pos: pos, n: nHeads, kv: kvHeads, dim: headDim}
	ys, qs := first(y, t*nHeads*headDim), first(q, t*nHeads*headDim)
	ks, vs := first(k, (pos+t)*kvHeads*headDim), first(v, (pos+t)*kvHeads*headDim)
	work := 2 * t * (pos + t) * nHeads * headDim
	if t <= maxVectors {
		d.parallel(nHeads, 1, work, func(h0, h1 int) {
			for h := h0; h < h1; h++ {
				for i := range t {
					d.attendOne(g, ys, qs, ks, vs, h, i)
				}
			}
		})
		return
	}
	tiles := (t + queryTile - 1) / queryTile
	d.parallel(nHeads*tiles, 1, work, func(j0, j1 int) {
		for j := j0; j < j1; j++ {
			i := j % tiles * queryTile
			d.attendTile(g, ys, qs, ks, vs, j/tiles, i, min(i+queryTile, t))
		}
	})
}

// attendOne computes head h of query i with dot products.
func (d *Device) attendOne(g heads, y, q, k, v []float32, h, i int) {
	n := g.pos + i + 1
	s := scratch(n)
	defer release(s)
	p := *s
	at := (i*g.n + h) * g.dim
	query, out := q[at:at+g.dim], y[at:at+g.dim]
	kvWidth, kvAt := g.kv*g.dim, h/(g.n/g.kv)*g.dim
	root := float32(1 / math.Sqrt(float64(g.dim)))
	for j := range p {
		key := k[j*kvWidth+kvAt:]
		p[j] = d.leaf.dot(query, key[:g.dim]) * root
	}
	inv := d.exponentials(p)
	clear(out)
	for j, a := range p {
		value := v[j*kvWidth+kvAt:]
		d.leaf.axpy(out, a, value[:g.dim])
	}
	scale(out, inv)
}

// queryTile is the number of queries whose scores attendTile holds at a time.
const queryTile = 64

// attendTile computes head h of queries [i0,i1) with two products: scores
// S = Q·Kᵀ/√headDim over the positions that the last query sees, exponentials
// of each row over those that its query sees, zero for the others, and
// Y = S·V, each row divided by the sum of its exponentials.
func (d *Device) attendTile(g heads, y, q, k, v []float32, h, i0, i1 int) {
	m, n := i1-i0, g.pos+i1
	s := scratch(m * n)
	defer release(s)
	width, at := g.n*g.dim, (i0*g.n+h)*g.dim
	kvWidth, kvAt := g.kv*g.dim, h/(g.n/g.kv)*g.dim
	root := float32(1 / math.Sqrt(float64(g.dim)))
	d.one.Gemm(false, true, m, n, g.dim, root, q[at:], width, k[kvAt:], kvWidth, 0, *s, n)
	var inv [queryTile]float32
	for i := range m {
		row := (*s)[i*n : (i+1)*n]
		seen := g.pos + i0 + i + 1
		inv[i] = d.exponentials(row[:seen])
		clear(row[seen:])
	}
	d.one.Gemm(false, false, m, g.dim, n, 1, *s, n, v[kvAt:], kvWidth, 0, y[at:], width)
	for i := range m {
		row := y[at+i*width:][:g.dim]
		scale(row, inv[i])
		// A value that is not finite, times the zero weight of a query that
		// must not see it, is NaN: such a row is computed without it.
		if !allFinite(row) {
			d.attendOne(g, y, q, k, v, h, i0+i)
		}
	}
}

// exponentials replaces p by e^(p-max p) and returns the reciprocal of the
// sum, which is float64. The vector loops do the whole registers.
func (d *Device) exponentials(p []float32) float32 {
	whole := 0
	if d.leaf.lanes > 0 {
		whole = len(p) / d.leaf.lanes * d.leaf.lanes
	}
	top := p[0]
	if whole > 0 {
		top = d.leaf.maxOf(&p[0], whole)
	}
	for _, v := range p[whole:] {
		top = max(top, v)
	}
	var sum float64
	if whole > 0 {
		sum = d.leaf.expSum(&p[0], whole, top)
	}
	for i, v := range p[whole:] {
		e := exp32(v - top)
		p[whole+i] = e
		sum += float64(e)
	}
	return float32(1 / sum)
}

// allFinite reports whether no value is infinite or NaN.
func allFinite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// scale multiplies y by a.
func scale(y []float32, a float32) {
	for i := range y {
		y[i] *= a
	}
}
