package compensate

import (
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func BenchmarkRun(b *testing.B) {
	const out, in = 2048, 2048
	u := make([]float32, in*in)
	f := &Factor{Dim: in, U: u, Perm: make([]int, in), Dead: make([]bool, in)}
	for i := range in {
		f.Perm[i], u[i*in+i] = i, 1
	}
	w := gaussian(out*in, 1)
	round := func(_, _ int, w []float32, codes []uint8, values []float32) {
		copy(values, w)
	}
	for b.Loop() {
		if err := Run(gemm.Config{}, w, out, in, f, round, func(int, []uint8) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(out*in*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
}
