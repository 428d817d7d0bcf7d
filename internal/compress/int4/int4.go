// Package int4 compresses weights by rounding to nearest (RTN) on evenly
// spaced grids, one per row and group of input channels (methods.md 4.1): the
// baseline that looks at no data. It has no error compensation.
package int4

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/grid"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3, 4 or 8.
	Bits int `yaml:"bits" doc:"width of a code"`
	// Group is the number of adjacent input channels that share a scale; the
	// last group of a row may be shorter. 0 is the whole row.
	Group int `yaml:"group" doc:"input channels that share a scale; 0 is the whole row"`
	// Symmetric grids store no zero; theirs is the level 2^Bits/2.
	Symmetric bool `yaml:"symmetric" doc:"levels symmetric around zero, without stored zeros"`
	// MSEClip chooses among narrower ranges of a group the one with the least
	// Σ|ŵ-w|^2.4, as grid.Clip says.
	MSEClip bool `yaml:"mse-clip" doc:"search the range of a group that has the least error, instead of its extremes"`
}

var widths = []int{2, 3, 4, 8}

// DefaultOptions returns 4 bits, groups of 128, asymmetric.
func DefaultOptions() Options { return Options{Bits: 4, Group: 128} }

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	if !slices.Contains(widths, o.Bits) {
		faults = append(faults, fmt.Errorf("bits: %d, want one of %s", o.Bits, strings.Join(o.Choices()["bits"], ", ")))
	}
	if o.Group < 0 {
		faults = append(faults, fmt.Errorf("group: %d, want 0 (the whole row) or more", o.Group))
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

// group returns the group length on rows of in weights.
func (o Options) group(in int) int {
	if o.Group == 0 {
		return in
	}
	return min(o.Group, in)
}

// StoredBytes returns what Compress stores of an out×in matrix: codes row by
// row, 16 bits of scale per group and, unless Symmetric, Bits bits of zero.
func StoredBytes(o Options, out, in int) int64 {
	groups := out * ((in-1)/o.group(in) + 1)
	n := out*packed.RowBytes(in, o.Bits) + 2*groups
	if !o.Symmetric {
		n += packed.RowBytes(groups, o.Bits)
	}
	return int64(n)
}

// Fit returns o with the smallest group whose matrix takes at most target
// bytes.
func Fit(o Options, out, in int, target int64) (Options, error) {
	size := func(group int) int64 {
		o.Group = group
		return StoredBytes(o, out, in)
	}
	if size(0) > target {
		return o, fmt.Errorf("group: %d bytes are too few for %d bits of a %d×%d matrix, which take %d with one group per row",
			target, o.Bits, out, in, size(0))
	}
	o.Group = 1 + sort.Search(in-1, func(i int) bool { return size(i+1) <= target })
	return o, nil
}

// chunk is the number of rows that a goroutine takes at a time.
const chunk = 16

// Compress rounds w, an out×in row-major matrix. Scales are rounded to f16
// first, so that zeros and codes are the best for what is stored. A weight
// that is not finite, or a group too wide for an f16 scale, is an error that
// says where. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, o Options) (*packed.Grid, error) {
	if faults := Check(o); faults != nil {
		return nil, fmt.Errorf("int4: %w", faults[0])
	}
	if out < 1 || in < 1 || len(w) != out*in {
		panic(fmt.Sprintf("int4: %d weights for %d×%d", len(w), out, in))
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		return nil, fmt.Errorf("int4: %w", err)
	}
	p := &packed.Grid{
		Out: out, In: in, Bits: o.Bits, Group: o.group(in), Symmetric: o.Symmetric,
		Codes: make([]byte, out*packed.RowBytes(in, o.Bits)),
	}
	groups := p.Groups()
	p.Scale = make([]uint16, out*groups)
	zeros := make([]uint8, out*groups)
	errs := make([]error, (out+chunk-1)/chunk)
	cfg.Parallel(len(errs), func(i int) {
		codes := make([]uint8, in)
		for r := i * chunk; r < min((i+1)*chunk, out) && errs[i] == nil; r++ {
			errs[i] = round(cfg.ISA, p, zeros[r*groups:(r+1)*groups], codes, w[r*in:(r+1)*in], r, o.MSEClip)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("int4: %w", err)
		}
	}
	if !o.Symmetric {
		p.Zero = make([]byte, packed.RowBytes(len(zeros), o.Bits))
		packed.PackRow(p.Zero, zeros, o.Bits)
	}
	return p, nil
}

// round compresses row r: its scales and codes in p, its zeros in zeros.
func round(isa gemm.ISA, p *packed.Grid, zeros, codes []uint8, w []float32, r int, clip bool) error {
	for g := range zeros {
		first := g * p.Group
		v := w[first:min(first+p.Group, p.In)]
		lo, hi, bad := grid.Range(isa, v)
		if bad >= 0 {
			return fmt.Errorf("weight [%d,%d] is %v", r, first+bad, v[bad])
		}
		make16 := func(lo, hi float64) (grid.Grid, uint16, error) { return grid.New16(lo, hi, p.Bits, p.Symmetric) }
		q, scale, err := make16(float64(lo), float64(hi))
		if clip {
			q, scale, err = grid.Clip(v, float64(lo), float64(hi), p.Symmetric, make16)
		}
		if err != nil {
			return fmt.Errorf("weights [%d,%d:%d]: %w", r, first, first+len(v), err)
		}
		p.Scale[r*len(zeros)+g], zeros[g] = scale, uint8(q.Zero)
		q.Codes(isa, codes[first:first+len(v)], v)
	}
	rb := packed.RowBytes(p.In, p.Bits)
	packed.PackRow(p.Codes[r*rb:(r+1)*rb], codes, p.Bits)
	return nil
}
