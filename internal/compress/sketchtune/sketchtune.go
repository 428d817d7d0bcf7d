// Package sketchtune sketches weights as SketchTune does (arXiv 2410.06364;
// methods.md 2.2): every row, or group of adjacent columns of a row, becomes a
// table of 2^bits values found by weighted k-means, and codes that are chosen
// column by column while the error of each is moved into the columns to come.
// It neither gathers second moments nor trains the tables.
package sketchtune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 3

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3 or 4, as in the papers.
	Bits int `yaml:"bits" doc:"width of a code"`
	// GPR is the number of groups per row, each with its own table. It must
	// divide the number of input channels.
	GPR int `yaml:"gpr" doc:"groups per row, each with its own table; divides the input channels"`
	// Exponent s of the sample weights U_jj^(-s). SketchTune has 3, its
	// predecessor LeanQuant 3 or 4; 0 is plain k-means. U_jj is the diagonal
	// of the Cholesky factor of H⁻¹, as in the code; the paper's formula has
	// the diagonal of H⁻¹ (methods.md 2.11 B1).
	Exponent float64 `yaml:"exponent" doc:"of the sample weights of k-means; 0 is plain k-means"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
	// ActOrder rounds the columns of largest H_jj first. Groups stay those of
	// the original order.
	ActOrder bool `yaml:"act-order" doc:"round the columns of largest H_jj first"`
	// Start names the start of k-means, see kmeans.Starts.
	Start string `yaml:"start" doc:"start of k-means"`
}

var widths = []int{2, 3, 4}

// largestExponent keeps U_jj^(-s) of float32 values within float64.
const largestExponent = 8

// DefaultOptions returns 4 bits, one group per row and the published exponent,
// damping and order, with the histogram start.
func DefaultOptions() Options {
	return Options{Bits: 4, GPR: 1, Exponent: 3, Damp: 0.1, ActOrder: true, Start: string(kmeans.Histogram)}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !slices.Contains(widths, o.Bits) {
		bad("bits: %d, want one of %s", o.Bits, strings.Join(o.Choices()["bits"], ", "))
	}
	if o.GPR < 1 {
		bad("gpr: %d, want 1 or more groups per row", o.GPR)
	}
	if !(o.Exponent >= 0 && o.Exponent <= largestExponent) {
		bad("exponent: %v, want 0 to %d", o.Exponent, largestExponent)
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		bad("damp: %v, want a finite number of 0 or more", o.Damp)
	}
	if !slices.Contains(kmeans.Starts(), kmeans.Start(o.Start)) {
		bad("start: %q, want one of %s", o.Start, strings.Join(o.Choices()["start"], ", "))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := map[string][]string{}
	for _, b := range widths {
		c["bits"] = append(c["bits"], strconv.Itoa(b))
	}
	for _, s := range kmeans.Starts() {
		c["start"] = append(c["start"], string(s))
	}
	return c
}

// CheckShape returns the fault of o on an out×in matrix, if any.
func CheckShape(o Options, out, in int) error {
	if o.GPR < 1 || in%o.GPR != 0 {
		return fmt.Errorf("gpr: %d does not divide the %d input channels", o.GPR, in)
	}
	return nil
}

// Nominal returns the bits per weight of the codes alone.
func Nominal(o Options) float64 { return float64(o.Bits) }

// StoredBits returns the bits per weight of an out×in matrix, codes and f16
// tables: Bits + 16·2^Bits·GPR/in, a row's codes filling whole bytes.
func StoredBits(o Options, out, in int) float64 {
	return 8 * float64(StoredBytes(o, out, in)) / (float64(out) * float64(in))
}

// StoredBytes returns the bytes of a compressed out×in matrix.
func StoredBytes(o Options, out, in int) int64 {
	return int64(out) * int64(packed.RowBytes(in, o.Bits)+2*o.GPR<<o.Bits)
}

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp, ActOrder: o.ActOrder}
}

// Diagnostics say how the sketching of a matrix went.
type Diagnostics struct {
	Damping       float64 // added to the diagonal of H, in its units
	Dead          int     // input channels that are always zero
	Inertia       float64 // weighted k-means, summed over tables, before rounding to f16
	MaxIterations int     // of Lloyd, over all tables
	EmptyTables   int     // tables of which a cluster was ever empty
}

// Compress sketches w, an out×in row-major matrix, with the factor f of its
// input's second moments, made with o.FactorOptions and shared by all matrices
// that read the input. Weights of dead channels become 0 in w. Tables are rounded to f16 before codes are chosen.
// An error is a fault of o, or names a weight that is not finite or a centroid
// beyond f16 by its place. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Codebook, error) {
	p, _, err := CompressDiagnosed(cfg, w, out, in, f, o)
	return p, err
}

// CompressDiagnosed is Compress with diagnostics.
func CompressDiagnosed(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Codebook, Diagnostics, error) {
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
	tables, err := centres(cfg, w, out, in, f, o)
	if err != nil {
		return fail(err)
	}
	p, err := encode(cfg, w, out, in, f, tables, o)
	if err != nil {
		return fail(err)
	}
	return p, diagnose(f, tables), nil
}

// encode rounds the tables and chooses the codes.
func encode(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, t *kmeans.Tables, o Options) (*packed.Codebook, error) {
	rb := packed.RowBytes(in, o.Bits)
	p := &packed.Codebook{Out: out, In: in, Bits: o.Bits, Group: in / o.GPR, Codes: make([]byte, out*rb)}
	var err error
	if p.Table, err = round16(t.Centres, o); err != nil {
		return nil, err
	}
	err = compensate.Run(cfg, w, out, in, f, newNearest(p).round, func(r int, codes []uint8) {
		packed.PackRow(p.Codes[r*rb:(r+1)*rb], codes, o.Bits)
	})
	return p, err
}

// centres makes the tables in float64, from the original weights (those of
// dead channels set to 0, and counted) under the sample weights U_jj^(-s).
func centres(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*kmeans.Tables, error) {
	v := f.Diagonal()
	for j, u := range v {
		v[j] = math.Pow(u, -o.Exponent)
	}
	// Only ratios of the sample weights matter; between 1e-200 and 1 their
	// sums and products stay within float64.
	largest := slices.Max(v)
	for j := range v {
		v[j] = max(v[j]/largest, 1e-200)
	}
	for j, dead := range f.Dead {
		for i := j; dead && i < len(w); i += in {
			w[i] = 0
		}
	}
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

func diagnose(f *compensate.Factor, t *kmeans.Tables) Diagnostics {
	d := Diagnostics{Damping: f.Damping}
	for _, dead := range f.Dead {
		if dead {
			d.Dead++
		}
	}
	for _, s := range t.Stats {
		d.Inertia += s.Inertia
		d.MaxIterations = max(d.MaxIterations, s.Iterations)
		if s.Empty {
			d.EmptyTables++
		}
	}
	return d
}
