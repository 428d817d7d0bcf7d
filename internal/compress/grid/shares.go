package grid

import (
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// chunk is the number of rows that a goroutine counts at a time.
const chunk = 64

// Shares returns the share of weights with the code that stands for 0, and of
// those with the lowest or the highest code, where rounding clips.
func Shares(cfg gemm.Config, p *packed.Grid) (zeros, ends float64) {
	rb, top := packed.RowBytes(p.In, p.Bits), uint8(int(1)<<p.Bits-1)
	counts := make([][2]int, (p.Out+chunk-1)/chunk)
	cfg.Parallel(len(counts), func(i int) {
		codes, zero := make([]uint8, p.In), make([]uint8, p.Groups())
		for r := i * chunk; r < min((i+1)*chunk, p.Out); r++ {
			packed.UnpackRow(codes, p.Codes[r*rb:(r+1)*rb], p.In, p.Bits)
			for g := range zero {
				zero[g] = uint8(p.ZeroAt(r, g))
			}
			for c, q := range codes {
				g := c / p.Group
				if p.Index != nil {
					g = int(p.Index[c])
				}
				if q == zero[g] {
					counts[i][0]++
				}
				if q == 0 || q == top {
					counts[i][1]++
				}
			}
		}
	})
	var total [2]int
	for _, c := range counts {
		total[0] += c[0]
		total[1] += c[1]
	}
	n := float64(p.Out) * float64(p.In)
	return float64(total[0]) / n, float64(total[1]) / n
}
