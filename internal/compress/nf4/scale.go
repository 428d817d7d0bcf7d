package nf4

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// absmax returns the largest magnitude of every block of w, and the index of
// the first weight that is not finite, or -1.
func absmax(cfg gemm.Config, w []float32, block int) (scales []float32, bad int) {
	scales = make([]float32, (len(w)-1)/block+1)
	step := max(1, chunkWeights/block)
	pieces := (len(scales) + step - 1) / step
	faults := make([]int, pieces)
	cfg.Parallel(pieces, func(i int) {
		faults[i] = -1
		for k := i * step; k < min((i+1)*step, len(scales)) && faults[i] < 0; k++ {
			first := k * block
			lo, hi, at := grid.Range(cfg.ISA, w[first:min(first+block, len(w))])
			if at >= 0 {
				faults[i] = first + at
			}
			scales[k] = max(-lo, hi)
		}
	})
	for _, at := range faults {
		if at >= 0 {
			return nil, at
		}
	}
	return scales, -1
}

// chunkWeights is about the number of weights of whose blocks a goroutine
// makes the scales at a time.
const chunkWeights = 1 << 16

// mean returns the mean, summed in float64 and rounded once. (bitsandbytes
// sums in float32, which may give a neighbour of it.)
func mean(scales []float32) float32 {
	var sum float64
	for _, s := range scales {
		sum += float64(s)
	}
	return float32(sum / float64(len(scales)))
}

// double quantises scales: what is left after offset is subtracted becomes,
// divided by the largest magnitude of 256 of them, the nearest value of
// packed.DynamicMap, of two equally near the lower.
//
// bitsandbytes on a CPU rounds the quotient to one of 65536 steps from -1 to 1
// before it looks for the nearest value, so that a quotient within half a step
// of the middle of two values may get the other one.
func double(scales []float32, offset float32) (codes []uint8, absmax2 []float32) {
	codes = make([]uint8, len(scales))
	for first := 0; first < len(scales); first += packed.AbsmaxBlock {
		block := scales[first:min(first+packed.AbsmaxBlock, len(scales))]
		var largest float32
		for _, s := range block {
			largest = max(largest, float32(math.Abs(float64(s-offset))))
		}
		absmax2 = append(absmax2, largest)
		for i, s := range block {
			codes[first+i] = nearestDynamic(float64(s-offset), float64(largest))
		}
	}
	return codes, absmax2
}

// dynamicMiddles are the middles of neighbouring values of the map.
var dynamicMiddles = func() (m [255]float64) {
	values := packed.DynamicMap()
	for i := range m {
		m[i] = (float64(values[i]) + float64(values[i+1])) / 2
	}
	return m
}()

// nearestDynamic returns the code of the value of packed.DynamicMap that is
// nearest to x/largest: the number of middles below it. Products are of at
// most 48 bits, hence exact.
func nearestDynamic(x, largest float64) uint8 {
	code := 0
	for step := 128; step > 0; step /= 2 {
		if x > dynamicMiddles[code+step-1]*largest {
			code += step
		}
	}
	return uint8(code)
}
