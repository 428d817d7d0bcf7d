package ultrasketch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Options are the method's settings in a scenario. The paper gives neither
// the width of a cell nor the reading of "maximum" nor the hash nor the
// formula of the allocation; the defaults are those of methods.md 3.10.
type Options struct {
	// Bits is the size of the cells in bits per weight: a matrix of N weights
	// has ⌊⌊Bits·N/Cell⌋/R⌋ cells in each of its R sketch rows, at most N.
	Bits float64 `yaml:"bits" doc:"size of the cells in bits per weight"`
	// Rows is the number of sketch rows that a weight is read from, 1 to 4; the
	// paper has 3. In reading S there are as many for each sign.
	Rows int `yaml:"rows" doc:"rows of the sketch, 1 to 4"`
	// Reading says how a query combines rows (methods.md 3.4): A, the value of
	// largest magnitude with its sign; B, the largest magnitude, with the signs
	// of all weights in a plane of one more bit each; C, the largest value; S,
	// of a sketch of the positive weights and one of the others, the smaller of
	// the two largest magnitudes (3.10, A11).
	Reading string `yaml:"reading" doc:"how rows are combined: A, by magnitude; B, magnitudes with a plane of signs; C, the largest value; S, a sketch for each sign"`
	// Allocation says how cells are shared among classes: proportional to the
	// class's weights times importance, to weights times its square-root, or
	// uniform, to weights alone (3.6).
	Allocation string `yaml:"allocation" doc:"how cells are shared among classes of channels"`
	// Cell is the width of a cell in bits: 16, an f16 value, or 8, 4 or 2, an
	// integer with a scale for each sketch row and class.
	Cell int `yaml:"cell" doc:"bits of a cell: 16, 8, 4 or 2"`
	// Hash is the family of the hashes of addresses (3.10, A4).
	Hash string `yaml:"hash" doc:"family of hashes: mix64, two-universal, or balanced, a keyed permutation that leaves no cell empty"`
	// Tile is the side of the tiles that have one hash together (3.9); 0 for a
	// hash of every weight.
	Tile int `yaml:"tile" doc:"side of the tiles that share a hash; 0 hashes every weight"`
	// Window is the number of adjacent cells that a tile's weights fall into;
	// without meaning where Tile is 0.
	Window int `yaml:"window" doc:"cells of a tile, at least its side"`
	// Levels is 1, or 2 for a second sketch, of half the bits as the first, of
	// what the first leaves of the weights.
	Levels int `yaml:"levels" doc:"1, or 2 to sketch what a first sketch leaves over"`
	// Scope is what shares one sketch: a matrix, the matrices of a layer or
	// those of the whole model (3.10, A5).
	Scope string `yaml:"scope" doc:"what shares one sketch: matrix, layer or model"`
}

// The values of Options.Allocation.
const (
	Proportional = "proportional"
	SquareRoot   = "square-root"
	Uniform      = "uniform"
)

// The values of Options.Scope.
const (
	ScopeMatrix = "matrix"
	ScopeLayer  = "layer"
	ScopeModel  = "model"
)

var (
	allocations = []string{Proportional, SquareRoot, Uniform}
	scopes      = []string{ScopeMatrix, ScopeLayer, ScopeModel}
)

const (
	maxRows = 4
	maxTile = 256
)

// DefaultOptions returns the paper's main line, 0.5 bits per weight in 3 rows,
// with reading A, proportional allocation, 16-bit cells and a sketch for every
// matrix.
func DefaultOptions() Options {
	return Options{
		Bits: 0.5, Rows: 3, Reading: packed.ReadingMagnitude, Allocation: Proportional,
		Cell: 16, Hash: packed.HashMix64, Window: 64, Levels: 1, Scope: ScopeMatrix,
	}
}

// Check returns the faults, each naming its field.
func (o Options) Check() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !(o.Bits > 0 && o.Bits <= 16*maxRows) {
		bad("bits: %v, want above 0 and at most %d", o.Bits, 16*maxRows)
	}
	if o.Rows < 1 || o.Rows > maxRows {
		bad("rows: %d, want 1 to %d", o.Rows, maxRows)
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"reading", o.Reading, packed.Readings()}, {"allocation", o.Allocation, allocations},
		{"hash", o.Hash, packed.HashFamilies()}, {"scope", o.Scope, scopes},
	} {
		if !slices.Contains(f.known, f.value) {
			bad("%s: %q, want one of %s", f.name, f.value, strings.Join(f.known, ", "))
		}
	}
	if !slices.Contains(packed.CellWidths(), o.Cell) {
		bad("cell: %d, want one of 16, 8, 4, 2", o.Cell)
	}
	if o.Tile < 0 || o.Tile > maxTile {
		bad("tile: %d, want 0 to %d", o.Tile, maxTile)
	} else if o.Tile > 0 && (o.Window < o.Tile || o.Window > maxTile*maxTile) {
		bad("window: %d, want %d, the side of a tile, to %d", o.Window, o.Tile, maxTile*maxTile)
	}
	if o.Levels != 1 && o.Levels != 2 {
		bad("levels: %d, want 1 or 2", o.Levels)
	}
	return faults
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string {
	return map[string][]string{
		"reading": packed.Readings(), "allocation": allocations, "hash": packed.HashFamilies(), "scope": scopes,
	}
}

// Nominal returns the bits per weight that the options aim at: those of the
// cells, and one for the sign in reading B.
func (o Options) Nominal() float64 {
	if o.Reading == packed.ReadingPlane {
		return o.Bits + float64(o.Levels)
	}
	return o.Bits
}

// sketchRows returns the rows of cells: in reading S one set for each sign.
func (o Options) sketchRows() int {
	if o.Reading == packed.ReadingSplit {
		return 2 * o.Rows
	}
	return o.Rows
}

// level returns the options of one of the levels.
func (o Options) level() Options {
	o.Bits /= float64(o.Levels)
	o.Levels = 1
	return o
}
