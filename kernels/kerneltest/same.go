package kerneltest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// Same checks that all operations of a and b give the same bits: two devices
// that differ in their number of threads only. Sizes are large enough to be
// divided.
func Same(t *testing.T, a, b kernels.Device) {
	const out, in = 72, 1024
	for _, kind := range packed.Kinds() {
		for _, v := range Variants(kind, in) {
			w := v.Make(rand.New(rand.NewPCG(13, 14)), out, in)
			for _, n := range []int{1, 3, 9} {
				same(t, v.Name, a, b, []int{n * out, n * in}, func(d kernels.Device, v []kernels.Buffer) {
					m, err := d.Upload(w)
					if err != nil {
						t.Fatal(err)
					}
					d.Mul(v[0], v[1], n, m)
				})
			}
		}
	}
	const n, heads, kvHeads, dim = 80, 4, 2, 64
	same(t, "RMSNorm", a, b, []int{n * in, n * in, in}, func(d kernels.Device, v []kernels.Buffer) {
		d.RMSNorm(v[0], v[1], v[2], n, 1e-5)
	})
	same(t, "RoPE", a, b, []int{n * heads * dim}, func(d kernels.Device, v []kernels.Buffer) {
		freq := make([]float64, dim/2)
		for i := range freq {
			freq[i] = math.Pow(10000, -float64(i)/(dim/2))
		}
		d.RoPE(v[0], n, heads, dim, 3, freq)
	})
	for _, queries := range []int{1, n} {
		width, kv, past := heads*dim, kvHeads*dim, 500
		same(t, "Attention", a, b, []int{queries * width, queries * width, (past + queries) * kv, (past + queries) * kv},
			func(d kernels.Device, v []kernels.Buffer) {
				d.Attention(v[0], v[1], v[2], v[3], queries, past, heads, kvHeads, dim)
			})
	}
	same(t, "SwiGLU", a, b, []int{n * in, n * in, n * in}, func(d kernels.Device, v []kernels.Buffer) {
		d.SwiGLU(v[0], v[1], v[2], n*in)
	})
	same(t, "Add", a, b, []int{n * in, n * in}, func(d kernels.Device, v []kernels.Buffer) {
		d.Add(v[0], v[1], n*in)
	})
	same(t, "Gram", a, b, []int{300 * 300, n * 300}, func(d kernels.Device, v []kernels.Buffer) {
		d.Gram(v[0], v[1], n, 300)
	})
}

// same runs op on both devices with buffers of the given sizes, filled alike
// with normal values, and compares the first one afterwards.
func same(t *testing.T, name string, a, b kernels.Device, sizes []int, op func(d kernels.Device, v []kernels.Buffer)) {
	t.Helper()
	var got [2][]float32
	for i, d := range []kernels.Device{a, b} {
		rnd := rand.New(rand.NewPCG(15, 16))
		var v []kernels.Buffer
		for _, n := range sizes {
			buf, err := d.NewBuffer(n)
			if err != nil {
				t.Fatal(err)
			}
			d.Write(buf, normal(rnd, n))
			v = append(v, buf)
		}
		op(d, v)
		if err := d.Sync(); err != nil {
			t.Fatal(err)
		}
		got[i] = make([]float32, sizes[0])
		d.Read(got[i], v[0])
	}
	for i, x := range got[0] {
		if y := got[1][i]; math.Float32bits(x) != math.Float32bits(y) {
			t.Fatalf("%s: value %d is %v on one device and %v on the other", name, i, x, y)
		}
	}
}
