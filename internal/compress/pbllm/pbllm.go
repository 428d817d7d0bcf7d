// Package pbllm binarises weights as PB-LLM does by GPTQ (arXiv 2310.00034;
// methods.md 4.7): the most salient weights of a matrix are rounded to 8 bits,
// the others to a sign, column by column, and the error of each is moved into
// the columns to come. It does not train.
package pbllm

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// The measures of how salient a weight is.
const (
	Hessian   = "hessian"   // w²/U_jj²
	Magnitude = "magnitude" // |w|
)

// What mean and magnitude of a row's binarised weights are taken over.
const (
	OverRow  = "row"  // all weights, salient ones counted as 0, as in the published code
	OverRest = "rest" // the binarised weights alone
)

// Options are the parameters of a scenario.
type Options struct {
	// Salient is the share of weights that get 8 bits, 0 to 1. The paper has
	// 0.05, 0.1, 0.2 and 0.5.
	Salient float64 `yaml:"salient" doc:"share of weights that get 8 bits, the others get a sign"`
	// Saliency of a weight, by which the salient ones of the whole matrix are
	// chosen: hessian is w²/U_jj², magnitude |w|.
	Saliency string `yaml:"saliency" doc:"measure by which weights are salient"`
	// Statistics says what mean and magnitude of a row are taken over.
	Statistics string `yaml:"statistics" doc:"weights over which mean and magnitude of a row are taken"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
}

// DefaultOptions returns 10 % salient weights by the Hessian.
func DefaultOptions() Options {
	return Options{Salient: 0.1, Saliency: Hessian, Statistics: OverRow, Damp: 0.01}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !(o.Salient >= 0 && o.Salient <= 1) {
		bad("salient: %v, want a share of 0 to 1", o.Salient)
	}
	if o.Saliency != Hessian && o.Saliency != Magnitude {
		bad("saliency: %q, want one of %s, %s", o.Saliency, Hessian, Magnitude)
	}
	if o.Statistics != OverRow && o.Statistics != OverRest {
		bad("statistics: %q, want one of %s, %s", o.Statistics, OverRow, OverRest)
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		bad("damp: %v, want a finite number of 0 or more", o.Damp)
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	return map[string][]string{"saliency": {Hessian, Magnitude}, "statistics": {OverRow, OverRest}}
}

// Nominal returns the paper's bits, 8·Salient + (1 − Salient).
func Nominal(o Options) float64 { return 8*o.Salient + 1 - o.Salient }

// count returns the number of salient weights of n. A share within rounding
// below one more weight counts as that.
func (o Options) count(n int) int {
	return min(n, int(o.Salient*float64(n)*(1+1e-12)))
}

// rowBytes are those of the scalars of a row: f16 scale, zero of 8 bits, f16
// mean and magnitude.
const rowBytes = 7

// StoredBytes returns the bytes of a compressed out×in matrix with k salient
// weights, k = ⌊Salient·out·in⌋: a mask and a plane of signs and lowest bits of
// out·in bits each, 7·k bits of codes and 7 bytes for each row. Per weight that
// is 8p + (1−p) + 1 + 56/in bits, p the share of salient weights.
func StoredBytes(o Options, out, in int) int64 {
	n := out * in
	return 2*int64(packed.PlaneBytes(n)) + int64(packed.RowBytes(o.count(n), 7)) + rowBytes*int64(out)
}

// Fit returns o with the largest share of salient weights at which an out×in
// matrix takes at most so many bytes.
func Fit(o Options, out, in int, target int64) (Options, error) {
	n := out * in
	o.Salient = 0
	least := StoredBytes(o, out, in)
	if target < least {
		return o, fmt.Errorf("%d bytes are too few for the signs of a %d×%d matrix, which take %d", target, out, in, least)
	}
	o.Salient = float64(min(8*(target-least)/7, int64(n))) / float64(n)
	return o, nil
}

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp}
}

// Diagnostics say how the compression of a matrix went.
type Diagnostics struct {
	Salient float64 // share of weights that are salient
}

// Compress compresses w, an out×in row-major matrix, with the factor f of its
// input's second moments, made with o.FactorOptions. Salient weights, grids
// and scalars come from the original weights, in which those of dead channels
// count as 0. An error is a fault of o, or names a weight that is not finite,
// or the row of a scalar beyond f16. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Partial, Diagnostics, error) {
	fail := func(err error) (*packed.Partial, Diagnostics, error) {
		return nil, Diagnostics{}, fmt.Errorf("pbllm: %w", err)
	}
	if faults := Check(o); faults != nil {
		return fail(faults[0])
	}
	if err := compensate.Finite(w, in); err != nil {
		return fail(err)
	}
	c := &coder{o: o, in: in, mask: o.mask(w, in, f), levels: make([]rowLevels, out)}
	p := &packed.Partial{Out: out, In: in, Scale: make([]uint16, out), Zero: make([]uint8, out), Rest: make([]uint16, 2*out)}
	row := make([]float64, in)
	for r := range out {
		for j, x := range w[r*in : (r+1)*in] {
			if row[j] = float64(x); f.Dead[j] {
				row[j] = 0
			}
		}
		if err := c.prepare(p, r, row); err != nil {
			return fail(err)
		}
	}
	codes := make([]uint8, out*in)
	err := compensate.Run(cfg, w, out, in, f, c.round, func(r int, row []uint8) { copy(codes[r*in:], row) })
	if err != nil {
		return fail(err)
	}
	c.pack(p, codes)
	return p, Diagnostics{Salient: float64(o.count(len(w))) / float64(len(w))}, nil
}

// Draw returns a random out×in matrix as large as one that Compress makes: its
// salient weights stand as far apart as they can.
func Draw(o Options, out, in int, rng *rand.Rand) *packed.Partial {
	n := out * in
	k := o.count(n)
	mask := make([]uint8, n)
	for i := range k {
		mask[i*n/k] = 1
	}
	p := &packed.Partial{Out: out, In: in, Mask: make([]byte, packed.PlaneBytes(n)), Low: packed.RandomCodes(rng, 1, n, 1),
		High: packed.RandomCodes(rng, 1, k, 7), Scale: packed.RandomF16(rng, out), Zero: packed.RandomCodes(rng, 1, out, 8),
		Rest: packed.RandomF16(rng, 2*out)}
	packed.PackRow(p.Mask, mask, 1)
	return p
}

// coder rounds the weights of a matrix.
type coder struct {
	o      Options
	in     int
	mask   []bool // out×in: salient
	levels []rowLevels
}

// rowLevels are what the weights of a row may become.
type rowLevels struct {
	grid grid.Grid // of salient weights
	mean float32
	pair [2]float32 // of the others: mean + and − magnitude
}

// prepare sets the scalars of row r from its original weights.
func (c *coder) prepare(p *packed.Partial, r int, row []float64) error {
	lo, hi := row[0], row[0]
	var mean, size, n float64
	over := func(j int) (float64, bool) {
		if c.mask[r*c.in+j] {
			return 0, c.o.Statistics == OverRow
		}
		return row[j], true
	}
	for j, x := range row {
		lo, hi = min(lo, x), max(hi, x)
		if v, ok := over(j); ok {
			mean += v
			n++
		}
	}
	mean /= max(1, n)
	for j := range row {
		if v, ok := over(j); ok {
			size += math.Abs(v - mean)
		}
	}
	size /= max(1, n)
	l := &c.levels[r]
	var err error
	if l.grid, p.Scale[r], err = grid.New16(lo, hi, 8, false); err != nil {
		return fmt.Errorf("row %d: %w", r, err)
	}
	p.Zero[r] = uint8(l.grid.Zero)
	p.Rest[2*r], p.Rest[2*r+1] = packed.F32ToF16(float32(mean)), packed.F32ToF16(float32(size))
	l.mean = packed.F16ToF32(p.Rest[2*r])
	half := packed.F16ToF32(p.Rest[2*r+1])
	l.pair = [2]float32{l.mean + half, l.mean - half}
	if s := l.pair[0] - l.pair[1]; s-s != 0 {
		return fmt.Errorf("row %d: mean %.4g or magnitude %.4g is beyond f16, whose largest is 65504", r, mean, size)
	}
	return nil
}

// round is the compensate.Rounder. The code of a weight that is not salient is
// 1 for a minus.
func (c *coder) round(r, column int, w []float32, codes []uint8, values []float32) {
	for i, x := range w {
		l := &c.levels[r+i]
		switch {
		case c.mask[(r+i)*c.in+column]:
			codes[i] = l.grid.Code(float64(x))
			values[i] = float32(l.grid.Value(codes[i]))
		case x < l.mean:
			codes[i], values[i] = 1, l.pair[1]
		default:
			codes[i], values[i] = 0, l.pair[0]
		}
	}
}

// pack makes the planes and the stream of high bits.
func (c *coder) pack(p *packed.Partial, codes []uint8) {
	bits := make([]uint8, len(codes))
	for i, q := range codes {
		bits[i] = q & 1
	}
	p.Low = make([]byte, packed.PlaneBytes(len(codes)))
	packed.PackRow(p.Low, bits, 1)
	high := codes[:0]
	for i, salient := range c.mask {
		bits[i] = 0
		if salient {
			bits[i] = 1
			high = append(high, codes[i]>>1) // never ahead of i
		}
	}
	p.Mask = make([]byte, packed.PlaneBytes(len(bits)))
	packed.PackRow(p.Mask, bits, 1)
	p.High = make([]byte, packed.RowBytes(len(high), 7))
	packed.PackRow(p.High, high, 7)
}
