package gemm

import "unsafe"

// tileGeneric computes the 4×4 tile
//
//	C[i*ldc+j] = alpha·Σ_p a[4p+i]·b[4p+j] + beta·C[i*ldc+j]
//
// for p < k, without reading C if beta is 0. Every product is rounded before
// it is added, on all machines.
func tileGeneric(k int, a, b, c *float32, ldc int, alpha, beta float32) {
	as, bs := unsafe.Slice(a, 4*k), unsafe.Slice(b, 4*k)
	cs := unsafe.Slice(c, 3*ldc+4)
	var acc [16]float32
	// Two rows at a time: eight sums fit in the registers.
	for h := 0; h < 4; h += 2 {
		var s00, s01, s02, s03, s10, s11, s12, s13 float32
		for p := 0; p+4 <= len(as) && p+4 <= len(bs); p += 4 {
			a, b := as[p:p+4:p+4], bs[p:p+4:p+4]
			a0, a1 := a[h], a[h+1]
			s00 += float32(a0 * b[0])
			s01 += float32(a0 * b[1])
			s02 += float32(a0 * b[2])
			s03 += float32(a0 * b[3])
			s10 += float32(a1 * b[0])
			s11 += float32(a1 * b[1])
			s12 += float32(a1 * b[2])
			s13 += float32(a1 * b[3])
		}
		copy(acc[4*h:], []float32{s00, s01, s02, s03, s10, s11, s12, s13})
	}
	for i := range 4 {
		row := cs[i*ldc : i*ldc+4]
		for j := range row {
			v := float32(alpha * acc[4*i+j])
			if beta != 0 {
				v += float32(beta * row[j])
			}
			row[j] = v
		}
	}
}

// transposeGeneric sets dst[p*stride+i] = src[i*ld+p] for i < count, p < k.
func transposeGeneric(dst []float32, stride int, src []float32, ld, count, k int) {
	for i := range count {
		row := src[i*ld : i*ld+k]
		for p, v := range row {
			dst[p*stride+i] = v
		}
	}
}

// dotsGeneric sets dst[j] = Σ_p x[p]·y[j*ld+p] for p < k and j < dotRows, in
// rising order of p.
func dotsGeneric(k int, x, y *float32, ld int, dst *[dotRows]float32) {
	xs := unsafe.Slice(x, k)
	ys := unsafe.Slice(y, (dotRows-1)*ld+k)
	y0, y1, y2, y3 := ys[:k], ys[ld:ld+k], ys[2*ld:2*ld+k], ys[3*ld:3*ld+k]
	var s0, s1, s2, s3 float32
	for p, v := range xs {
		s0 += float32(v * y0[p])
		s1 += float32(v * y1[p])
		s2 += float32(v * y2[p])
		s3 += float32(v * y3[p])
	}
	*dst = [dotRows]float32{s0, s1, s2, s3}
}
