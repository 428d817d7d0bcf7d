package packed

import (
	"encoding/binary"
	"fmt"
	"math"
)

// How a Hashed matrix finds the cells of a weight (methods.md 4.9).
const (
	// AddressWeights hashes every weight by itself: in sketch row k, weight
	// (r,c) has the cell CellIndex(Seeds[k], r·In+c, Size).
	AddressWeights = "weights"
	// AddressChunks is ROBE-Z: a row of the matrix is cut into chunks of Chunk
	// weights, the last one shorter, and those of chunk j of row r are the
	// cells from ChunkOffset(r, j) on.
	AddressChunks = "chunks"
	// AddressTiles is RzLinear: the matrix is cut into tiles of TileIn input
	// by TileOut output channels, shorter at its edges. Tile (k,n) has the
	// TileIn·TileOut cells from TileOffset(k, n) on, and in it the weight at
	// input i and output j the cell i·TileOut+j.
	AddressTiles = "tiles"
)

// How a Hashed matrix makes one value of its sketch rows.
const (
	CombineSingle = "single" // there is one row
	CombineMedian = "median" // of 3 or 5 rows
	CombineMin    = "min"    // the least of 2 or more rows
)

// Where a Hashed matrix has the signs of its weights from.
const (
	// SignNone: a weight is what its cells say.
	SignNone = "none"
	// SignHash: in sketch row k, the cell of the weight at address a counts
	// with the sign of HashSign(k, a). Only with AddressWeights.
	SignHash = "hash"
	// SignPlane: the combined value is negated where Signs has a 1. Only with
	// AddressWeights.
	SignPlane = "plane"
)

// Hashed is a matrix of which every weight is read from hashed cells, without
// any index: HashedNets, ROBE, RzLinear and the sketches that count
// (methods.md 4.9).
type Hashed struct {
	Out, In    int
	Rows, Size int    // sketch rows, and the cells in each
	Addressing string // AddressWeights, AddressChunks or AddressTiles
	Chunk      int    // weights of a chunk; 0 without chunks
	// TileIn and TileOut are the sides of a tile; 0 without tiles.
	TileIn, TileOut int
	Combine         string // CombineSingle, CombineMedian or CombineMin
	Sign            string // SignNone, SignHash or SignPlane
	// Seeds are, for AddressWeights, one for the cells of each row and then,
	// with SignHash, one for the signs of each row. For AddressChunks they are
	// the published R0 to R3 of the index formula, R0 the modulus; for
	// AddressTiles either these or, for a hash of two levels, R0 to R5 and R7.
	Seeds []uint64
	Cells []uint16 // Rows × Size f16 values
	// Signs has Out rows of ⌈In/8⌉ bytes, a bit for each weight, lowest bits
	// first; nil without SignPlane.
	Signs []byte
}

// HashedMeta is what a Hashed matrix is besides its dimensions and parts.
type HashedMeta struct {
	Rows       int    `json:"rows"`
	Size       int    `json:"size"`
	Addressing string `json:"addressing"`
	Chunk      int    `json:"chunk,omitempty"`
	TileIn     int    `json:"tile_in,omitempty"`
	TileOut    int    `json:"tile_out,omitempty"`
	Combine    string `json:"combine"`
	Sign       string `json:"sign"`
}

// TileSeeds and TwoLevelSeeds are how many seeds the hash of a tile has: R0 to
// R3, as the hash of a chunk, or R0 to R5 and R7.
const (
	TileSeeds     = 4
	TwoLevelSeeds = 7
)

// maxModulus bounds R0, so that sums of two products stay below 2⁶⁴.
const maxModulus = 1 << 31

// Linear returns (a·R3 + b·R2 + R1) mod R0, the hash of ROBE and RzLinear.
func (w *Hashed) Linear(a, b uint64) uint64 {
	return (a*w.Seeds[3] + b*w.Seeds[2] + w.Seeds[1]) % w.Seeds[0]
}

// ChunkOffset returns the cell of the first weight of chunk j of row r:
// Linear(r, j) mod (Size-Chunk+1).
func (w *Hashed) ChunkOffset(r, j int) int {
	return int(w.Linear(uint64(r), uint64(j)) % uint64(w.Size-w.Chunk+1))
}

