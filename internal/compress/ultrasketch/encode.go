package ultrasketch

import (
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// narrow16 rounds float32 bit patterns toward zero to f16.
func narrow16(cfg gemm.Config, wide []uint32) []uint16 {
	cells := make([]uint16, len(wide))
	const chunk = 1 << 16
	cfg.Parallel((len(wide)+chunk-1)/chunk, func(t int) {
		lo, hi := t*chunk, min((t+1)*chunk, len(wide))
		for i, b := range wide[lo:hi] {
			cells[lo+i] = packed.F32ToF16TowardZero(math.Float32frombits(b))
		}
	})
	return cells
}

// encode sets Codes and Scales of s, whose cells are narrower than 16 bits: a
// scale for each sketch row and class, and of each cell the multiple of it next
// to its value toward zero, at most the largest that a code can be. So
// magnitudes only become smaller.
func encode(cfg gemm.Config, s *packed.Cells, wide []uint32) {
	layout := s.Layout()
	classes := len(s.Sizes)
	n := packed.RowBytes(layout.Row, s.Bits)
	s.Codes, s.Scales = make([]byte, s.Rows*n), make([]uint16, s.Rows*classes)
	cfg.Parallel(s.Rows, func(k int) {
		row := wide[k*layout.Row : (k+1)*layout.Row]
		codes := make([]uint8, len(row))
		for g, size := range s.Sizes {
			lo := layout.Offsets[g]
			h := scale(s, row[lo:lo+size])
			s.Scales[k*classes+g] = h
			encodeClass(s, codes[lo:lo+size], row[lo:lo+size], float64(packed.F16ToF32(h)))
		}
		packed.PackRow(s.Codes[k*n:(k+1)*n], codes, s.Bits)
	})
}

// limits returns the largest multiples of the scale that a code stands for, of
// either sign, in the reading of s.
func limits(s *packed.Cells) (positive, negative int) {
	switch s.Reading {
	case packed.ReadingPlane:
		return 1<<s.Bits - 1, 0
	case packed.ReadingSplit:
		return 1<<s.Bits - 2, 0 // the highest code is an empty cell's
	}
	return 1<<(s.Bits-1) - 1, 1 << (s.Bits - 1)
}

// encodeClass writes the codes of the cells of a class.
func encodeClass(s *packed.Cells, codes []uint8, cells []uint32, scale float64) {
	positive, negative := limits(s)
	for i, b := range cells {
		if b == infinity {
			if s.Reading == packed.ReadingSplit {
				codes[i] = 1<<s.Bits - 1
			}
			continue // a 0 is as good as any: no weight reads the cell
		}
		if scale == 0 {
			continue
		}
		// The quotient of a float32 and an f16 lies at least 2⁻³⁵ of itself from
		// any integer that it is not, so float64 does not round it to one.
		q := int(min(math.Floor(float64(math.Float32frombits(b&magnitude))/scale), 1<<8))
		if b&^magnitude == 0 {
			codes[i] = uint8(min(q, positive))
		} else {
			codes[i] = uint8(-min(q, negative))
		}
	}
}

// scaleSteps is the number of scales that scale tries.
const scaleSteps = 80

// scale returns the f16 scale of the least squared error of cells rounded as
// encode does, among those at which the largest magnitude would be p/80 of the
// way up to a larger limit, p = 1…80: below p = 80 large cells are clipped.
// (The paper says nothing of it; 80 steps are those of GPTQ's clip search.)
func scale(s *packed.Cells, cells []uint32) uint16 {
	var lists [2][]float64 // magnitudes of the positive and of the negative cells
	for _, b := range cells {
		if b != infinity {
			side := b >> 31
			lists[side] = append(lists[side], float64(math.Float32frombits(b&magnitude)))
		}
	}
	positive, negative := limits(s)
	var largest float64
	for i, most := range []int{positive, negative} {
		slices.Sort(lists[i])
		if n := len(lists[i]); n > 0 {
			largest = max(largest, lists[i][n-1]/float64(most))
		}
	}
	sums := [2][]float64{prefix(lists[0]), prefix(lists[1])}
	best, gain := uint16(0), 0.0
	for p := 1; p <= scaleSteps; p++ {
		h := packed.F32ToF16TowardZero(float32(largest * float64(p) / scaleSteps))
		scale := float64(packed.F16ToF32(h))
		if scale == 0 {
			continue
		}
		if v := saved(lists[0], sums[0], scale, positive) + saved(lists[1], sums[1], scale, negative); v > gain {
			best, gain = h, v
		}
	}
	return best
}

// prefix returns the sums of the first i values, i = 0…len(v).
func prefix(v []float64) []float64 {
	sums := make([]float64, len(v)+1)
	for i, x := range v {
		sums[i+1] = sums[i] + x
	}
	return sums
}

// saved returns by how much the squared error of the sorted magnitudes v,
// replaced by q·scale with q = min(⌊v/scale⌋, most), is below that of zeros:
// Σ 2·v·q·scale − (q·scale)². With q the number of multiples j ≤ most that v
// reaches, q² is the sum of their 2j−1, so each j adds what lies above it.
func saved(v, sums []float64, scale float64, most int) float64 {
	var linear, square float64
	for j := 1; j <= most; j++ {
		i, _ := slices.BinarySearch(v, float64(j)*scale)
		if i == len(v) {
			break
		}
		linear += sums[len(v)] - sums[i]
		square += float64(2*j-1) * float64(len(v)-i)
	}
	return scale * (2*linear - scale*square)
}
