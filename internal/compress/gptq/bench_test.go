package gptq

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// benchProblem returns weights and the second moments of inputs with common
// factors, whose channels have very different scales.
func benchProblem(out, in int) (w, h []float32) {
	rnd := rand.New(rand.NewPCG(1, 1))
	w = make([]float32, out*in)
	for i := range w {
		w[i] = float32(0.02 * rnd.NormFloat64())
	}
	const samples, common = 512, 16
	normal := func(n int, size float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(size * rnd.NormFloat64())
		}
		return v
	}
	x := normal(samples*in, 1)
	gemm.Config{}.Gemm(false, false, samples, in, common, 1, normal(samples*common, 0.5), common, normal(common*in, 1), in, 1, x, in)
	scale := normal(in, 0.5)
	for i := range x {
		x[i] *= float32(math.Exp(float64(scale[i%in])))
	}
	h = make([]float32, in*in)
	gemm.Config{}.Gemm(true, false, in, in, samples, 2./samples, x, in, x, in, 0, h, in)
	return w, h
}

// seconds are the times of a compression in its parts.
type seconds struct {
	Factor   float64 `json:"factor"`   // of the factorisation
	Compress float64 `json:"compress"` // of everything else
	// Products is the part of Compress that moves errors from block to block
	// of 128 columns, by the same products once more.
	Products float64 `json:"products"`
}

// timed compresses w with the second moments h, which it keeps.
func timed(b *testing.B, w, h []float32, out, in int, o Options) (p *packed.Grid, s seconds) {
	b.Helper()
	h, w = slices.Clone(h), slices.Clone(w)
	start := time.Now()
	f, err := compensate.NewFactor(gemm.Config{}, h, in, o.FactorOptions())
	if err != nil {
		b.Fatal(err)
	}
	s.Factor = time.Since(start).Seconds()
	start = time.Now()
	if p, _, err = Compress(gemm.Config{}, w, out, in, f, o); err != nil {
		b.Fatal(err)
	}
	s.Compress = time.Since(start).Seconds()
	start = time.Now()
	products(w, out, in, f)
	s.Products = time.Since(start).Seconds()
	return p, s
}

// products multiplies what compensation multiplies between blocks of 128
// columns: halves of whole blocks, rows in as many pieces.
func products(w []float32, out, in int, f *compensate.Factor) {
	cfg, _ := gemm.Config{}.Resolve()
	one := gemm.Config{ISA: cfg.ISA, Threads: 1}
	rows := min(512, (out+cfg.Threads-1)/cfg.Threads)
	cfg.Parallel((out+rows-1)/rows, func(i int) {
		n := min(rows, out-i*rows)
		part := w[i*rows*in : (i*rows+n)*in]
		var halve func(lo, hi int)
		halve = func(lo, hi int) {
			if hi-lo <= block {
				return
			}
			mid := lo + ((hi-lo-1)/block+2)/2*block
			halve(lo, mid)
			one.Gemm(false, false, n, hi-mid, mid-lo, -1e-9, part[lo:], in, f.U[lo*in+mid:], in, 1, part[mid:], in)
			halve(mid, hi)
		}
		halve(0, in)
	})
}

// BenchmarkCompress reports the time of each part per weight.
func BenchmarkCompress(b *testing.B) {
	for _, shape := range [][2]int{{2048, 2048}, {4096, 4096}} {
		out, in := shape[0], shape[1]
		w, h := benchProblem(out, in)
		for _, o := range []Options{DefaultOptions(), with(func(o *Options) { o.Group = 0 })} {
			b.Run(fmt.Sprintf("%dx%d/group=%d", out, in, o.Group), func(b *testing.B) {
				var sum seconds
				for b.Loop() {
					_, s := timed(b, w, h, out, in, o)
					sum.Factor += s.Factor
					sum.Compress += s.Compress
					sum.Products += s.Products
				}
				per := 1e9 / float64(b.N) / float64(out*in)
				b.ReportMetric(sum.Factor*per, "factor-ns/weight")
				b.ReportMetric((sum.Compress-sum.Products)*per, "columns-ns/weight")
				b.ReportMetric(sum.Products*per, "products-ns/weight")
			})
		}
	}
}

// BenchmarkFile serves bench/peers/gptq.py: it compresses the matrix of a file,
// W then H in float32, once for every iteration, and writes the times of all as
// JSON and Ŵ beside it.
func BenchmarkFile(b *testing.B) {
	path, shape := os.Getenv("SKETCHBENCH_GPTQ_MATRIX"), os.Getenv("SKETCHBENCH_GPTQ_SHAPE")
	if path == "" {
		b.Skip("SKETCHBENCH_GPTQ_MATRIX names no file")
	}
	o := DefaultOptions()
	var out, in int
	if _, err := fmt.Sscanf(shape, "%dx%dx%d", &out, &in, &o.Group); err != nil {
		b.Fatal(err)
	}
	o.ActOrder = os.Getenv("SKETCHBENCH_GPTQ_ACT_ORDER") == "1"
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) != 4*in*(out+in) {
		b.Fatal(err, len(raw))
	}
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	var all []seconds
	var p *packed.Grid
	for b.Loop() {
		var s seconds
		p, s = timed(b, values[:out*in], values[out*in:], out, in, o)
		all = append(all, s)
	}
	what := make([]float32, out*in)
	p.Dequantize(what, 0, out)
	raw = raw[:0]
	for _, v := range what {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	times, err := json.Marshal(all)
	if err != nil {
		b.Fatal(err)
	}
	for name, data := range map[string][]byte{".json": times, ".what": raw} {
		if err := os.WriteFile(path+name, data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}
