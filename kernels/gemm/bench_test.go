package gemm

import (
	"fmt"
	"testing"
)

// BenchmarkGemm multiplies X (m×k) by the transpose of W (n×k), as a linear
// layer does. bench/peers/openblas.py measures the same of OpenBLAS.
func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct{ m, n, k int }{
		{512, 4096, 4096}, {64, 512, 4096}, {4, 4096, 4096},
	} {
		x, w := make([]float32, s.m*s.k), make([]float32, s.n*s.k)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		for i := range w {
			w[i] = float32(i%5) - 2
		}
		y := make([]float32, s.m*s.n)
		for _, isa := range Available() {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", s.m, s.n, s.k, isa, threads), func(b *testing.B) {
					cfg := Config{ISA: isa, Threads: threads}
					for b.Loop() {
						cfg.Gemm(false, true, s.m, s.n, s.k, 1, x, s.k, w, s.k, 0, y, s.n)
					}
					flop := 2 * float64(s.m) * float64(s.n) * float64(s.k) * float64(b.N)
					b.ReportMetric(flop/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

// BenchmarkSyrkLower computes XᵀX of X (t×d), as the calibration does.
func BenchmarkSyrkLower(b *testing.B) {
	const t, d = 512, 1024
	x, h := make([]float32, t*d), make([]float32, d*d)
	for b.Loop() {
		Config{Threads: 1}.SyrkLower(true, d, t, 1, x, d, 1, h, d)
	}
	b.ReportMetric(float64(t)*d*(d+1)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
