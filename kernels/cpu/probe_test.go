package cpu_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestStream: the sum of small integers is exact in any order, so that it shows
// that every value was read, once.
func TestStream(t *testing.T) {
	everyISA(t, func(t *testing.T, isa gemm.ISA) {
		rnd := rand.New(rand.NewPCG(3, 4))
		for _, threads := range []int{1, 2, 3} {
			d := open(t, isa, threads)
			for _, n := range []int{0, 1, 63, 64, 65, 129, 1<<13 + 5, 1 << 15, 1<<18 + 77, 1<<20 - 3} {
				b := make(cpu.Buffer, n+1)
				var want float32
				for i := range b {
					b[i] = float32(rnd.IntN(7))
				}
				for _, v := range b[:n] {
					want += v
				}
				if got := d.Stream(b, n); got != want {
					t.Errorf("%d threads, %d values: sum %v, want %v", threads, n, got, want)
				}
			}
		}
	})
}

// BenchmarkPeaks holds the probes to the products: multiply-adds over the best
// of Gemm, and reading over the best of a product with one vector. Both ratios
// belong above 1 on a quiet machine: no product has more operations a second
// than MultiplyAdd, and none reads faster than Stream.
func BenchmarkPeaks(b *testing.B) {
	for _, isa := range cpu.Available() {
		b.Run(string(isa), func(b *testing.B) { peaks(b, isa) })
	}
}

func peaks(b *testing.B, isa gemm.ISA) {
	d, err := cpu.New(cpu.Options{ISA: isa, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	const n, large, in = 192, 1 << 24, 4096 // 64 MiB of float32
	left, right, out := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	memory := make([]byte, 4*large)
	for i := range memory {
		memory[i] = 0x3c
	}
	w, err := d.Upload(&packed.Dense{Out: large / in, In: in, DType: "F32", Data: memory})
	if err != nil {
		b.Fatal(err)
	}
	x, y, buf := make(cpu.Buffer, in), make(cpu.Buffer, large/in), make(cpu.Buffer, large)
	for i := range buf {
		buf[i] = 1
	}
	rate := func(work float64, f func()) float64 {
		start := time.Now()
		f()
		return work / time.Since(start).Seconds()
	}
	one := gemm.Config{ISA: isa, Threads: 1}
	var fma, product, stream, read float64
	for b.Loop() {
		fma = max(fma, rate(1e6*d.MultiplyAdd(1), func() { d.MultiplyAdd(1e6) }))
		product = max(product, rate(2*n*n*n, func() { one.Gemm(false, false, n, n, n, 1, left, n, right, n, 0, out, n) }))
		stream = max(stream, rate(4*large, func() { d.Stream(buf, large) }))
		read = max(read, rate(4*large, func() { d.Mul(y, x, 1, w) }))
	}
	b.ReportMetric(fma/product, "fma/gemm")
	b.ReportMetric(stream/read, "stream/product")
}
