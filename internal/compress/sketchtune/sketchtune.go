// Package sketchtune sketches weights as SketchTune does (arXiv 2410.06364;
// methods.md 2.2), and LeanQuant before it (arXiv 2407.10032; methods.md 2.12):
// every row, or group of adjacent columns of a row, becomes a table of 2^bits
// values found by weighted k-means, and codes that are chosen column by column
// while the error of each is moved into the columns to come. It neither gathers
// second moments nor trains the tables.
package sketchtune

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 3

// Compress sketches w, an out×in row-major matrix, with the factor f of its
// input's second moments, made with o.FactorOptions and shared by all matrices
// that read the input. Second moments h, in×in without damping, are read only
// if o.Refit. Weights of dead channels become 0 in w. Tables are rounded to f16
// before codes are chosen. An error is a fault of o, or names a weight that is
// not finite or a centroid beyond f16 by its place. The result does not depend
// on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, h []float32, o Options) (*packed.Codebook, Diagnostics, error) {
	fail := func(err error) (*packed.Codebook, Diagnostics, error) {
		return nil, Diagnostics{}, fmt.Errorf("sketchtune: %w", err)
	}
	if faults := Check(o); faults != nil {
		return fail(faults[0])
	}
	if err := CheckShape(o, out, in); err != nil {
		return fail(err)
	}
	if err := compensate.Finite(w, in); err != nil {
		return fail(err)
	}
	v := sampleWeights(f, o)
	f.ClearDead(w)
	tables, err := centres(cfg, w, out, in, v, o)
	if err != nil {
		return fail(err)
	}
	p, unused, err := encode(cfg, w, out, in, f, tables, o)
	if err != nil {
		return fail(err)
	}
	if o.Refit {
		if err := refit(cfg, p, w, h); err != nil {
			return fail(err)
		}
	}
	d := diagnose(f, tables)
	d.Unused = float64(unused) / float64(len(p.Table))
	d.OverOptimum, d.HasOverOptimum = tables.OverOptimum(cfg, w, out, in, v, sampled)
	return p, d, nil
}

// encode rounds the tables and chooses the codes. It also returns the number of
// table entries that no code names.
func encode(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, t *kmeans.Tables, o Options) (*packed.Codebook, int64, error) {
	rb := packed.RowBytes(in, o.Bits)
	p := &packed.Codebook{Out: out, In: in, Bits: o.Bits, Group: in / o.GPR, Codes: make([]byte, out*rb)}
	var err error
	if p.Table, err = round16(t.Centres, o); err != nil {
		return nil, 0, err
	}
	unused := atomic.Int64{}
	unused.Store(int64(len(p.Table)))
	err = compensate.Run(cfg, w, out, in, f, newNearest(p).rounder(), func(r int, codes []uint8) {
		packed.PackRow(p.Codes[r*rb:(r+1)*rb], codes, o.Bits)
		for g := range o.GPR {
			unused.Add(-named(codes[g*p.Group : (g+1)*p.Group]))
		}
	})
	return p, unused.Load(), err
}

// named returns how many different codes there are.
func named(codes []uint8) int64 {
	var seen [256]uint8
	for _, c := range codes {
		seen[c] = 1
	}
	var n int64
	for _, s := range seen {
		n += int64(s)
	}
	return n
}

// sampleWeights returns the weight of every column in k-means, the largest 1.
func sampleWeights(f *compensate.Factor, o Options) []float64 {
	v := f.Diagonal()
	if o.Weights == Diag {
		v = f.InverseDiagonal()
		least := slices.Min(v)
		for j := range v { // squares of what the largest exponent allows for
			v[j] /= least
		}
	}
	for j, u := range v {
		v[j] = math.Pow(u, -o.Exponent)
	}
	// Only ratios of the sample weights matter; between 1e-200 and 1 their
	// sums and products stay within float64.
	largest := slices.Max(v)
	for j := range v {
		v[j] = max(v[j]/largest, 1e-200)
	}
	return v
}

// centres makes the tables in float64, from the original weights (those of
// dead channels set to 0, and counted) under the sample weights v.
func centres(cfg gemm.Config, w []float32, out, in int, v []float64, o Options) (*kmeans.Tables, error) {
	return kmeans.Rows(cfg, w, out, in, o.GPR, v, kmeans.Options{K: 1 << o.Bits, Start: kmeans.Start(o.Start)})
}

// round16 rounds centres to f16.
func round16(centres []float64, o Options) ([]uint16, error) {
	table := make([]uint16, len(centres))
	for i, c := range centres {
		table[i] = packed.F32ToF16(float32(c))
		if table[i]&0x7fff == 0x7c00 {
			t := i >> o.Bits
			return nil, fmt.Errorf("centroid %d of row %d, group %d is %.4g, largest in f16 65504", i&(1<<o.Bits-1), t/o.GPR, t%o.GPR, c)
		}
	}
	return table, nil
}
