package cpu_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
	"github.com/sketchbench/sketchbench/kernels/kerneltest"
)

// The benchmarks pass through coldMatrices matrices of matrixBytes bytes, 256 MB
// together and far above any cache, so that every product reads its matrix from
// memory. One product takes less than a millisecond, so that on a busy machine
// some run undisturbed: the fastest is reported as GB/s-best.
const (
	coldMatrices = 64
	matrixBytes  = 4 << 20
)

// BenchmarkRead reads memory on one thread with wide loads, one multiply-add
// each: what the other products are to be compared with. (A loop of eight
// 32-byte loads and additions in C reads at the same rate.)
func BenchmarkRead(b *testing.B) {
	for _, isa := range cpu.Available() {
		if isa != gemm.Generic {
			b.Run(string(isa), func(b *testing.B) { benchCold(b, isa, benchWeights(4096)["dense/F32"]) })
		}
	}
}

// benchWeights are matrices of in columns and some matrixBytes bytes.
func benchWeights(in int) map[string]func() packed.Weight {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := func(n int) []byte {
		b := make([]byte, n+8)
		for i := 0; i < n; i += 8 {
			binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
		}
		return b[:n]
	}
	halves := func(n int) []uint16 {
		v := make([]uint16, n)
		for i := range v {
			v[i] = uint16(0x2c00 + i%1024) // from 1/16 on
		}
		return v
	}
	m := make(map[string]func() packed.Weight)
	for _, bits := range []int{2, 3, 4, 8} {
		out := matrixBytes * 8 / (in * bits)
		for _, group := range []int{64, 128, in} {
			name := fmt.Sprintf("bits=%d/group=%d", bits, group)
			m["grid/"+name] = func() packed.Weight {
				n := out * in / group
				return &packed.Grid{
					Out: out, In: in, Bits: bits, Group: group, Scale: halves(n),
					Codes: words(out * packed.RowBytes(in, bits)), Zero: words(packed.RowBytes(n, bits)),
				}
			}
			m["codebook/"+name] = func() packed.Weight {
				return &packed.Codebook{
					Out: out, In: in, Bits: bits, Group: group,
					Codes: words(out * packed.RowBytes(in, bits)), Table: halves(out * in / group << bits),
				}
			}
		}
	}
	for _, bits := range []int{2, 3, 4} {
		m[fmt.Sprintf("levels/bits=%d/block=64", bits)] = func() packed.Weight {
			out := matrixBytes * 8 / (in * bits)
			absmax := make([]float32, out*in/64)
			for i := range absmax {
				absmax[i] = 0.0625
			}
			return &packed.Levels{Out: out, In: in, Bits: bits, Block: 64, Codes: words(out * packed.RowBytes(in, bits)), Absmax: absmax}
		}
	}
	for dtype, size := range map[string]int{"F32": 4, "F16": 2, "BF16": 2} {
		m["dense/"+dtype] = func() packed.Weight {
			out := matrixBytes / (in * size)
			// 3c3c3c3c is 0.0115 as F32 and BF16, 1.06 as F16. Memory never
			// written would be one page of zeros, again and again.
			return &packed.Dense{Out: out, In: in, DType: dtype, Data: bytes.Repeat([]byte{0x3c}, out*in*size)}
		}
	}
	m["lowrank/rank=256"] = func() packed.Weight {
		out := matrixBytes/2/256 - in
		return &packed.LowRank{Out: out, In: in, Rank: 256, U: halves(out * 256), V: halves(256 * in)}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, v := range []packed.Binary{{Regions: 2, Keep: 8}, {Regions: 3, Keep: 4}} {
		v.Out, v.In, v.Block = matrixBytes*8/3/in, in, 128
		m[fmt.Sprintf("binary/regions=%d/keep=%d", v.Regions, v.Keep)] = func() packed.Weight { return packed.RandomBinary(rng, v) }
	}
	m["partial/salient=1:10"] = func() packed.Weight {
		return kerneltest.Variants(packed.KindPartial, in)[2].Make(rng, matrixBytes*8/3/in, in)
	}
	m["signs"] = func() packed.Weight {
		return kerneltest.Variants(packed.KindSigns, in)[0].Make(rng, matrixBytes*8/in, in)
	}
	return m
}

// BenchmarkMulCold multiplies matrices that lie in memory by one vector, on
// one thread. Bytes are those stored: codes and tables.
func BenchmarkMulCold(b *testing.B) {
	const in = 4096
	weights := benchWeights(in)
	var names []string
	for name := range weights {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, isa := range []gemm.ISA{gemm.AVX2, gemm.AVX512} {
			if slices.Contains(cpu.Available(), isa) {
				b.Run(name+"/"+string(isa), func(b *testing.B) { benchCold(b, isa, weights[name]) })
			}
		}
	}
}

// benchCold times products of matrices in memory with one vector, on one thread.
func benchCold(b *testing.B, isa gemm.ISA, weight func() packed.Weight) {
	d := open(b, isa, 1)
	var list []kernels.Matrix
	var size int64
	for range coldMatrices {
		w := weight()
		m, err := d.Upload(w)
		if err != nil {
			b.Fatal(err)
		}
		list, size = append(list, m), w.Bytes()
	}
	out, in := list[0].Dims()
	x, y := make(cpu.Buffer, in), make(cpu.Buffer, out)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	b.SetBytes(size)
	best := time.Hour
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		d.Mul(y, x, 1, list[i%coldMatrices])
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(size)/best.Seconds()*1e-9, "GB/s-best")
	b.ReportMetric(2*float64(out)*float64(in)*float64(b.N)/b.Elapsed().Seconds()*1e-9, "GFLOP/s")
}

// benchMul times products with t vectors.
func benchMul(b *testing.B, isa gemm.ISA, t int, w packed.Weight) {
	d := open(b, isa, 1)
	m, err := d.Upload(w)
	if err != nil {
		b.Fatal(err)
	}
	out, in := w.Dims()
	x, y := make(cpu.Buffer, t*in), make(cpu.Buffer, t*out)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	b.SetBytes(w.Bytes())
	for b.Loop() {
		d.Mul(y, x, t, m)
	}
	b.ReportMetric(2*float64(t)*float64(out)*float64(in)*float64(b.N)/b.Elapsed().Seconds()*1e-9, "GFLOP/s")
}

// BenchmarkMulPrefill multiplies by 512 vectors: decoding and gemm.
func BenchmarkMulPrefill(b *testing.B) {
	const out, in = 1024, 4096
	for _, kind := range packed.Kinds() {
		for _, v := range kerneltest.Variants(kind, in) {
			w := v.Make(rand.New(rand.NewPCG(1, 2)), out, in)
			b.Run(v.Name, func(b *testing.B) { benchMul(b, cpu.Available()[0], 512, w) })
		}
	}
}
