package cpu

import "github.com/sketchbench/sketchbench/kernels"

// elementsPerPiece is how many values of an elementwise operation go to a
// goroutine at a time.
const elementsPerPiece = 1 << 13

// SwiGLU sets y[i] = silu(gate[i])·up[i] for the first n values, with
// silu(z) = z/(1+e^-z); y may be gate or up.
func (d *Device) SwiGLU(y, gate, up kernels.Buffer, n int) {
	ys, gs, us := first(y, n), first(gate, n), first(up, n)
	// An exponential and a division take as long as some 16 multiply-adds.
	d.parallel(n, elementsPerPiece, 16*n, func(i, j int) {
		if l := d.leaf.lanes; l > 0 && j-i >= l {
			n := (j - i) / l * l
			d.leaf.siluMul(&ys[i], &gs[i], &us[i], n)
			i += n
		}
		for ; i < j; i++ {
			ys[i] = silu(gs[i]) * us[i]
		}
	})
}

// silu returns z/(1+e^-z). Where e^-z overflows the quotient is -0, its limit.
func silu(z float32) float32 { return z / (1 + exp32(-z)) }

// Add adds the first n values of x to y.
func (d *Device) Add(y, x kernels.Buffer, n int) {
	ys, xs := first(y, n), first(x, n)
	d.parallel(n, elementsPerPiece, n, func(i, j int) {
		for ; i < j; i++ {
			ys[i] += xs[i]
		}
	})
}