// TileOffset returns the first cell of the tile at input tile k and output
// tile n: h mod (Size - TileIn·TileOut), h being Linear(k, n) or, on two levels,
// Linear(k, n)·R0 + (k·R7 + n·R5 + R4) mod R0. The last cell is the one that
// the published formula never reaches.
func (w *Hashed) TileOffset(k, n int) int {
	h := w.Linear(uint64(k), uint64(n))
	if s := w.Seeds; len(s) == TwoLevelSeeds {
		h = h*s[0] + (uint64(k)*s[6]+uint64(n)*s[5]+s[4])%s[0]
	}
	return int(h % uint64(w.Size-w.TileIn*w.TileOut))
}

// HashSign returns the sign bit of an f16 value, set or not, that the cell of
// the weight at an address has in sketch row k: the highest bit of
// Mix64(address XOR seed), which is the same as CellIndex among 2.
func (w *Hashed) HashSign(k int, address uint64) uint16 {
	return uint16(Mix64(address^w.Seeds[w.Rows+k])>>63) << 15
}

// index returns the cell of weight (r,c) in sketch row k, counted from the
// row's first.
func (w *Hashed) index(k, r, c int) int {
	switch w.Addressing {
	case AddressChunks:
		return w.ChunkOffset(r, c/w.Chunk) + c%w.Chunk
	case AddressTiles:
		return w.TileOffset(c/w.TileIn, r/w.TileOut) + c%w.TileIn*w.TileOut + r%w.TileOut
	}
	return int(CellIndex(w.Seeds[k], uint64(r)*uint64(w.In)+uint64(c), uint32(w.Size)))
}

// Kind returns KindHashed.
func (w *Hashed) Kind() Kind { return KindHashed }

// Dims returns Out and In.
func (w *Hashed) Dims() (out, in int) { return w.Out, w.In }

// Bytes returns the stored size.
func (w *Hashed) Bytes() int64 {
	return 2*int64(len(w.Cells)) + 8*int64(len(w.Seeds)) + int64(len(w.Signs))
}

// Parts returns cells F16 [Rows, Size], seeds U64 and, with SignPlane, signs
// U8 [Out, ⌈In/8⌉].
func (w *Hashed) Parts() []Part {
	seeds := make([]byte, 0, 8*len(w.Seeds))
	for _, s := range w.Seeds {
		seeds = binary.LittleEndian.AppendUint64(seeds, s)
	}
	parts := []Part{
		{"cells", ClassCells, "F16", []int{w.Rows, w.Size}, bytes16(w.Cells)},
		{"seeds", ClassSeeds, "U64", []int{len(w.Seeds)}, seeds},
	}
	if w.Sign == SignPlane {
		parts = append(parts, Part{"signs", ClassCodes, "U8", []int{w.Out, RowBytes(w.In, 1)}, w.Signs})
	}
	return parts
}

// Dequantize writes rows [r0,r1) to dst. Signs by hash come before sketch rows
// are combined, those of the plane after.
func (w *Hashed) Dequantize(dst []float32, r0, r1 int) {
	values := make([]float32, w.Rows)
	for r := r0; r < r1; r++ {
		for c := range w.In {
			for k := range values {
				h := w.Cells[k*w.Size+w.index(k, r, c)]
				if w.Sign == SignHash {
					h ^= w.HashSign(k, uint64(r)*uint64(w.In)+uint64(c))
				}
				values[k] = F16ToF32(h)
			}
			v := w.combine(values)
			if w.Sign == SignPlane && codeAt(w.Signs[r*RowBytes(w.In, 1):], c, 1) == 1 {
				v = -v
			}
			dst[(r-r0)*w.In+c] = v
		}
	}
}

