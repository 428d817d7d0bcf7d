package sketchtune

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func BenchmarkCompress2048(b *testing.B) {
	const out, in = 2048, 2048
	rnd := rand.New(rand.NewPCG(1, 1))
	w, h := make([]float32, out*in), make([]float32, in*in)
	for i := range w {
		w[i] = float32(rnd.NormFloat64())
	}
	for j := range in { // near to diagonal: cheap to make, as costly to use
		h[j*in+j] = float32(math.Exp(rnd.NormFloat64()))
		if j > 0 {
			h[j*in+j-1], h[(j-1)*in+j] = 0.01, 0.01
		}
	}
	for _, start := range []kmeans.Start{kmeans.Histogram, kmeans.Linspace} {
		o := DefaultOptions()
		o.Start = string(start)
		b.Run(string(start), func(b *testing.B) {
			f := factor(b, h, in, o)
			for b.Loop() {
				if _, err := Compress(gemm.Config{}, w, out, in, f, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(out*in*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
		})
	}
}
