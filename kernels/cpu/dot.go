package cpu

// dotGeneric is
//
//	for i := range x { sum += x[i] * y[i] }
//
// in eight partial sums, i mod 8, added in pairs at the end; len(y) >= len(x).
func dotGeneric(x, y []float32) float32 {
	var s [8]float32
	y = y[:len(x)]
	for len(x) >= 8 && len(y) >= 8 {
		a, b := x[:8], y[:8]
		s[0] += float32(a[0] * b[0])
		s[1] += float32(a[1] * b[1])
		s[2] += float32(a[2] * b[2])
		s[3] += float32(a[3] * b[3])
		s[4] += float32(a[4] * b[4])
		s[5] += float32(a[5] * b[5])
		s[6] += float32(a[6] * b[6])
		s[7] += float32(a[7] * b[7])
		x, y = x[8:], y[8:]
	}
	for i, v := range x {
		s[i] += float32(v * y[i])
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// axpyGeneric is
//
//	for i := range x { y[i] += a * x[i] }
//
// with len(y) >= len(x).
func axpyGeneric(y []float32, a float32, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float32(a * v)
	}
}
