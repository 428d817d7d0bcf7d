// Package nf4 compresses weights by rounding each to the nearest of the levels
// of a normal float, scaled by the largest magnitude of its block (NF4 and its
// smaller kin NF2 and NF3; QLoRA, methods.md 4.3). It looks at no data and
// compensates no errors.
package nf4

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3 or 4 for NF2, NF3, NF4.
	Bits int `yaml:"bits" doc:"width of a code: NF2, NF3 or NF4"`
	// Block is the number of adjacent weights of the flattened matrix that
	// share a scale. It need not divide the rows.
	Block int `yaml:"block" doc:"weights of the flattened matrix that share a scale"`
	// DoubleQuant stores the scales in 8 bits.
	DoubleQuant bool `yaml:"double-quant" doc:"scales in 8 bits, with a second scale for every 256 of them"`
}

var widths = []int{2, 3, 4}

// DefaultOptions returns NF4 in blocks of 64 with float32 scales.
func DefaultOptions() Options { return Options{Bits: 4, Block: 64} }

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	if !slices.Contains(widths, o.Bits) {
		faults = append(faults, fmt.Errorf("bits: %d, want one of %s", o.Bits, strings.Join(o.Choices()["bits"], ", ")))
	}
	if o.Block < 1 {
		faults = append(faults, fmt.Errorf("block: %d, want 1 or more weights", o.Block))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := map[string][]string{}
	for _, b := range widths {
		c["bits"] = append(c["bits"], strconv.Itoa(b))
	}
	return c
}

// Nominal returns the bits per weight of the codes alone, as papers print.
func Nominal(o Options) float64 { return float64(o.Bits) }

// StoredBytes returns what Compress stores of an out×in matrix: codes row by
// row and 32 bits of scale per block, or with DoubleQuant 8 bits per block, 32
// per 256 blocks and 32 more.
func StoredBytes(o Options, out, in int) int64 {
	blocks := (int64(out)*int64(in)-1)/int64(o.Block) + 1
	n := int64(out) * int64(packed.RowBytes(in, o.Bits))
	if o.DoubleQuant {
		return n + blocks + 4*((blocks-1)/packed.AbsmaxBlock+1) + 4
	}
	return n + 4*blocks
}

// Fit returns o with the smallest block whose matrix takes at most target
// bytes.
func Fit(o Options, out, in int, target int64) (Options, error) {
	fits := func(block int) bool {
		o.Block = block
		return StoredBytes(o, out, in) <= target
	}
	if !fits(out * in) {
		return o, fmt.Errorf("block: %d bytes are too few for %d bits of a %d×%d matrix, which take %d in one block",
			target, o.Bits, out, in, StoredBytes(o, out, in))
	}
	o.Block = 1 + sort.Search(out*in-1, func(i int) bool { return fits(i + 1) })
	return o, nil
}

// chunk is the number of rows that a goroutine takes at a time.
const chunk = 16

// Compress rounds w, an out×in row-major matrix. Of levels equally near the
// lower is taken. Blocks of zeros have the scale 0, with double quantisation
// about 0, and the codes of the level 0. A weight that is not finite is an
// error that says where. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, o Options) (*packed.Levels, error) {
	if faults := Check(o); faults != nil {
		return nil, fmt.Errorf("nf4: %w", faults[0])
	}
	if out < 1 || in < 1 || len(w) != out*in {
		panic(fmt.Sprintf("nf4: %d weights for %d×%d", len(w), out, in))
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		return nil, fmt.Errorf("nf4: %w", err)
	}
	p := &packed.Levels{Out: out, In: in, Bits: o.Bits, Block: min(o.Block, out*in)}
	var bad int
	if p.Absmax, bad = absmax(cfg, w, p.Block); bad >= 0 {
		return nil, fmt.Errorf("nf4: weight [%d,%d] is %v", bad/in, bad%in, w[bad])
	}
	p.Codes = make([]byte, out*packed.RowBytes(in, o.Bits))
	cfg.Parallel((out+chunk-1)/chunk, func(i int) {
		n := newNearest(cfg.ISA, o.Bits)
		codes := make([]uint8, in)
		for r := i * chunk; r < min((i+1)*chunk, out); r++ {
			n.row(p, codes, w[r*in:(r+1)*in], r)
		}
	})
	if o.DoubleQuant {
		p.Offset = mean(p.Absmax)
		p.AbsmaxCodes, p.Absmax2 = double(p.Absmax, p.Offset)
		p.Absmax = nil
	}
	return p, nil
}

// ZeroShare returns the share of weights with the code of the level 0.
func ZeroShare(cfg gemm.Config, p *packed.Levels) float64 {
	rb := packed.RowBytes(p.In, p.Bits)
	zero := uint8(newNearest(cfg.ISA, p.Bits).zero)
	counts := make([]int, (p.Out+chunk-1)/chunk)
	cfg.Parallel(len(counts), func(i int) {
		codes := make([]uint8, p.In)
		for r := i * chunk; r < min((i+1)*chunk, p.Out); r++ {
			packed.UnpackRow(codes, p.Codes[r*rb:(r+1)*rb], p.In, p.Bits)
			for _, q := range codes {
				if q == zero {
					counts[i]++
				}
			}
		}
	})
	total := 0
	for _, c := range counts {
		total += c
	}
	return float64(total) / (float64(p.Out) * float64(p.In))
}
