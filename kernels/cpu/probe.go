package cpu

import "github.com/sketchbench/sketchbench/kernels"

var _ kernels.Prober = (*Device)(nil)

// streamPiece is the number of values that a goroutine reads at a time: 1 MiB,
// long against the start of a sequential stream, short against any memory that
// is worth reading on several threads.
const streamPiece = 1 << 18

// Stream reads the first n values of b once, in order, on all threads.
func (d *Device) Stream(b kernels.Buffer, n int) float32 {
	x := first(b, n)
	pieces := (n + streamPiece - 1) / streamPiece
	if pieces < d.cfg.Threads {
		pieces = min(d.cfg.Threads, max(1, n/minStream))
	}
	sums := make([]float32, pieces)
	d.cfg.Parallel(pieces, func(p int) {
		sums[p] = d.leaf.read(x[p*n/pieces : (p+1)*n/pieces])
	})
	var s float32
	for _, v := range sums {
		s += v
	}
	return s
}

// minStream is the number of values, 32 KiB, below which a second goroutine
// costs more than it saves.
const minStream = 1 << 13

// MultiplyAdd makes n multiply-adds in each of the lanes that keep the
// arithmetic units of a core busy, on every thread.
func (d *Device) MultiplyAdd(n int) (flops float64) {
	sums := make([]float32, d.cfg.Threads)
	d.cfg.Parallel(len(sums), func(t int) { sums[t] = d.leaf.steps(n) })
	return 2 * float64(n) * float64(d.leaf.chains) * float64(len(sums))
}

// genericChains is the number of chains of stepsGeneric.
const genericChains = 12

// stepsGeneric makes n steps x = x·1 + 1 from 0 in each of genericChains
// independent chains and returns their sum.
func stepsGeneric(n int) float32 {
	var a, b, c, d, e, f, g, h, i, j, k, l float32
	one := unit
	for range n {
		a, b, c = float32(a*one)+one, float32(b*one)+one, float32(c*one)+one
		d, e, f = float32(d*one)+one, float32(e*one)+one, float32(f*one)+one
		g, h, i = float32(g*one)+one, float32(h*one)+one, float32(i*one)+one
		j, k, l = float32(j*one)+one, float32(k*one)+one, float32(l*one)+one
	}
	return a + b + c + d + e + f + g + h + i + j + k + l
}

// unit is a variable, so that the compiler keeps the products.
var unit float32 = 1

// readGeneric returns the sum of x in eight partial sums.
func readGeneric(x []float32) float32 {
	var s [8]float32
	for ; len(x) >= 8; x = x[8:] {
		s[0] += x[0]
		s[1] += x[1]
		s[2] += x[2]
		s[3] += x[3]
		s[4] += x[4]
		s[5] += x[5]
		s[6] += x[6]
		s[7] += x[7]
	}
	for i, v := range x {
		s[i] += v
	}
	return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7]
}

// readVectors reads whole blocks of values with vectors and the rest one by one.
func readVectors(x []float32, block int, vectors func([]float32) float32) float32 {
	return vectors(x) + readGeneric(x[len(x)/block*block:])
}
