package cpu

import "github.com/sketchbench/sketchbench/kernels"

// Gram adds XᵀX to H (d×d); X is t×d. The lower triangle is computed and
// copied to the upper one.
func (d *Device) Gram(h, x kernels.Buffer, t, n int) {
	hs, xs := first(h, n*n), first(x, t*n)
	d.cfg.SyrkLower(true, n, t, 1, xs, n, 1, hs, n)
	// Tiles keep both the rows read and the columns written in cache.
	const tile = 32
	d.parallel(n, tile, n*n, func(i0, i1 int) {
		for j0 := 0; j0 < i1; j0 += tile {
			for i := i0; i < i1; i++ {
				for j := j0; j < min(j0+tile, i); j++ {
					hs[j*n+i] = hs[i*n+j]
				}
			}
		}
	})
}
