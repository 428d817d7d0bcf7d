package packed

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// Kinds lists every format. To add one, add a line here, in MetaOf and in
// build.
func Kinds() []Kind {
	return []Kind{
		KindDense,
		KindGrid,
		KindCodebook,
		KindLowRank,
		KindCells,
		KindHashed,
		KindLevels,
		KindBinary,
		KindPartial,
		KindSigns,
		KindSparse,
		KindSum,
	}
}

// Meta holds what a weight is besides its parts. Fields that a kind does not
// have are zero.
type Meta struct {
	Out       int    `json:"out"`
	In        int    `json:"in"`
	Bits      int    `json:"bits,omitempty"`      // grid, codebook
	Group     int    `json:"group,omitempty"`     // grid, codebook
	Rank      int    `json:"rank,omitempty"`      // lowrank
	Rows      int    `json:"rows,omitempty"`      // cells
	Symmetric bool   `json:"symmetric,omitempty"` // grid
	Reading   string `json:"reading,omitempty"`   // cells
	DType     string `json:"dtype,omitempty"`     // dense
	Indexed   bool   `json:"indexed,omitempty"`   // grid

	// Cells is nil for 16-bit cells found by HashMix64 of every weight.
	Cells  *CellsMeta  `json:"cells,omitempty"`
	Hashed *HashedMeta `json:"hashed,omitempty"`
	Levels *LevelsMeta `json:"levels,omitempty"`
	Binary *BinaryMeta `json:"binary,omitempty"`
	Terms  []SumMeta   `json:"terms,omitempty"` // sum
}

// MetaOf returns the Meta from which FromParts, given w's parts, makes w again.
func MetaOf(w Weight) Meta {
	switch w := w.(type) {
	case *Dense:
		return Meta{Out: w.Out, In: w.In, DType: w.DType}
	case *Grid:
		return Meta{Out: w.Out, In: w.In, Bits: w.Bits, Group: w.Group, Symmetric: w.Symmetric, Indexed: w.Index != nil}
	case *Codebook:
		return Meta{Out: w.Out, In: w.In, Bits: w.Bits, Group: w.Group}
	case *LowRank:
		return Meta{Out: w.Out, In: w.In, Rank: w.Rank}
	case *Cells:
		return Meta{Out: w.Out, In: w.In, Rows: w.Rows, Reading: w.Reading, Cells: w.cellsMeta()}
	case *Hashed:
		return Meta{Out: w.Out, In: w.In, Hashed: &HashedMeta{Rows: w.Rows, Size: w.Size, Addressing: w.Addressing,
			Chunk: w.Chunk, TileIn: w.TileIn, TileOut: w.TileOut, Combine: w.Combine, Sign: w.Sign}}
	case *Levels:
		return Meta{Out: w.Out, In: w.In, Bits: w.Bits, Levels: &LevelsMeta{Block: w.Block, Double: w.Double()}}
	case *Binary:
		return Meta{Out: w.Out, In: w.In, Binary: &BinaryMeta{Block: w.Block, Regions: w.Regions, Keep: w.Keep}}
	case *Partial:
		return Meta{Out: w.Out, In: w.In}
	case *Signs:
		return Meta{Out: w.Out, In: w.In}
	case *Sparse:
		return Meta{Out: w.Out, In: w.In}
	case *Sum:
		return sumMeta(w)
	}
	panic(fmt.Sprintf("packed: MetaOf(%T): not a format of this package", w))
}

// FromParts makes a weight of stored parts, keyed by name. It trusts nothing:
// missing, surplus and mis-shaped parts, meta that does not fit, and whatever
// Check finds are errors. The weight aliases the parts' data where byte order
// and alignment allow. Part.Name and Part.Class are not read.
func FromParts(kind Kind, meta Meta, parts map[string]Part) (Weight, error) {
	w, err := build(kind, meta, parts)
	if err != nil {
		return nil, err
	}
	if err := w.Check(); err != nil {
		return nil, err
	}
	if m := MetaOf(w); !reflect.DeepEqual(m, meta) {
		return nil, fmt.Errorf("%s: meta has fields of another kind: %+v, want %+v", kind, meta, m)
	}
	want := w.Parts()
	for _, p := range want {
		got, ok := parts[p.Name]
		if !ok {
			return nil, fmt.Errorf("%s: part %q is missing", kind, p.Name)
		}
		if got.DType != p.DType || !slices.Equal(got.Shape, p.Shape) || len(got.Data) != len(p.Data) {
			return nil, fmt.Errorf("%s: part %q: %s %v of %d bytes, want %s %v of %d bytes",
				kind, p.Name, got.DType, got.Shape, len(got.Data), p.DType, p.Shape, len(p.Data))
		}
	}
	for name := range parts {
		if !slices.ContainsFunc(want, func(p Part) bool { return p.Name == name }) {
			return nil, fmt.Errorf("%s: part %q does not belong to the format", kind, name)
		}
	}
	return w, nil
}

