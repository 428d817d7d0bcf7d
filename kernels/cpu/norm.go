package cpu

import (
	"math"

	"github.com/sketchbench/sketchbench/kernels"
)

// RMSNorm sets each row y of Y to x·gain/√(mean(x²)+eps); X and Y are t×d with
// d = gain.Len(), and may be the same buffer. The mean is summed in float64.
func (d *Device) RMSNorm(y, x, gain kernels.Buffer, t int, eps float32) {
	n := gain.Len()
	g, xs, ys := first(gain, n), first(x, t*n), first(y, t*n)
	d.parallel(t, 1, t*n, func(i, j int) {
		for ; i < j; i++ {
			rmsNormRow(ys[i*n:(i+1)*n], xs[i*n:(i+1)*n], g, eps)
		}
	})
}

func rmsNormRow(y, x, gain []float32, eps float32) {
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		v := x[i : i+4 : i+4]
		s0 += float64(float64(v[0]) * float64(v[0]))
		s1 += float64(float64(v[1]) * float64(v[1]))
		s2 += float64(float64(v[2]) * float64(v[2]))
		s3 += float64(float64(v[3]) * float64(v[3]))
	}
	for ; i < len(x); i++ {
		s0 += float64(float64(x[i]) * float64(x[i]))
	}
	mean := (s0 + s2 + (s1 + s3)) / float64(len(x))
	inv := 1 / math.Sqrt(mean+float64(eps))
	for i, v := range x {
		y[i] = float32(float64(v) * inv * float64(gain[i]))
	}
}
