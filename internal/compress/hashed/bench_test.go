package hashed

import (
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// BenchmarkCompress tells weights per second of each way of addressing and
// filling, at a load that fits caches and one that does not.
func BenchmarkCompress(b *testing.B) {
	const out, in = 2048, 2048
	w := normal(out*in, 1)
	for _, f := range forms(out, in) {
		for _, name := range []string{"bits=0.5", "bits=2"} {
			f := f
			f.Form.Bits = map[string]float64{"bits=0.5": 0.5, "bits=2": 2}[name]
			if f.Form.Matrix.Sign == packed.SignPlane {
				f.Form.Bits++
			}
			b.Run(f.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, _, err := Compress(gemm.Config{}, w, f.Form, 1); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(out*in*float64(b.N)/1e6/b.Elapsed().Seconds(), "Mweights/s")
			})
		}
	}
}
