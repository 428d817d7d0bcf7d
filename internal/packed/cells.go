package packed

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// MaxClasses is the most classes of input channels that a Cells matrix may
// have: class numbers are stored in 3 bits.
const MaxClasses = 8

const classBits = 3

// The readings of how a query combines the rows of a sketch (methods.md 3.4).
const (
	ReadingMagnitude = "A" // the cell of largest magnitude, its sign with it
	ReadingPlane     = "B" // the cell of largest magnitude; signs of all weights apart
	ReadingSigned    = "C" // the largest cell
	// ReadingSplit reads two sketches of half the rows each, one of the
	// positive weights and one of the others (A11): of the largest magnitude
	// in either, the smaller one, with the sign of its sketch.
	ReadingSplit = "S"
)

// Readings lists the readings, the default first.
func Readings() []string {
	return []string{ReadingMagnitude, ReadingPlane, ReadingSigned, ReadingSplit}
}

// CellWidths lists the widths that a cell may have, in bits.
func CellWidths() []int { return []int{16, 8, 4, 2} }

// Cells is an AbsMaxMin sketch (methods.md 3.3): Rows rows of hashed cells,
// each divided among the classes of input channels (3.6).
//
// The weight (r,c) in class g = Class[c] has the address
// a = r·n_g + (index of c among the columns of class g), n_g being the number
// of columns in the class, and in sketch row k the cell offset_g + hash_kg(a),
// offset_g being the sum of the sizes before g and hash_kg the hash of the
// family Hash with Seeds[k] onto Sizes[g] cells. A matrix that shares its
// cells adds Shared.Base[g] to the address.
//
// With Tile = T > 0 (3.9) addresses are those of tiles, T×T weights, instead:
// a = (r/T)·n_g + (index of c/T among the columns of tiles of class g), n_g
// counting columns of tiles, and the weight's cell is
// offset_g + (hash_kg(a) + TileShifts(k)[r%T] mod Window + c%T mod Window) mod
// Sizes[g]: a tile has Window adjacent cells, round the end of its class, and
// row i of any tile has T adjacent ones of those, round the end of the window.
type Cells struct {
	Out, In, Rows int
	Bits          int // of a cell: 16, 8, 4 or 2
	Reading       string
	Hash          string // a family of HashFamilies
	Tile          int    // side of a tile; 0 where every weight has a hash of its own
	Window        int    // cells of a tile, at least Tile; 0 without tiles
	Seeds         []uint64
	// Class gives the class of each input channel, with tiles of each Tile
	// adjacent ones, below len(Sizes). It is stored as one packed stream of 3
	// bits each.
	Class []uint8
	Sizes []uint32 // cells of each class in a row; at most MaxClasses
	// Cells holds, for Bits 16, Rows × S_row f16 values, S_row the sum of
	// Sizes. A cell that no weight fell into is +Inf.
	Cells []uint16
	// Codes holds, for fewer Bits, Rows rows of ⌈S_row·Bits/8⌉ bytes, lowest
	// bits first. A code is a two's complement number in readings A and C and
	// a number from 0 in B and S, where in S the highest one stands for a cell
	// that no weight fell into; times its scale it is the cell's value.
	Codes []byte
	// Scales holds, for fewer Bits than 16, Rows × len(Sizes) f16 scales.
	Scales []uint16
	// Signs holds in reading B Out rows of ⌈In/8⌉ bytes, lowest bits first:
	// 1 for a negative weight.
	Signs  []byte
	Shared *SharedCells // nil for a matrix with cells of its own
}

// SharedCells is what a matrix knows of a sketch that it shares with others:
// their Seeds, Sizes, Cells, Codes, Scales and Addresses are the same and are
// stored once.
type SharedCells struct {
	Base      []uint64 // per class: addresses of the matrices before this one
	Addresses []uint64 // per class: addresses of all
	// From, To and Total say what part of the shared bytes is this matrix's:
	// the matrices of a sketch divide [0,Total) among them.
	From, To, Total int64
}

// CellLayout is what a Cells matrix implies about its addresses.
type CellLayout struct {
	Row     int      // S_row, cells per sketch row
	Offsets []uint32 // first cell of each class in a row
	Counts  []uint64 // n_g, columns, or columns of tiles, in each class
	// Position gives the index of each column, or column of tiles, among those
	// of its class.
	Position []uint32
}

// Layout computes offsets, counts and positions.
func (w *Cells) Layout() CellLayout {
	l := CellLayout{
		Offsets:  make([]uint32, len(w.Sizes)),
		Counts:   make([]uint64, len(w.Sizes)),
		Position: make([]uint32, len(w.Class)),
	}
	for g, n := range w.Sizes {
		l.Offsets[g] = uint32(l.Row)
		l.Row += int(n)
	}
	for c, g := range w.Class {
		l.Position[c] = uint32(l.Counts[g])
		l.Counts[g]++
	}
	return l
}

// unit is the side of what has an address: a tile or a weight.
func (w *Cells) unit() int { return max(w.Tile, 1) }

// Units returns the rows and columns of what has addresses: of tiles, or of
// weights.
func (w *Cells) Units() (rows, columns int) {
	u := w.unit()
	return (w.Out + u - 1) / u, (w.In + u - 1) / u
}

// Base returns the first address of the matrix in class g.
func (w *Cells) Base(g int) uint64 {
	if w.Shared == nil {
		return 0
	}
	return w.Shared.Base[g]
}

