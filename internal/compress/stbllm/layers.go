package stbllm

import (
	"math"
	"sync"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// The published runs prune a layer less that has more outliers: weights of
// more than outlier times the mean importance of the layer. The shares of
// outliers are stretched to a width of spread, shifted to a mean of 0 and
// rounded, and that is what is kept of 8 beyond Keep.
const (
	outlier = 6
	spread  = 2
)

// Layers decides how many weights each layer keeps. It sees all matrices of a
// model, layer by layer, before the first is compressed.
type Layers struct {
	matrices []matrix
	stats    []layerStats
}

// matrix is what has been seen of one.
type matrix struct {
	layer   int // its place in stats
	o       Options
	out, in int
}

// layerStats has the importances of one layer: how many, their sum, and how
// many have the same 15 bits of exponent and highest mantissa bits, so that
// bounds are found to within 1 %.
type layerStats struct {
	layer  int
	n, sum float64
	counts [1 << 15]uint64
}

// Add looks at the out×in matrix w of a layer, whose input channels have these
// mean squares. Matrices of a layer come one after the other.
func (l *Layers) Add(cfg gemm.Config, layer int, w []float32, out, in int, meanSquare []float64, o Options) {
	if n := len(l.stats); n == 0 || l.stats[n-1].layer != layer {
		l.stats = append(l.stats, layerStats{layer: layer})
	}
	l.matrices = append(l.matrices, matrix{len(l.stats) - 1, o, out, in})
	s := &l.stats[len(l.stats)-1]
	sums := make([]float64, out)
	var mu sync.Mutex
	o.eachRow(cfg, w, out, in, norms(meanSquare), func(r int, score []float64) {
		for i, x := range score {
			score[i] = math.Max(x, 0) // dead channels, and less than average ones
			sums[r] += score[i]
		}
		mu.Lock()
		defer mu.Unlock()
		for _, x := range score {
			s.counts[math.Float32bits(float32(x))>>16]++
		}
	})
	s.n += float64(len(w))
	for _, x := range sums {
		s.sum += x // in the order of rows, whatever the threads
	}
}

// outliers returns the share of importances above outlier times their mean.
func (s *layerStats) outliers() float64 {
	bound := math.Float32bits(float32(outlier*s.sum/s.n)) >> 16
	var above float64
	for _, c := range s.counts[bound+1:] {
		above += float64(c)
	}
	return above / s.n
}

// shifts returns what each layer keeps of 8 beyond Keep before rounding, mean
// 0. Layers alike are not told apart.
func (l *Layers) shifts() []float64 {
	v := make([]float64, len(l.stats))
	low, high := math.Inf(1), math.Inf(-1)
	for i := range l.stats {
		v[i] = l.stats[i].outliers()
		low, high = math.Min(low, v[i]), math.Max(high, v[i])
	}
	var mean float64
	for i := range v {
		if v[i] -= low; high > low {
			v[i] *= spread / (high - low)
		}
		mean += v[i] / float64(len(v))
	}
	for i := range v {
		v[i] -= mean
	}
	return v
}

// Settle returns the options of the matrices in the order in which they were
// added. A layer keeps Keep and its shift, rounded half to even, of 8, where the
// published code makes a 1 a 2; 1 to 8. If all take more bytes together than
// with Keep alone, the layer that rounding has raised most keeps one less, and
// so on.
func (l *Layers) Settle() []Options {
	exact := l.shifts()
	shift := make([]int, len(exact))
	for i, v := range exact {
		if shift[i] = int(math.RoundToEven(v)); shift[i] == 1 {
			shift[i] = 2
		}
	}
	for l.bytes(shift) > l.bytes(make([]int, len(shift))) {
		most := 0
		for i := range shift {
			if float64(shift[i])-exact[i] > float64(shift[most])-exact[most] {
				most = i
			}
		}
		shift[most]--
	}
	var settled []Options
	for _, m := range l.matrices {
		settled = append(settled, m.with(shift[m.layer]))
	}
	return settled
}

// with returns the options of a matrix that keeps so many more of 8.
func (m matrix) with(shift int) Options {
	o := m.o
	o.Keep = min(max(o.Keep+shift, 1), packed.PatternWidth)
	o.Layers = Uniform
	return o
}

// bytes returns those of all matrices.
func (l *Layers) bytes(shift []int) (n int64) {
	for _, m := range l.matrices {
		n += StoredBytes(m.with(shift[m.layer]), m.out, m.in)
	}
	return n
}
