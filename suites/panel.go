package suites

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/kernels/gemm"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/approx"
)

// A panel is one Δ of out×in numbers and what it is measured with.
type panel struct {
	cfg      gemm.Config
	delta    []float32
	out, in  int
	sketch   *packed.Codebook
	stored   int64 // bytes of the case's matrix
	spectrum approx.Spectrum
	item     string
	sample   int
	controls []int // draws of the random buckets
}

// Streams of chance, so that no draw shares numbers with another.
const (
	streamControl = iota + 1
	streamFactors
	streamBase
)

// stream is the source of one purpose and draw at one size: of a drawn matrix,
// or the number of buckets. All exponents share it, and all cases of that size,
// so that they are compared on the same draws.
func stream(purpose, size, draw int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(purpose)<<32|uint64(size), uint64(draw)))
}

// emit measures the panel and writes its lines.
func (p panel) emit(out Out) error {
	weights := float64(p.out) * float64(p.in)
	entries := len(p.sketch.Table)
	line := func(metric string, v, weight float64) results.Record {
		return results.Record{Metric: metric, Item: p.item, Value: v, Weight: weight, Sample: p.sample}
	}
	lines := []results.Record{line("update_sq", p.spectrum.Energy(), weights)}
	if p.spectrum.Energy() == 0 {
		return out.emit(lines...)
	}
	projected := approx.Project(p.cfg, make([]float32, len(p.delta)), p.delta, p.sketch)
	lines = append(lines, line("update_projection_err_sq", projected, float64(entries)))
	if p.sample == 0 { // it differs little from draw to draw, and takes longest
		best, err := approx.KMeans(p.cfg, p.delta, p.out, p.in, p.sketch.Groups(), 1<<p.sketch.Bits)
		if err != nil {
			return err
		}
		lines = append(lines, line("update_kmeans_err_sq", best, float64(entries)))
	}
	// More buckets than entries of Δ would stay empty.
	buckets := min(entries, len(p.delta))
	for _, draw := range p.controls {
		control := line("update_random_err_sq", approx.RandomBuckets(p.delta, buckets, stream(streamControl, buckets, draw)), float64(buckets))
		control.Sample = draw
		lines = append(lines, control)
	}
	for _, low := range []struct {
		metric string
		rank   int
	}{
		{"update_rank8_err_sq", 8},
		{"update_trainable_err_sq", approx.EqualTrainables(entries, p.out, p.in)},
		{"update_bytes_err_sq", approx.EqualBytes(p.stored, p.out, p.in)},
	} {
		rank := min(low.rank, len(p.spectrum))
		lines = append(lines, line(low.metric, p.spectrum.ErrSq(rank), float64(rank)))
	}
	lines = append(lines, line("update_rank75", float64(p.spectrum.RankFor(0.75)), weights))
	if fit, ok := p.spectrum.PowerLaw(); ok {
		lines = append(lines, line("update_exponent", fit.Eta, float64(fit.Points)), line("update_exponent_se", fit.SE, float64(fit.Points)))
	}
	return out.emit(lines...)
}

// runPair measures the linear layers that the tuned checkpoint has and the case
// keeps as a codebook.
func runPair(ctx context.Context, c *Context, s *subject.Subject, d *deltaOptions, out Out) error {
	tuned := d.checkpoint(c)
	var specs []model.LinearSpec
	for _, spec := range s.Env.Model.Linears() {
		if _, ok := tuned.Tensors.Tensor(spec.Name); ok {
			specs = append(specs, spec)
		}
	}
	without := 0
	for i, spec := range specs {
		if err := ctx.Err(); err != nil {
			return err
		}
		what, err := s.Weights().Weight(spec.Name)
		if err != nil {
			return err
		}
		if sketch, ok := approx.Sketch(what); ok {
			if err := emitPair(s, d, tuned, spec, sketch, what.Bytes(), out); err != nil {
				return fmt.Errorf("tensor %s: %w", spec.Name, err)
			}
		} else {
			without++
		}
		out.Progress(i+1, len(specs))
	}
	if 0 < without && without < len(specs) { // of a case without any the table says it
		out.Doubt(fmt.Sprintf("%d of %d matrices are stored without codes and a table, so there is no mapping to project their update on", without, len(specs)))
	}
	return nil
}

