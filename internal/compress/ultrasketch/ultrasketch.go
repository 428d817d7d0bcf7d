// Package ultrasketch compresses a weight matrix to an AbsMaxMin sketch of
// hashed 16-bit cells, allocated to classes of input channels by importance
// (UltraSketchLLM, arXiv 2506.17255; methods.md 3.3 to 3.7). It has no
// training: the raw sketch of weights of both signs is about as far from them
// as zero is, and is the start of fine-tuning, not a model to use.
package ultrasketch

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario. The paper gives neither
// the width of a cell (here 16 bits) nor the reading of "maximum" nor the
// formula of the allocation.
type Options struct {
	// Bits is the size of the cells in bits per weight: a matrix of N weights
	// has ⌊⌊Bits·N/16⌋/Rows⌋ cells in each row, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Rows is the number of sketch rows, 1 to 4; the paper has 3.
	Rows int `yaml:"rows" doc:"rows of the sketch, 1 to 4"`
	// Reading says how a query combines rows: A, the value of largest
	// magnitude with its sign, or C, the largest value (methods.md 3.4).
	Reading string `yaml:"reading" doc:"how rows are combined: A, the value of largest magnitude; C, the largest value"`
	// Allocation says how cells are shared among classes: proportional to the
	// class's weights times importance, to weights times its square-root, or
	// uniform, to weights alone (3.6).
	Allocation string `yaml:"allocation" doc:"how cells are shared among classes of channels"`
}

// The values of Options.Allocation.
const (
	Proportional = "proportional"
	SquareRoot   = "square-root"
	Uniform      = "uniform"
)

var (
	readings    = []string{packed.ReadingMagnitude, packed.ReadingSigned}
	allocations = []string{Proportional, SquareRoot, Uniform}
)

// maxRows bounds Options.Rows.
const maxRows = 4

// DefaultOptions returns the paper's main line, 0.5 bits per weight in 3 rows,
// with reading A and proportional allocation.
func DefaultOptions() Options {
	return Options{Bits: 0.5, Rows: 3, Reading: packed.ReadingMagnitude, Allocation: Proportional}
}