// combine makes one value of those of the sketch rows, which it may reorder.
func (w *Hashed) combine(values []float32) float32 {
	if w.Combine == CombineMin {
		least := values[0]
		for _, v := range values[1:] {
			least = min(least, v)
		}
		return least
	}
	// Insertion sort; a single value is its own median.
	for i := range values {
		for j := i; j > 0 && values[j] < values[j-1]; j-- {
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
	return values[len(values)/2]
}

// Check reports sizes that do not fit, settings that do not go together,
// seeds that the hash cannot take, and cells that are not finite.
func (w *Hashed) Check() error {
	if err := checkDims(KindHashed, w.Out, w.In); err != nil {
		return err
	}
	if w.Rows < 1 || w.Size < 1 || w.Size > math.MaxInt32 {
		return fmt.Errorf("hashed: %d rows of %d cells, want 1 or more of 1 to %d", w.Rows, w.Size, math.MaxInt32)
	}
	if err := w.checkCombine(); err != nil {
		return err
	}
	if err := w.checkAddressing(); err != nil {
		return err
	}
	signs := 0
	switch w.Sign {
	case SignNone, SignHash:
	case SignPlane:
		signs = RowBytes(w.In, 1)
	default:
		return fmt.Errorf("hashed: sign: %q, want one of none, hash, plane", w.Sign)
	}
	if w.Addressing != AddressWeights && w.Sign != SignNone {
		return fmt.Errorf("hashed: sign: %s with addressing by %s, want none", w.Sign, w.Addressing)
	}
	if err := checkLen(KindHashed, "bytes of signs", len(w.Signs), w.Out, signs); err != nil {
		return err
	}
	if err := checkLen(KindHashed, "cells", len(w.Cells), w.Rows, w.Size); err != nil {
		return err
	}
	return checkFinite(KindHashed, "cells", w.Cells)
}

// checkCombine reports rows that the combination cannot take.
func (w *Hashed) checkCombine() error {
	ok := false
	switch w.Combine {
	case CombineSingle:
		ok = w.Rows == 1
	case CombineMedian:
		ok = w.Rows == 3 || w.Rows == 5
	case CombineMin:
		ok = w.Rows > 1
	default:
		return fmt.Errorf("hashed: combine: %q, want one of single, median, min", w.Combine)
	}
	if !ok {
		return fmt.Errorf("hashed: rows: %d with combine %s, want 1 for single, 3 or 5 for median, 2 or more for min", w.Rows, w.Combine)
	}
	return nil
}

// checkAddressing reports chunks or tiles that do not fit the cells, and
// seeds that are too many, too few or too large.
func (w *Hashed) checkAddressing() error {
	want := []int{w.Rows}
	chunks, tiles := false, false
	switch w.Addressing {
	case AddressWeights:
		if w.Sign == SignHash {
			want[0] *= 2
		}
	case AddressChunks:
		want, chunks = []int{TileSeeds}, true
		if w.Chunk < 1 || w.Chunk > w.Size {
			return fmt.Errorf("hashed: chunk: %d with %d cells, want 1 to the cells", w.Chunk, w.Size)
		}
	case AddressTiles:
		want, tiles = []int{TileSeeds, TwoLevelSeeds}, true
		if w.TileIn < 1 || w.TileOut < 1 || w.TileIn >= w.Size || w.TileOut >= w.Size || w.TileIn*w.TileOut >= w.Size {
			return fmt.Errorf("hashed: tiles of %d×%d with %d cells, want at least 1×1 and more cells than a tile has", w.TileIn, w.TileOut, w.Size)
		}
	default:
		return fmt.Errorf("hashed: addressing: %q, want one of weights, chunks, tiles", w.Addressing)
	}
	if !chunks && w.Chunk != 0 || !tiles && (w.TileIn != 0 || w.TileOut != 0) {
		return fmt.Errorf("hashed: chunk %d and tile %d×%d with addressing by %s, want 0 for what it has not", w.Chunk, w.TileIn, w.TileOut, w.Addressing)
	}
	if len(w.Seeds) != want[0] && len(w.Seeds) != want[len(want)-1] {
		return fmt.Errorf("hashed: %d seeds, want %v with %d rows addressed by %s and sign %s", len(w.Seeds), want, w.Rows, w.Addressing, w.Sign)
	}
	if !chunks && !tiles {
		return nil
	}
	if w.Rows != 1 {
		return fmt.Errorf("hashed: rows: %d with addressing by %s, want 1", w.Rows, w.Addressing)
	}
	if w.Seeds[0] < 1 || w.Seeds[0] > maxModulus {
		return fmt.Errorf("hashed: seeds[0]: modulus %d, want 1 to %d", w.Seeds[0], maxModulus)
	}
	for i, s := range w.Seeds[1:] {
		if s >= w.Seeds[0] {
			return fmt.Errorf("hashed: seeds[%d]: %d, want below the modulus %d", i+1, s, w.Seeds[0])
		}
	}
	return nil
}