// build makes a weight whose sizes are yet to be checked.
func build(kind Kind, m Meta, parts map[string]Part) (Weight, error) {
	data := func(name string) []byte { return parts[name].Data }
	switch kind {
	case KindDense:
		return &Dense{Out: m.Out, In: m.In, DType: m.DType, Data: data("")}, nil
	case KindGrid:
		return &Grid{
			Out: m.Out, In: m.In, Bits: m.Bits, Group: m.Group, Symmetric: m.Symmetric,
			Codes: data("codes"), Scale: view16(data("scale")), Zero: data("zero"), Index: view32[uint32](data("index")),
		}, nil
	case KindCodebook:
		return &Codebook{
			Out: m.Out, In: m.In, Bits: m.Bits, Group: m.Group,
			Codes: data("codes"), Table: view16(data("table")),
		}, nil
	case KindLowRank:
		return &LowRank{Out: m.Out, In: m.In, Rank: m.Rank, U: view16(data("u")), V: view16(data("v"))}, nil
	case KindCells:
		return buildCells(m, data)
	case KindHashed:
		return buildHashed(m, data)
	case KindLevels:
		return buildLevels(m, data)
	case KindBinary, KindPartial, KindSigns:
		return buildBinary(kind, m, data)
	case KindSparse:
		return &Sparse{Out: m.Out, In: m.In, Start: view32[uint32](data("start")), Columns: view32[uint32](data("columns")), Values: view16(data("values"))}, nil
	case KindSum:
		return buildSum(m, parts)
	}
	return nil, fmt.Errorf("unknown kind %q, want one of %v", kind, Kinds())
}

// buildLevels reads the scales of a Levels matrix, which the parts say are
// quantised or not.
func buildLevels(m Meta, data func(string) []byte) (Weight, error) {
	if m.Levels == nil {
		return nil, fmt.Errorf("levels: meta has no levels")
	}
	w := &Levels{
		Out: m.Out, In: m.In, Bits: m.Bits, Block: m.Levels.Block, Codes: data("codes"),
		Absmax: view32[float32](data("absmax")),
	}
	if m.Levels.Double {
		w.AbsmaxCodes, w.Absmax2 = data("absmax_codes"), view32[float32](data("absmax2"))
		if b := data("offset"); len(b) >= 4 {
			w.Offset = math.Float32frombits(binary.LittleEndian.Uint32(b))
		}
	}
	return w, nil
}

// buildCells unpacks the small parts of a Cells matrix.
func buildCells(m Meta, data func(string) []byte) (Weight, error) {
	w := &Cells{Out: m.Out, In: m.In, Rows: m.Rows, Reading: m.Reading, Bits: 16, Hash: HashMix64}
	if c := m.Cells; c != nil {
		w.Bits, w.Hash, w.Tile, w.Window = c.Bits, c.Hash, c.Tile, c.Window
		if s := c.Share; s != nil {
			w.Shared = &SharedCells{Base: words(data("base")), Addresses: words(data("addresses")), From: s[0], To: s[1], Total: s[2]}
		}
	}
	if w.Bits == 16 {
		w.Cells = view16(data("cells"))
	} else {
		w.Codes, w.Scales = data("cells"), view16(data("scales"))
	}
	w.Signs = data("signs")
	w.Seeds = words(data("seeds"))
	for b := data("sizes"); len(b) >= 4; b = b[4:] {
		w.Sizes = append(w.Sizes, binary.LittleEndian.Uint32(b))
	}
	class := data("class")
	if m.In < 1 || m.In > math.MaxInt32 || w.Tile < 0 || w.Tile > math.MaxInt16 {
		return nil, fmt.Errorf("cells: %d input channels, tiles of %d, want at least 1 and 0, at most %d and %d", m.In, w.Tile, math.MaxInt32, math.MaxInt16)
	}
	_, columns := w.Units()
	if columns > 8*len(class)/classBits {
		return nil, fmt.Errorf("cells: part \"class\": %d bytes, too few for %d columns", len(class), columns)
	}
	w.Class = make([]uint8, columns)
	UnpackRow(w.Class, class, columns, classBits)
	return w, nil
}

// buildHashed unpacks the seeds of a Hashed matrix.
func buildHashed(m Meta, data func(string) []byte) (Weight, error) {
	h := m.Hashed
	if h == nil {
		return nil, fmt.Errorf("hashed: meta has no \"hashed\"")
	}
	return &Hashed{
		Out: m.Out, In: m.In, Rows: h.Rows, Size: h.Size, Addressing: h.Addressing, Chunk: h.Chunk,
		TileIn: h.TileIn, TileOut: h.TileOut, Combine: h.Combine, Sign: h.Sign,
		Seeds: words(data("seeds")), Cells: view16(data("cells")), Signs: data("signs"),
	}, nil
}

// words returns little-endian bytes as 64-bit values. Odd last bytes are left
// out; the callers check sizes.
func words(b []byte) []uint64 {
	var v []uint64
	for ; len(b) >= 8; b = b[8:] {
		v = append(v, binary.LittleEndian.Uint64(b))
	}
	return v
}
