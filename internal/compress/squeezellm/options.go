// Package squeezellm gives every row a table of 2^bits values by weighted
// k-means, without error compensation, and keeps a few weights apart in a
// sparse matrix (SqueezeLLM, arXiv 2306.07629; methods.md 4.5). The published
// weights are squared gradients; these are not at hand here, and the mean
// squares of the input channels take their place. It gathers neither.
package squeezellm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3, 4 or 8.
	Bits int `yaml:"bits" doc:"width of a code"`
	// Sparse is the share of the weights that are kept apart, 8 of 9 for their
	// magnitude and 1 for their sensitivity. The paper has 0 and 0.0045.
	Sparse float64 `yaml:"sparse" doc:"share of the weights that are kept apart, in 16 bits: 8 of 9 for their magnitude, 1 for their sensitivity"`
	// Start names the start of k-means, see kmeans.Starts.
	Start string `yaml:"start" doc:"start of k-means"`
	// Weights names the weight of a number in k-means, DiagH or Equal.
	Weights string `yaml:"weights" doc:"weight of a number in k-means: the mean square of its input channel (diag-H), in the place of the published squared gradient, or the same for all (equal)"`
}

// What the weight of a number in k-means is.
const (
	DiagH = "diag-H" // the mean square of its input channel, H_jj up to a factor
	Equal = "equal"  // 1: plain k-means
)

var widths = []int{2, 3, 4, 8}

// mostSparse is the largest share that may be kept apart: more would take more
// bytes than all weights in 16 bits.
const mostSparse = 1. / 3

// DefaultOptions returns 4 bits, nothing kept apart, and the published start.
func DefaultOptions() Options {
	return Options{Bits: 4, Start: string(kmeans.PlusPlus), Weights: DiagH}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	choices := o.Choices()
	if !slices.Contains(widths, o.Bits) {
		bad("bits: %d, want one of %s", o.Bits, strings.Join(choices["bits"], ", "))
	}
	if !(o.Sparse >= 0 && o.Sparse <= mostSparse) {
		bad("sparse: %v, want a share of 0 to %.4g", o.Sparse, mostSparse)
	}
	if !slices.Contains(choices["start"], o.Start) {
		bad("start: %q, want one of %s", o.Start, strings.Join(choices["start"], ", "))
	}
	if !slices.Contains(choices["weights"], o.Weights) {
		bad("weights: %q, want one of %s", o.Weights, strings.Join(choices["weights"], ", "))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := map[string][]string{"weights": {DiagH, Equal}}
	for _, b := range widths {
		c["bits"] = append(c["bits"], strconv.Itoa(b))
	}
	for _, s := range kmeans.Starts() {
		c["start"] = append(c["start"], string(s))
	}
	return c
}

// Nominal returns the bits per weight of the codes and of what is kept apart,
// without tables and row positions.
func Nominal(o Options) float64 { return float64(o.Bits) + sparseBits*o.Sparse }

// sparseBits are those of a weight kept apart: an f16 value and its column.
const sparseBits = 16 + 32

// kept returns the number of weights of an out×in matrix that are kept apart.
func (o Options) kept(out, in int) int { return int(o.Sparse * float64(out) * float64(in)) }

// StoredBytes returns the bytes of a compressed out×in matrix: codes, f16 tables
// and, unless nothing is kept apart, 6 bytes for every weight that is and 4 for
// every row and one more.
func StoredBytes(o Options, out, in int) int64 {
	n := int64(out) * int64(packed.RowBytes(in, o.Bits)+2<<o.Bits)
	if k := o.kept(out, in); k > 0 {
		n += int64(k)*sparseBits/8 + 4*int64(out+1)
	}
	return n
}

// Fit returns o with the largest share kept apart at which an out×in matrix
// takes at most target bytes.
func Fit(o Options, out, in int, target int64) (Options, error) {
	o.Sparse = 0
	rest := target - StoredBytes(o, out, in)
	if rest < 0 {
		return o, fmt.Errorf("%d bytes are too few for the tables and codes of a %d×%d matrix at %d bits, which take %d",
			target, out, in, o.Bits, StoredBytes(o, out, in))
	}
	all := float64(out) * float64(in)
	if k := (rest - 4*int64(out+1)) / (sparseBits / 8); k > 0 {
		// Half a weight more, so that no rounding of the share loses one.
		o.Sparse = min((float64(k)+0.5)/all, mostSparse)
	}
	return o, nil
}

// Draw returns a random out×in matrix as large as one that Compress makes.
func Draw(o Options, out, in int, rng *rand.Rand) packed.Weight {
	dense := &packed.Codebook{Out: out, In: in, Bits: o.Bits, Group: in,
		Codes: packed.RandomCodes(rng, out, in, o.Bits), Table: packed.RandomF16(rng, out<<o.Bits)}
	k := o.kept(out, in)
	if k == 0 {
		return dense
	}
	sparse := &packed.Sparse{Out: out, In: in, Start: []uint32{0}, Values: packed.RandomF16(rng, k)}
	for r := range out {
		n := k*(r+1)/out - k*r/out
		for i := range n { // one column in each of n equal parts of the row
			lo, hi := i*in/n, (i+1)*in/n
			sparse.Columns = append(sparse.Columns, uint32(lo+rng.IntN(hi-lo)))
		}
		sparse.Start = append(sparse.Start, uint32(len(sparse.Columns)))
	}
	return &packed.Sum{Terms: []packed.Weight{dense, sparse}}
}
