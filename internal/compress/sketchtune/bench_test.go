package sketchtune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// benchProblem returns weights of a trained matrix's looks and the second
// moments of inputs whose channels are correlated and of very different
// scales, a few of them outliers.
func benchProblem(out, in int) (w, h []float32) {
	rnd := rand.New(rand.NewPCG(1, 1))
	w = make([]float32, out*in)
	for i := range w {
		w[i] = float32(0.02 * rnd.NormFloat64() / math.Pow(rnd.ExpFloat64(), 0.2))
	}
	const samples, common = 512, 16
	mix, scale := make([]float32, common*in), make([]float32, in)
	for i := range mix {
		mix[i] = float32(rnd.NormFloat64())
	}
	for j := range scale {
		scale[j] = float32(math.Exp(0.5 * rnd.NormFloat64()))
		if rnd.IntN(200) == 0 {
			scale[j] *= 20
		}
	}
	x, z := make([]float32, samples*in), make([]float32, samples*common)
	for i := range z {
		z[i] = 0.5 * float32(rnd.NormFloat64())
	}
	for i := range x {
		x[i] = float32(rnd.NormFloat64())
	}
	gemm.Config{}.Gemm(false, false, samples, in, common, 1, z, common, mix, in, 1, x, in)
	for i := range x {
		x[i] *= scale[i%in]
	}
	h = make([]float32, in*in)
	gemm.Config{}.Gemm(true, false, in, in, samples, 2./samples, x, in, x, in, 0, h, in)
	return w, h
}

// cpuTime returns the processor time of this process, all threads, so far.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// phases adds up the wall and processor time of parts of an operation.
type phases struct {
	names     []string
	wall, cpu map[string]time.Duration
}

func (p *phases) time(name string, f func()) {
	if p.wall == nil {
		p.wall, p.cpu = map[string]time.Duration{}, map[string]time.Duration{}
	}
	if !slices.Contains(p.names, name) {
		p.names = append(p.names, name)
	}
	wall, cpu := time.Now(), cpuTime()
	f()
	p.wall[name] += time.Since(wall)
	p.cpu[name] += cpuTime() - cpu
}

// The benchmarks compress a matrix with the default options, all in and with
// the factor given. Per weight they report the wall time and the processor
// time (all threads) of the factorisation, of k-means and of compensation.
func BenchmarkSketchTune4096x4096(b *testing.B) { benchSize(b, 4096, 4096, kmeans.Histogram) }
func BenchmarkSketchTune2048x8192(b *testing.B) { benchSize(b, 2048, 8192, kmeans.Histogram) }
func BenchmarkSketchTune2048x2048(b *testing.B) {
	benchSize(b, 2048, 2048, kmeans.Histogram, kmeans.Linspace)
}

func benchSize(b *testing.B, out, in int, starts ...kmeans.Start) {
	w, h := benchProblem(out, in)
	for _, start := range starts {
		b.Run("all-in/"+string(start), func(b *testing.B) { benchCompress(b, w, h, out, in, false, start) })
		b.Run("factor-given/"+string(start), func(b *testing.B) { benchCompress(b, w, h, out, in, true, start) })
	}
}

func benchCompress(b *testing.B, w, h []float32, out, in int, given bool, start kmeans.Start) {
	o := DefaultOptions()
	o.Start = string(start)
	var f *compensate.Factor
	var err error
	newFactor := func() {
		if f, err = compensate.NewFactor(gemm.Config{}, h, in, o.FactorOptions()); err != nil {
			b.Fatal(err)
		}
	}
	keep := slices.Clone(h)
	newFactor()
	var p phases
	weights := float64(out) * float64(in)
	for b.Loop() {
		if !given {
			b.StopTimer()
			copy(h, keep)
			b.StartTimer()
			p.time("factor", newFactor)
		}
		var tables *kmeans.Tables
		p.time("kmeans", func() { tables, err = centres(gemm.Config{}, w, out, in, sampleWeights(f, o), o) })
		if err != nil {
			b.Fatal(err)
		}
		p.time("compensate", func() { _, _, err = encode(gemm.Config{}, w, out, in, f, tables, o) })
		if err != nil {
			b.Fatal(err)
		}
	}
	copy(h, keep)
	for _, name := range p.names {
		b.ReportMetric(float64(p.wall[name])/float64(b.N)/weights, name+"-ns/weight")
		b.ReportMetric(float64(p.cpu[name])/float64(b.N)/weights, name+"-cpu-ns/weight")
	}
	b.ReportMetric(weights*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
}

// BenchmarkRefit fits the tables of a matrix again, by bits and groups per row.
func BenchmarkRefit(b *testing.B) {
	const out, in = 1024, 2048
	w, h := benchProblem(out, in)
	o := DefaultOptions()
	f, err := compensate.NewFactor(gemm.Config{}, slices.Clone(h), in, o.FactorOptions())
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range [][2]int{{4, 1}, {2, 4}, {4, 8}} {
		o.Bits, o.GPR = size[0], size[1]
		p, _, err := Compress(gemm.Config{}, w, out, in, f, nil, o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%dbits-gpr%d", o.Bits, o.GPR), func(b *testing.B) {
			var ph phases
			for b.Loop() {
				ph.time("refit", func() { err = refit(gemm.Config{}, p, w, h) })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(ph.cpu["refit"])/float64(b.N)/(out*in), "cpu-ns/weight")
		})
	}
}
