package gptq

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// Version changes when the output for the same input does.
const Version = 1

// Options are the parameters of a scenario.
type Options struct {
	// Bits is the width of a code: 2, 3, 4 or 8.
	Bits int `yaml:"bits" doc:"width of a code"`
	// Group is the number of input channels that share a scale; the last group
	// of a row may be shorter. 0 is the whole row.
	Group int `yaml:"group" doc:"input channels that share a scale; 0 is the whole row"`
	// Symmetric grids store no zero; theirs is the level 2^Bits/2.
	Symmetric bool `yaml:"symmetric" doc:"levels symmetric around zero, without stored zeros"`
	// ActOrder rounds the columns of largest H_jj first. Without static grids
	// the groups are then adjacent in that order, and the group of every
	// channel is stored.
	ActOrder bool `yaml:"act-order" doc:"round the columns of largest H_jj first"`
	// Grid says when the grid of a group is chosen, one of Grids. It makes no
	// difference to whole rows, whose grids come from the original weights.
	Grid string `yaml:"grid" doc:"what a group's grid is chosen from: its weights as all earlier columns, or all earlier blocks, left them, or the original ones"`
	// Damp times the mean diagonal is added to the diagonal of H.
	Damp float64 `yaml:"damp" doc:"share of the mean diagonal that is added to the diagonal of H"`
	// TrueSequential gathers H after everything before the matrix, in its own
	// layer too, has been compressed; without it H is that of the uncompressed
	// model.
	TrueSequential bool `yaml:"true-sequential" doc:"H after what comes before has been compressed; else of the uncompressed model"`
}

// What the grid of a group is chosen from.
const (
	Current = "current" // its weights with the errors of all earlier columns
	Lagged  = "lagged"  // with those of earlier blocks of 128 columns only, as the published code does
	Static  = "static"  // its original weights; groups are of adjacent channels
)

// Grids lists the values of Options.Grid.
func Grids() []string { return []string{Current, Lagged, Static} }

var widths = []int{2, 3, 4, 8}

// DefaultOptions returns 4 bits in groups of 128, asymmetric, with the damping
// of the published code, its act-order and its true-sequential.
func DefaultOptions() Options {
	return Options{Bits: 4, Group: 128, ActOrder: true, Grid: Current, Damp: 0.01, TrueSequential: true}
}

// Check returns the faults of o, each naming its field.
func Check(o Options) []error {
	var faults []error
	bad := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !slices.Contains(widths, o.Bits) {
		bad("bits: %d, want one of %s", o.Bits, strings.Join(o.Choices()["bits"], ", "))
	}
	if o.Group < 0 {
		bad("group: %d, want 0 (the whole row) or more", o.Group)
	}
	if !slices.Contains(Grids(), o.Grid) {
		bad("grid: %q, want one of %s", o.Grid, strings.Join(Grids(), ", "))
	}
	if o.Grid == Lagged && o.Group > 0 && block%o.Group != 0 && o.Group%block != 0 {
		bad("group: %d with grid %s, want a divisor or a multiple of the %d columns of a block", o.Group, Lagged, block)
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		bad("damp: %v, want a finite number of 0 or more", o.Damp)
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	c := map[string][]string{"grid": Grids()}
	for _, b := range widths {
		c["bits"] = append(c["bits"], strconv.Itoa(b))
	}
	return c
}

// Nominal returns the bits per weight of the codes alone, as papers print.
func Nominal(o Options) float64 { return float64(o.Bits) }

// FactorOptions returns what the factor given to Compress must be made with.
func (o Options) FactorOptions() compensate.FactorOptions {
	return compensate.FactorOptions{Damp: o.Damp, ActOrder: o.ActOrder}
}

// group returns the group length on rows of in weights.
func (o Options) group(in int) int {
	if o.Group == 0 {
		return in
	}
	return min(o.Group, in)
}

// indexed reports whether the group of every channel is stored.
func (o Options) indexed(in int) bool {
	return o.ActOrder && o.Grid != Static && o.group(in) < in
}

// StoredBytes returns what Compress stores of an out×in matrix: codes row by
// row, 16 bits of scale per group, unless Symmetric Bits bits of zero, and 32
// bits per input channel where groups follow another order.
func StoredBytes(o Options, out, in int) int64 {
	groups := int64(out) * int64((in-1)/o.group(in)+1)
	n := int64(out)*int64(packed.RowBytes(in, o.Bits)) + 2*groups
	if !o.Symmetric {
		n += int64(packed.RowBytes(int(groups), o.Bits))
	}
	if o.indexed(in) {
		n += 4 * int64(in)
	}
	return n
}

// Fit returns o with the smallest group whose matrix takes at most target
// bytes, of those that the grid allows.
func Fit(o Options, out, in int, target int64) (Options, error) {
	groups := o.fitting(in)
	size := func(i int) int64 {
		o.Group = groups[i]
		return StoredBytes(o, out, in)
	}
	// Sizes fall from one group to the next.
	i := sort.Search(len(groups), func(i int) bool { return size(i) <= target })
	if i == len(groups) {
		return o, fmt.Errorf("group: %d bytes are too few for %d bits of a %d×%d matrix, which take %d with one group per row",
			target, o.Bits, out, in, size(len(groups)-1))
	}
	o.Group = groups[i]
	return o, nil
}

// fitting returns the groups that Fit chooses from, in ascending order.
func (o Options) fitting(in int) []int {
	var groups []int
	for g := 1; g < in; g++ {
		if o.Grid != Lagged || block%g == 0 || g%block == 0 {
			groups = append(groups, g)
		}
	}
	return append(groups, 0)
}
