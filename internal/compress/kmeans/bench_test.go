package kmeans

import (
	"fmt"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// BenchmarkRows clusters rows of two widths into 16 centres, by start.
func BenchmarkRows(b *testing.B) {
	for _, in := range []int{2048, 8192} {
		const weights = 1 << 18
		w, v := synthetic(law{n: weights, spread: 1}, 1)
		for _, start := range Starts() {
			b.Run(fmt.Sprintf("%d/%s", in, start), func(b *testing.B) {
				for b.Loop() {
					if _, err := Rows(gemm.Config{}, w, weights/in, in, 1, v[:in], Options{K: 16, Start: start}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(weights*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
			})
		}
	}
}
