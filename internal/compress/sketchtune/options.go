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
)

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3 or 4, as in the papers, or 8.
	Bits int `yaml:"bits" doc:"width of a code"`
	// GPR is the number of groups per row, each with its own table. It must
	// divide the number of input channels.
	GPR int `yaml:"gpr" doc:"groups per row, each with its own table; divides the input channels"`
	// Exponent s of the sample weights. SketchTune has 3, its predecessor
	// LeanQuant 3 or 4; 0 is plain k-means.
	Exponent float64 `yaml:"exponent" doc:"of the sample weights of k-means; 0 is plain k-means"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
	// ActOrder rounds the columns of largest H_jj first. Groups stay those of
	// the original order.
	ActOrder bool `yaml:"act-order" doc:"round the columns of largest H_jj first"`
	// Start names the start of k-means, see kmeans.Starts.
	Start string `yaml:"start" doc:"start of k-means"`
	// Weights names what the sample weights are made of, U or Diag.
	Weights string `yaml:"weights" doc:"what the sample weights of k-means are made of: the Cholesky diagonal of the inverse H (U, the code) or the diagonal of the inverse H (diag, the paper)"`
	// Refit fits the tables again after the codes have been chosen, by least
	// squares under H (methods.md 2.11 B8).
	Refit bool `yaml:"refit" doc:"fit the tables again to the chosen codes, by least squares under H"`
}

// What sample weights are made of (methods.md 2.11 B1).
const (
	// U is U_jj^(-s), U the Cholesky factor of H⁻¹, as in LeanQuant's code.
	U = "U"
	// Diag is [H⁻¹]_jj^(-s), as in LeanQuant's paper: at s = 1 the increase of
	// the layer's error for a unit of squared rounding error of one weight.
	Diag = "diag"
)

var widths = []int{2, 3, 4, 8}

const (
	// largestExponent keeps U_jj^(-s) of float32 values within float64.
	largestExponent = 8
	// largestRefit is the number of table entries of a row up to which they are
	// fitted again: the normal equations of a row take 8 MB then.
	largestRefit = 1024
)

// DefaultOptions returns 4 bits, one group per row and the published exponent,
// damping and order, with the histogram start.
func DefaultOptions() Options {
	return Options{Bits: 4, GPR: 1, Exponent: 3, Damp: 0.1, ActOrder: true, Start: string(kmeans.Histogram), Weights: U}
}

// LeanQuantOptions returns the published options of LeanQuant, the predecessor
// (arXiv 2407.10032; methods.md 2.12): one group per row, exponent 4 and the
// start of its code.
func LeanQuantOptions() Options {
	o := DefaultOptions()
	o.Exponent, o.Start = 4, string(kmeans.Published)
	return o
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !slices.Contains(widths, o.Bits) {
		bad("bits: %d, want one of %s", o.Bits, join(widths))
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
	if o.Weights != U && o.Weights != Diag {
		bad("weights: %q, want one of %s", o.Weights, strings.Join(o.Choices()["weights"], ", "))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := map[string][]string{"weights": {U, Diag}}
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
		return fmt.Errorf("gpr: %d does not divide the %d input channels, want one of %s", o.GPR, in, join(divisors(in)))
	}
	if n := o.GPR << o.Bits; o.Refit && n > largestRefit {
		return fmt.Errorf("refit: %d table entries in a row, want at most %d: a gpr of 1 to %d", n, largestRefit, largestRefit>>o.Bits)
	}
	return nil
}

// divisors returns the divisors of n, ascending.
func divisors(n int) []int {
	var list []int
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			list = append(list, d)
		}
	}
	return list
}

func join(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}

// Fit returns o with the most groups per row at which an out×in matrix takes at
// most target bytes.
func Fit(o Options, out, in int, target int64) (Options, error) {
	list := divisors(in)
	for _, o.GPR = range slices.Backward(list) {
		if StoredBytes(o, out, in) <= target && CheckShape(o, out, in) == nil {
			return o, nil
		}
	}
	o.GPR = 1
	return o, fmt.Errorf("%d bytes are too few for one table a row of a %d×%d matrix at %d bits, which takes %d",
		target, out, in, o.Bits, StoredBytes(o, out, in))
}

// Nominal returns the bits per weight of the codes alone.
func Nominal(o Options) float64 { return float64(o.Bits) }

// StoredBytes returns the bytes of a compressed out×in matrix, codes and f16
// tables: Bits + 16·2^Bits·GPR/in bits per weight, a row's codes filling whole
// bytes.
func StoredBytes(o Options, out, in int) int64 {
	return int64(out) * int64(packed.RowBytes(in, o.Bits)+2*o.GPR<<o.Bits)
}

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp, ActOrder: o.ActOrder}
}