// Check returns the faults, each naming its field.
func (o Options) Check() []error {
	var faults []error
	if !(o.Bits > 0 && o.Bits <= 16*maxRows) {
		faults = append(faults, fmt.Errorf("bits: %v, want above 0 and at most %d", o.Bits, 16*maxRows))
	}
	if o.Rows < 1 || o.Rows > maxRows {
		faults = append(faults, fmt.Errorf("rows: %d, want 1 to %d", o.Rows, maxRows))
	}
	if !slices.Contains(readings, o.Reading) {
		faults = append(faults, fmt.Errorf("reading: %q, want one of %s", o.Reading, strings.Join(readings, ", ")))
	}
	if !slices.Contains(allocations, o.Allocation) {
		faults = append(faults, fmt.Errorf("allocation: %q, want one of %s", o.Allocation, strings.Join(allocations, ", ")))
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	return map[string][]string{"reading": readings, "allocation": allocations}
}

// Compresses reports whether the method compresses the tensor of that name: it
// leaves alone the attention output projection, embeddings, head and norms
// (methods.md 3.2).
func Compresses(tensor string) bool {
	name := strings.TrimSuffix(tensor, ".weight")
	name = name[strings.LastIndexByte(name, '.')+1:]
	switch name {
	case "o_proj", "embed_tokens", "lm_head":
		return false
	}
	return !strings.HasSuffix(name, "norm")
}

// rowCells returns the number of cells in each row for an out×in matrix.
func (o Options) rowCells(out, in int) int64 {
	n := float64(out) * float64(in)
	// A decimal fraction that makes an integer must not lose a cell to
	// rounding.
	total := math.Floor(o.Bits * n / 16 * (1 + 1e-12))
	return int64(min(math.Floor(total/float64(o.Rows)), n))
}

// classCount returns the number of classes of in input channels.
func classCount(in int) int { return min(packed.MaxClasses, in) }

// CheckShape returns an error if the options leave fewer cells in a row of the
// sketch of an out×in matrix than there are classes of channels; it says how
// many bits would do.
func CheckShape(o Options, out, in int) error {
	g := classCount(in)
	cells := o.rowCells(out, in)
	if cells > math.MaxInt32 {
		return fmt.Errorf("bits: %v gives %d cells in a row for a %d×%d matrix, want at most %d", o.Bits, cells, out, in, math.MaxInt32)
	}
	if cells >= int64(g) {
		return nil
	}
	smallest := 16 * float64(o.Rows) * float64(g) / (float64(out) * float64(in))
	// Rounded up to four digits, so that the printed value does.
	unit := math.Pow(10, math.Floor(math.Log10(smallest))-3)
	smallest = math.Ceil(smallest/unit*(1-1e-12)) * unit
	return fmt.Errorf("bits: %v gives %d cells in a row for the %d channel classes of a %d×%d matrix, want at least %.4g bits", o.Bits, cells, g, out, in, smallest)
}

// StoredBytes returns the size of what Compress returns for an out×in matrix:
// two bytes for a cell, eight for a row's seed, three bits for a channel's
// class, four bytes for a class's size.
func StoredBytes(o Options, out, in int) int64 {
	return 2*int64(o.Rows)*o.rowCells(out, in) + 8*int64(o.Rows) + int64(packed.RowBytes(in, 3)) + 4*int64(classCount(in))
}

// Seeds returns the seeds of the sketch rows: the first outputs of the
// generator SplitMix64 started at seed. Small numbers themselves would not do:
// under XOR they make rows permutations of each other (methods.md 3.10, A4).
func Seeds(seed uint64, rows int) []uint64 {
	s := make([]uint64, rows)
	for k := range s {
		seed += 0x9e3779b97f4a7c15
		s[k] = packed.Mix64(seed)
	}
	return s
}

// Compress builds the sketch of the out×in matrix w. importance holds for each
// input channel E[a²], the mean over calibration tokens of its squared
// activation, on any scale. The result does not depend on cfg.Threads.
//
// Weights are compared in float32, and the cells rounded toward zero to f16
// afterwards, so |ŵ| ≤ |w| holds for what is stored. The error names a field
// of the options, or the first weight or importance that is not usable.
func Compress(cfg gemm.Config, w []float32, out, in int, importance []float64, o Options, seed uint64) (*packed.Cells, error) {
	if len(w) != out*in || len(importance) != in {
		panic(fmt.Sprintf("ultrasketch: %d weights and %d importances, want %d×%d and %d", len(w), len(importance), out, in, in))
	}
	if faults := o.Check(); faults != nil {
		return nil, fmt.Errorf("ultrasketch: %w", faults[0])
	}
	if err := CheckShape(o, out, in); err != nil {
		return nil, fmt.Errorf("ultrasketch: %w", err)
	}
	for j, v := range importance {
		if !(v >= 0 && v <= math.MaxFloat64) {
			return nil, fmt.Errorf("ultrasketch: importance[%d] is %v, want a finite number of 0 or more", j, v)
		}
	}
	if err := checkFinite(cfg, w, out, in); err != nil {
		return nil, err
	}
	class := classes(importance, classCount(in))
	sizes, err := Allocate(o.Allocation, importance, class, out, o.rowCells(out, in))
	if err != nil {
		return nil, fmt.Errorf("ultrasketch: %w", err)
	}
	s := &packed.Cells{
		Out: out, In: in, Rows: o.Rows, Reading: o.Reading,
		Seeds: Seeds(seed, o.Rows), Class: class, Sizes: sizes,
	}
	fill(cfg, s, w)
	return s, nil
}

// EmptyShare returns the share of cells that no weight fell into: e^-λ for an
// ideal hash and λ weights per cell. Many more mean a bad hash.
func EmptyShare(s *packed.Cells) float64 {
	empty := 0
	for _, h := range s.Cells {
		if h == emptyCell {
			empty++
		}
	}
	return float64(empty) / float64(len(s.Cells))
}

// checkFinite names the first weight that is not finite.
func checkFinite(cfg gemm.Config, w []float32, out, in int) error {
	first := make([]int, out)
	cfg.Parallel(out, func(r int) {
		first[r] = slices.IndexFunc(w[r*in:(r+1)*in], func(x float32) bool {
			return math.Float32bits(x)&magnitude >= infinity
		})
	})
	for r, c := range first {
		if c >= 0 {
			return fmt.Errorf("ultrasketch: weight [%d,%d] is %v, want a finite number", r, c, w[r*in+c])
		}
	}
	return nil
}
