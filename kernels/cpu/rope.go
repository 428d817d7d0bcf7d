package cpu

import (
	"math"

	"github.com/sketchbench/sketchbench/kernels"
)

// RoPE rotates X, t rows of heads×headDim, in place. Row i stands at position
// pos+i; the pair (j, j+headDim/2) of a head turns by (pos+i)·invFreq[j].
// Angles, sines and cosines are float64, once per row; the rotation is
// float32.
func (d *Device) RoPE(x kernels.Buffer, t, heads, headDim, pos int, invFreq []float64) {
	half := headDim / 2
	if len(invFreq) != half || headDim%2 != 0 {
		panic("cpu: RoPE: invFreq does not have headDim/2 values")
	}
	width := heads * headDim
	xs := first(x, t*width)
	// A sine and cosine take as long as some 20 multiply-adds.
	d.parallel(t, 4, t*(width+20*headDim), func(i, j int) {
		s := scratch(headDim)
		defer release(s)
		sin, cos := (*s)[:half], (*s)[half:]
		for ; i < j; i++ {
			for k, f := range invFreq {
				sn, cs := math.Sincos(float64(pos+i) * f)
				sin[k], cos[k] = float32(sn), float32(cs)
			}
			row := xs[i*width : (i+1)*width]
			for h := 0; h < width; h += headDim {
				rotate(row[h:h+half], row[h+half:h+headDim], sin, cos)
			}
		}
	})
}

// rotate turns each pair (a[k], b[k]) by the angle with the given sine and
// cosine.
func rotate(a, b, sin, cos []float32) {
	b, sin, cos = b[:len(a)], sin[:len(a)], cos[:len(a)]
	for k, u := range a {
		v := b[k]
		a[k] = float32(u*cos[k]) - float32(v*sin[k])
		b[k] = float32(v*cos[k]) + float32(u*sin[k])
	}
}