// emitPair measures the update of one matrix.
func emitPair(s *subject.Subject, d *deltaOptions, tuned *subject.Model, spec model.LinearSpec, sketch *packed.Codebook, stored int64, out Out) error {
	delta, baseSq, err := difference(tuned.Weights(), s.Env.Model.Weights(), spec)
	if err != nil {
		return err
	}
	p := panel{cfg: s.Env.Gemm, delta: delta, out: spec.Out, in: spec.In, sketch: sketch, stored: stored, item: spec.Name}
	if p.spectrum, err = d.spectrum(spec.Name, p); err != nil {
		return err
	}
	for i := range d.Draws {
		p.controls = append(p.controls, i)
	}
	if err := out.emit(results.Record{Metric: "update_base_sq", Item: spec.Name, Value: baseSq, Weight: float64(len(delta))}); err != nil {
		return err
	}
	return p.emit(out)
}

// difference returns W′ − W, rounded to float32, and ‖W‖²F.
func difference(tuned, base engine.Weights, spec model.LinearSpec) (delta []float32, baseSq float64, err error) {
	after, err := tuned.Weight(spec.Name)
	if err != nil {
		return nil, 0, err
	}
	before, err := base.Weight(spec.Name)
	if err != nil {
		return nil, 0, err
	}
	delta, w := make([]float32, spec.Out*spec.In), make([]float32, spec.Out*spec.In)
	after.Dequantize(delta, 0, spec.Out)
	before.Dequantize(w, 0, spec.Out)
	for i, v := range w {
		delta[i] -= v
		baseSq += float64(v) * float64(v)
	}
	return delta, baseSq, nil
}

// spectrum decomposes Δ, once for all cases.
func (d *deltaOptions) spectrum(key string, p panel) (approx.Spectrum, error) {
	if s, ok := d.spectra[key]; ok {
		return s, nil
	}
	s, err := approx.SpectrumOf(p.cfg, p.delta, p.out, p.in)
	if err == nil {
		d.spectra[key] = s
	}
	return s, err
}

// keptFactors is the size up to which factors are kept for the next case: 8 MiB
// a draw.
const keptFactors = 1024

// singularVectors draws those of the matrices of one draw, once for all cases
// up to keptFactors.
func (d *deltaOptions) singularVectors(cfg gemm.Config, n, draw int) (*approx.Factors, error) {
	if f, ok := d.factors[[2]int{n, draw}]; ok {
		return f, nil
	}
	f, err := approx.NewFactors(cfg, n, stream(streamFactors, n, draw))
	if err == nil && n <= keptFactors {
		d.factors[[2]int{n, draw}] = f
	}
	return f, err
}

// runDrawn measures matrices of prescribed spectra against the mapping that the
// case learns from a normal random matrix, which knows nothing of them.
func runDrawn(ctx context.Context, s *subject.Subject, d *deltaOptions, out Out) error {
	done, total := 0, len(d.Size)*d.Draws*len(d.Eta)
	for _, n := range d.Size {
		for draw := range d.Draws {
			w, rng := make([]float32, n*n), stream(streamBase, n, draw)
			for i := range w {
				w[i] = float32(rng.NormFloat64())
			}
			what, err := compressDrawn(s, w, n)
			if err != nil {
				return err
			}
			sketch, ok := approx.Sketch(what)
			if !ok {
				out.Progress(total, total)
				return nil
			}
			factors, err := d.singularVectors(s.Env.Gemm, n, draw)
			if err != nil {
				return err
			}
			for _, eta := range d.Eta {
				if err := ctx.Err(); err != nil {
					return err
				}
				p := panel{cfg: s.Env.Gemm, delta: factors.Prescribed(s.Env.Gemm, eta), out: n, in: n, sketch: sketch, stored: what.Bytes(),
					item: fmt.Sprintf("%dx%d,eta%s", n, n, strconv.FormatFloat(eta, 'g', -1, 64)), sample: draw,
					controls: []int{draw}}
				if p.spectrum, err = d.spectrum(fmt.Sprintf("%s,%d", p.item, draw), p); err != nil {
					return err
				}
				if err := p.emit(out); err != nil {
					return fmt.Errorf("%s: %w", p.item, err)
				}
				done++
				out.Progress(done, total)
			}
		}
	}
	return nil
}

// compressDrawn compresses w with the case's method; one that leaves all alone
// gives nil.
func compressDrawn(s *subject.Subject, w []float32, n int) (packed.Weight, error) {
	if s.Case.Method.Compress == nil {
		return nil, nil
	}
	return s.Case.CompressDrawn(s.Env.Gemm, w, n, n)
}