// HashOf returns the hash of sketch row k and class g.
func (w *Cells) HashOf(l *CellLayout, k, g int) Hash {
	rows, _ := w.Units()
	n := uint64(rows) * l.Counts[g]
	if w.Shared != nil {
		n = w.Shared.Addresses[g]
	}
	return NewHash(w.Hash, w.Seeds[k], max(n, 1), w.Sizes[g])
}

// TileShifts returns for each of the Tile rows of a tile where in the tile's
// window its cells begin in sketch row k.
func (w *Cells) TileShifts(k int) []uint32 {
	shifts := make([]uint32, w.Tile)
	for i := range shifts {
		shifts[i] = CellIndex(Mix64(w.Seeds[k]), uint64(i), uint32(w.Window))
	}
	return shifts
}

// Kind returns KindCells.
func (w *Cells) Kind() Kind { return KindCells }

// Dims returns Out and In.
func (w *Cells) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size, of shared parts this matrix's share.
func (w *Cells) Bytes() int64 {
	var n int64
	for _, p := range w.Parts() {
		if share, ok := w.Share(p.Name); ok {
			n += share
		} else {
			n += int64(len(p.Data))
		}
	}
	return n
}

// sharedParts are the names of the parts that matrices of a sketch share.
var sharedParts = []string{"cells", "seeds", "sizes", "scales", "addresses"}

// Share returns how many bytes of a part this matrix is billed, if it shares
// the part with others. The shares of those that divide [0,Total) among them
// sum to the bytes of the part.
func (w *Cells) Share(part string) (bytes int64, shared bool) {
	if w.Shared == nil || !slices.Contains(sharedParts, part) {
		return 0, false
	}
	var n int64
	for _, p := range w.Parts() {
		if p.Name == part {
			n = int64(len(p.Data))
		}
	}
	upTo := func(x int64) int64 { // ⌊n·x/Total⌋
		hi, lo := bits.Mul64(uint64(n), uint64(x))
		q, _ := bits.Div64(hi, lo, uint64(w.Shared.Total))
		return int64(q)
	}
	return upTo(w.Shared.To) - upTo(w.Shared.From), true
}

// Parts returns cells F16 [Rows, S_row] or U8 [Rows, ⌈S_row·Bits/8⌉] with
// scales F16 [Rows, classes], seeds U64 [Rows], class U8 [⌈3·len(Class)/8⌉],
// sizes U32 [classes], signs U8 [Out, ⌈In/8⌉] in reading B, and of a shared
// sketch base and addresses, U64 [classes].
func (w *Cells) Parts() []Part {
	row := 0
	sizes := make([]byte, 0, 4*len(w.Sizes))
	for _, n := range w.Sizes {
		row += int(n)
		sizes = binary.LittleEndian.AppendUint32(sizes, n)
	}
	class := make([]byte, RowBytes(len(w.Class), classBits))
	PackRow(class, w.Class, classBits)
	cells := Part{"cells", ClassCells, "F16", []int{w.Rows, row}, bytes16(w.Cells)}
	if w.Bits < 16 {
		cells = Part{"cells", ClassCells, "U8", []int{w.Rows, RowBytes(row, w.Bits)}, w.Codes}
	}
	parts := []Part{
		cells,
		{"seeds", ClassSeeds, "U64", []int{w.Rows}, bytes64(w.Seeds)},
		{"class", ClassIndices, "U8", []int{len(class)}, class},
		{"sizes", ClassIndices, "U32", []int{len(w.Sizes)}, sizes},
	}
	if w.Bits < 16 {
		parts = append(parts, Part{"scales", ClassScales, "F16", []int{w.Rows, len(w.Sizes)}, bytes16(w.Scales)})
	}
	if w.Reading == ReadingPlane {
		parts = append(parts, Part{"signs", ClassCodes, "U8", []int{w.Out, RowBytes(w.In, 1)}, w.Signs})
	}
	if s := w.Shared; s != nil {
		parts = append(parts,
			Part{"base", ClassIndices, "U64", []int{len(s.Base)}, bytes64(s.Base)},
			Part{"addresses", ClassIndices, "U64", []int{len(s.Addresses)}, bytes64(s.Addresses)})
	}
	return parts
}

// bytes64 returns v as little-endian bytes.
func bytes64(v []uint64) []byte {
	b := make([]byte, 0, 8*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// CodeValue returns the value of a code of class g in sketch row k, for Bits
// below 16: +Inf for a cell that no weight fell into.
func (w *Cells) CodeValue(k, g, code int) float32 {
	scale := F16ToF32(w.Scales[k*len(w.Sizes)+g])
	switch w.Reading {
	case ReadingMagnitude, ReadingSigned:
		code -= code >> (w.Bits - 1) << w.Bits // two's complement
	case ReadingSplit:
		if code == 1<<w.Bits-1 {
			return float32(math.Inf(1))
		}
	}
	return scale * float32(code)
}

// CellsMeta is what Meta says of a Cells matrix besides rows and reading.
type CellsMeta struct {
	Bits   int       `json:"bits"`
	Hash   string    `json:"hash"`
	Tile   int       `json:"tile,omitempty"`
	Window int       `json:"window,omitempty"`
	Share  *[3]int64 `json:"share,omitempty"` // From, To and Total of SharedCells
}

// cellsMeta returns nil for the first form of the format: 16-bit cells of one
// matrix, a hash of every weight by HashMix64.
func (w *Cells) cellsMeta() *CellsMeta {
	m := CellsMeta{Bits: w.Bits, Hash: w.Hash, Tile: w.Tile, Window: w.Window}
	if s := w.Shared; s != nil {
		m.Share = &[3]int64{s.From, s.To, s.Total}
	}
	if m == (CellsMeta{Bits: 16, Hash: HashMix64}) {
		return nil
	}
	return &m
}
