// Package packed defines the weight formats that compression methods write
// and kernels read. It holds data, its byte layout and its addressing, no
// arithmetic on activations and no policy.
package packed

// A Weight is an out×in matrix in one of the formats of this package. What a
// Weight holds in memory is exactly what is stored: 16-bit tables, scales,
// factors and cells stay 16-bit, so that Bytes counts what a file holds.
type Weight interface {
	// Kind names the format.
	Kind() Kind
	// Dims returns the output and input channel counts.
	Dims() (out, in int)
	// Bytes returns the stored size: the sum over Parts, of those that a Sharer
	// shares its share.
	Bytes() int64
	// Parts lists what is stored, in a fixed order. The data may alias the
	// weight's own memory and must not be changed.
	Parts() []Part
	// Dequantize writes rows [r0,r1) of Ŵ, row-major, to dst, which must hold
	// (r1-r0)·in values.
	Dequantize(dst []float32, r0, r1 int)
	// Check reports the first way in which the weight breaks its own
	// invariants: sizes that do not fit, codes or cells out of range,
	// non-finite scales.
	Check() error
}

// A Sharer is a weight that may share parts with other weights, so that they
// are stored once for all.
type Sharer interface {
	Weight
	// Share returns how many bytes of a part the weight is billed, if it shares
	// the part. The shares of all sum to the bytes of the part.
	Share(part string) (bytes int64, shared bool)
}

var _ Sharer = (*Cells)(nil)

// A Kind names a format.
type Kind string

// The formats.
const (
	KindDense    Kind = "dense"    // Dense
	KindGrid     Kind = "grid"     // Grid
	KindCodebook Kind = "codebook" // Codebook
	KindLowRank  Kind = "lowrank"  // LowRank
	KindCells    Kind = "cells"    // Cells
	KindHashed   Kind = "hashed"   // Hashed
	KindLevels   Kind = "levels"   // Levels
	KindBinary   Kind = "binary"   // Binary
	KindPartial  Kind = "partial"  // Partial
	KindSigns    Kind = "signs"    // Signs
	KindSparse   Kind = "sparse"   // Sparse
	KindSum      Kind = "sum"      // Sum
)

// A Class says what the bytes of a part are for, in the bit ledger.
type Class string

// The classes of stored bytes.
const (
	ClassDense    Class = "dense"    // uncompressed values
	ClassCodes    Class = "codes"    // packed codes
	ClassTables   Class = "tables"   // centroids
	ClassScales   Class = "scales"   // scales and zeros
	ClassFactors  Class = "factors"  // low-rank factors
	ClassCells    Class = "cells"    // hashed cells
	ClassIndices  Class = "indices"  // class maps, class sizes, group indices
	ClassSeeds    Class = "seeds"    // hash seeds
	ClassDeclared Class = "declared" // what another program says that it stores
	ClassMasks    Class = "masks"    // which weights or columns are treated how
	ClassPadding  Class = "padding"  // bits that fill up the last byte of rows and planes, of all other classes
)

// A Part is one stored array of a weight. Data is little-endian.
type Part struct {
	Name  string // suffix after the tensor's name, such as "codes"
	Class Class
	DType string // safetensors' name: U8, U32, U64, F16, BF16, F32
	Shape []int
	Data  []byte
}
