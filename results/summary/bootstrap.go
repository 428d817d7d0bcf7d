package summary

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
)

// Resamples is the number of draws of every bootstrap (protocol.md 2.1).
const Resamples = 2000

// seedOf derives the seed of a bootstrap from what it is about, so that the
// same records give the same interval in whatever order they are read.
func seedOf(words ...string) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// percentileInterval returns the values between which the middle 95 % of draws
// lie; it sorts them.
func percentileInterval(draws []float64) (lo, hi float64) {
	slices.Sort(draws)
	n := len(draws)
	k := int(math.Floor(Alpha / 2 * float64(n)))
	return draws[k], draws[n-1-k]
}

// NestedMedian returns the interval of the median of all values by a nested
// bootstrap: launches are drawn with replacement, and within each of them its
// values, so that what differs from process to process widens it. With one
// launch it is the plain bootstrap. Groups hold at least one value each.
func NestedMedian(launches [][]float64, resamples int, seed uint64) (lo, hi float64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	draws := make([]float64, resamples)
	var sample []float64
	for i := range draws {
		sample = sample[:0]
		for range launches {
			xs := launches[rng.IntN(len(launches))]
			for range xs {
				sample = append(sample, xs[rng.IntN(len(xs))])
			}
		}
		slices.Sort(sample)
		n := len(sample)
		draws[i] = (sample[(n-1)/2] + sample[n/2]) / 2
	}
	return percentileInterval(draws)
}

// AANoise returns the half-width of the 95 % interval of the Hodges-Lehmann
// effect of d, one ln ratio per block of a control to the same case, by a
// bootstrap over blocks (protocol.md 2.1).
func AANoise(d []float64, resamples int, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	draws := make([]float64, resamples)
	sample := make([]float64, len(d))
	for i := range draws {
		for j := range sample {
			sample[j] = d[rng.IntN(len(d))]
		}
		draws[i] = walshMedian(sample)
	}
	lo, hi := percentileInterval(draws)
	return (hi - lo) / 2
}
