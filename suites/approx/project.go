package approx

import (
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A sketch with trainable tables changes W by changing its tables: all weights
// of a row and group that share a code move together. What such an update can
// say of Δ = W' − W is Δ's projection on the matrices that are constant on the
// clusters (methods.md 2.9).

// Sketch returns the codes and tables of w: those of a codebook, or of a
// codebook with a sparse matrix added, whose single weights are not trained.
// ok is false for another format.
func Sketch(w packed.Weight) (sketch *packed.Codebook, ok bool) {
	if s, sum := w.(*packed.Sum); sum && len(s.Terms) == 2 {
		if _, sparse := s.Terms[1].(*packed.Sparse); sparse {
			w = s.Terms[0]
		}
	}
	sketch, ok = w.(*packed.Codebook)
	return sketch, ok
}

// Project writes to dst the projection of the out×in matrix delta on the
// mapping of sketch: the mean of delta over each cluster, the weights of one
// row and group with the same code, rounded to float32. dst may be delta. The
// result is ‖Δ − Δ̂‖²F for Δ̂ before rounding, the least that any tables give.
func Project(cfg gemm.Config, dst, delta []float32, sketch *packed.Codebook) float64 {
	checkSize(delta, sketch.Out, sketch.In)
	checkSize(dst, sketch.Out, sketch.In)
	errs := make([]float64, sketch.Out)
	groups, k := sketch.Groups(), 1<<sketch.Bits
	stride := packed.RowBytes(sketch.In, sketch.Bits)
	cfg.Parallel(sketch.Out, func(r int) {
		codes, sums, counts := make([]uint8, sketch.In), make([]float64, groups*k), make([]int, groups*k)
		packed.UnpackRow(codes, sketch.Codes[r*stride:(r+1)*stride], sketch.In, sketch.Bits)
		row := delta[r*sketch.In : (r+1)*sketch.In]
		cluster := func(c int) int { return c/sketch.Group*k + int(codes[c]) }
		for c, v := range row {
			sums[cluster(c)] += float64(v)
			counts[cluster(c)]++
		}
		for c, v := range row {
			i := cluster(c)
			mean := sums[i] / float64(counts[i])
			errs[r] += (float64(v) - mean) * (float64(v) - mean)
			dst[r*sketch.In+c] = float32(mean)
		}
	})
	return sum(errs)
}

// KMeans returns ‖Δ − Δ̂‖²F for the best mapping that delta itself can have with
// so many tables: the optimum over all clusterings into k values of every row
// and group of columns. No projection on a mapping of as many tables that was
// learned elsewhere comes nearer.
func KMeans(cfg gemm.Config, delta []float32, out, in, groups, k int) (float64, error) {
	checkSize(delta, out, in)
	equal := make([]float64, in)
	for i := range equal {
		equal[i] = 1
	}
	t, err := kmeans.Rows(cfg, delta, out, in, groups, equal, kmeans.Options{K: k, Start: kmeans.Exact})
	if err != nil {
		return 0, err
	}
	var total float64
	for _, s := range t.Stats {
		total += s.Inertia
	}
	return total, nil
}

// RandomBuckets returns ‖Δ − Δ̂‖²F for a mapping that knows nothing: all entries
// are dealt at random to buckets whose sizes differ by at most one, and each
// takes the mean of its bucket. It is the sketch that Theorem 3.1 is about
// (methods.md 2.8): of entries without correlation it keeps the share
// buckets/len(delta) of ‖Δ‖² in expectation.
func RandomBuckets(delta []float32, buckets int, rng *rand.Rand) float64 {
	if buckets < 1 || buckets > len(delta) {
		panic(fmt.Sprintf("approx: %d buckets for %d entries", buckets, len(delta)))
	}
	order := make([]uint32, len(delta))
	for i := range order {
		order[i] = uint32(i)
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var left float64
	for b, lo := 0, 0; b < buckets; b++ {
		hi := (b + 1) * len(order) / buckets
		var s float64
		for _, i := range order[lo:hi] {
			s += float64(delta[i])
		}
		mean := s / float64(hi-lo)
		for _, i := range order[lo:hi] {
			d := float64(delta[i]) - mean
			left += d * d
		}
		lo = hi
	}
	return left
}

func checkSize(a []float32, out, in int) {
	if len(a) != out*in {
		panic(fmt.Sprintf("approx: %d values, want %d×%d", len(a), out, in))
	}
}

// sum adds in order.
func sum(a []float64) float64 {
	var s float64
	for _, v := range a {
		s += v
	}
	return s
}
