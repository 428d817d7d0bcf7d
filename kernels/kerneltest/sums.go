package kerneltest

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// sparseOf stores every tenth value or so, and column 77, or the last, in every
// row: what is not stored takes no part in a product, and MulExtremes wants to
// see a NaN of that column everywhere.
func sparseOf(rnd *rand.Rand, out, in int) packed.Weight {
	w := &packed.Sparse{Out: out, In: in, Start: []uint32{0}}
	for range out {
		for c := range in {
			if c == min(77, in-1) || rnd.IntN(10) == 0 {
				w.Columns = append(w.Columns, uint32(c))
			}
		}
		w.Start = append(w.Start, uint32(len(w.Columns)))
	}
	w.Values = halves(rnd, len(w.Columns), 1)
	return w
}

// sums lists the sums that are tested: a base and a low-rank path, codes and
// outliers, three terms.
func sums(in int) map[string][]func(rnd *rand.Rand, out, in int) packed.Weight {
	type maker = func(rnd *rand.Rand, out, in int) packed.Weight
	grid := func(rnd *rand.Rand, out, in int) packed.Weight { return gridOf(rnd, out, in, 4, min(in, 64), false) }
	book := func(rnd *rand.Rand, out, in int) packed.Weight { return codebookOf(rnd, out, in, 3, in) }
	levels := func(rnd *rand.Rand, out, in int) packed.Weight { return levelsOf(rnd, out, in, 4, 64, true) }
	path := func(rnd *rand.Rand, out, in int) packed.Weight {
		return &packed.LowRank{Out: out, In: in, Rank: 5, U: halves(rnd, out*5, 0.3), V: halves(rnd, 5*in, 0.3)}
	}
	dense := func(rnd *rand.Rand, out, in int) packed.Weight { return denseOf(rnd, out, in, "BF16") }
	return map[string][]maker{
		"grid+lowrank": {grid, path}, "levels+lowrank": {levels, path}, "codebook+sparse": {book, sparseOf}, "dense+lowrank+sparse": {dense, path, sparseOf},
	}
}

func sumOf(rnd *rand.Rand, out, in int, terms ...func(rnd *rand.Rand, out, in int) packed.Weight) packed.Weight {
	w := &packed.Sum{}
	for _, t := range terms {
		w.Terms = append(w.Terms, t(rnd, out, in))
	}
	return w
}

// magnitude returns for every weight what a kernel may add up in its place, and
// how many roundings that takes beside those of a dot product; see product.
func magnitude(w packed.Weight) (mag []float64, roundings int) {
	out, in := w.Dims()
	switch w := w.(type) {
	case *packed.Grid:
		return gridMagnitude(w), w.Groups()
	case *packed.Levels:
		roundings = (in-1)/w.Block + 3
	case *packed.LowRank:
		var p mat.Dense
		p.Mul(mat.NewDense(out, w.Rank, abs(widen(w.U))), mat.NewDense(w.Rank, in, abs(widen(w.V))))
		return p.RawMatrix().Data, 2 * w.Rank // Dequantize's own roundings included
	case *packed.Sum:
		mag = make([]float64, out*in)
		for _, t := range w.Terms {
			m, n := magnitude(t)
			for i, v := range m {
				mag[i] += v
			}
			roundings += n + 2 // one sum here, one in Dequantize
		}
		return mag, roundings
	}
	what := make([]float32, out*in)
	w.Dequantize(what, 0, out)
	return abs(what), roundings
}

// lookupBound bounds the difference of two evaluations of row id of w: 0 but
// where the row is a sum, which may be formed in another order.
func lookupBound(w packed.Weight, id int) []float64 {
	_, in := w.Dims()
	bound := make([]float64, in)
	switch w := w.(type) {
	case *packed.LowRank:
		for c := range in {
			for k := range w.Rank {
				term := packed.F16ToF32(w.U[id*w.Rank+k]) * packed.F16ToF32(w.V[k*in+c])
				bound[c] += 2 * gamma(w.Rank+1) * math.Abs(float64(term))
			}
		}
	case *packed.Sum:
		mag, n := magnitude(w)
		for c := range in {
			bound[c] = 2 * gamma(n+1) * mag[id*in+c]
		}
	}
	return bound
}
