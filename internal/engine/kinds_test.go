package engine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

var _ engine.Weights = (*artefact.Artefact)(nil)

// TestKinds runs a model whose linear layers are in each packed format and
// compares with the same matrices dequantized to dense float32: same
// function, other kernels. A format without a row here fails.
func TestKinds(t *testing.T) {
	c := untied(t)
	tokens := make([]int, 40)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range tokens {
		tokens[i] = r.IntN(c.cfg.Vocab)
	}
	makers := map[packed.Kind]func(r *rand.Rand, out, in int) packed.Weight{
		packed.KindDense:    randomDense,
		packed.KindGrid:     randomGrid,
		packed.KindCodebook: randomCodebook,
		packed.KindLowRank:  randomLowRank,
		packed.KindCells:    randomCells,
		packed.KindHashed:   randomHashed,
		packed.KindLevels:   randomLevels,
		packed.KindBinary:   randomBinary,
		packed.KindPartial:  randomPartial,
		packed.KindSigns:    randomSigns,
		packed.KindSparse:   randomSparse,
		packed.KindSum: func(r *rand.Rand, out, in int) packed.Weight {
			return &packed.Sum{Terms: []packed.Weight{randomGrid(r, out, in), randomLowRank(r, out, in), randomSparse(r, out, in)}}
		},
	}
	onDevices(t, func(t *testing.T, dev kernels.Device) {
		for _, kind := range packed.Kinds() {
			t.Run(string(kind), func(t *testing.T) {
				if makers[kind] == nil {
					t.Fatalf("no test matrix of format %s", kind)
				}
				compressed, flat := replaceLinears(t, c, makers[kind])
				got := logitsOf(t, dev, compressed, tokens)
				compare(t, string(kind), got, logitsOf(t, dev, flat, tokens))
			})
		}
	})
}

// replaceLinears returns c with random matrices in place of its linears, and
// with the same matrices dequantized.
func replaceLinears(t *testing.T, c checkpoint, maker func(r *rand.Rand, out, in int) packed.Weight) (compressed, flat checkpoint) {
	r := rand.New(rand.NewPCG(3, 4))
	a, b := map[string]packed.Weight{}, map[string]packed.Weight{}
	for layer := range c.cfg.Layers {
		for _, l := range c.cfg.Linears(layer) {
			w := maker(r, l.Out, l.In)
			if err := w.Check(); err != nil {
				t.Fatal(err)
			}
			x := make([]float32, l.Out*l.In)
			w.Dequantize(x, 0, l.Out)
			a[l.Name], b[l.Name] = w, dense(l.Out, l.In, x)
		}
	}
	compressed, flat = c, c
	compressed.weights = edited{Weights: c.weights, matrices: a}
	flat.weights = edited{Weights: c.weights, matrices: b}
	return compressed, flat
}

// logitsOf prefills all but the last two tokens and decodes those, so that
// the kernels for many and for single tokens both run.
func logitsOf(t *testing.T, dev kernels.Device, c checkpoint, tokens []int) [][]float32 {
	e := newEngine(t, dev, c, engine.Options{})
	n := len(tokens)
	row, err := e.Prefill(context.Background(), tokens[:n-2])
	rows := [][]float32{slices.Clone(row)}
	for _, id := range tokens[n-2:] {
		if err != nil {
			t.Fatal(err)
		}
		row, err = e.Decode(context.Background(), id)
		rows = append(rows, slices.Clone(row))
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// halves returns n values of about the given size as f16.
func halves(r *rand.Rand, n int, size float64) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		x[i] = packed.F32ToF16(float32(r.NormFloat64() * size))
	}
	return x
}

func randomCodes(r *rand.Rand, rows, n, bits int) []byte {
	var b []byte
	codes := make([]uint8, n)
	for range rows {
		for i := range codes {
			codes[i] = uint8(r.IntN(1 << bits))
		}
		row := make([]byte, packed.RowBytes(n, bits))
		packed.PackRow(row, codes, bits)
		b = append(b, row...)
	}
	return b
}

func randomDense(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Dense{Out: out, In: in, DType: "BF16"}
	for range out * in {
		v := packed.F32ToBF16(float32(r.NormFloat64() * 0.1))
		w.Data = append(w.Data, byte(v), byte(v>>8))
	}
	return w
}

func randomGrid(r *rand.Rand, out, in int) packed.Weight {
	const group = 32
	groups := (in + group - 1) / group
	return &packed.Grid{
		Out: out, In: in, Bits: 4, Group: group,
		Codes: randomCodes(r, out, in, 4),
		Scale: halves(r, out*groups, 0.03),
		Zero:  randomCodes(r, 1, out*groups, 4),
	}
}

func randomLevels(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Levels{Out: out, In: in, Bits: 4, Block: 64, Codes: randomCodes(r, out, in, 4)}
	w.Absmax = make([]float32, w.Blocks())
	for i := range w.Absmax {
		w.Absmax[i] = 0.1 + 0.2*r.Float32()
	}
	return w
}

func randomCodebook(r *rand.Rand, out, in int) packed.Weight {
	return &packed.Codebook{
		Out: out, In: in, Bits: 3, Group: in / 2,
		Codes: randomCodes(r, out, in, 3),
		Table: halves(r, out*2<<3, 0.1),
	}
}

func randomLowRank(r *rand.Rand, out, in int) packed.Weight {
	const rank = 7
	return &packed.LowRank{Out: out, In: in, Rank: rank, U: halves(r, out*rank, 0.2), V: halves(r, rank*in, 0.2)}
}

func randomCells(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Cells{
		Out: out, In: in, Rows: 3, Bits: 16, Reading: packed.ReadingMagnitude, Hash: packed.HashMix64,
		Seeds: []uint64{1, 2, 3}, Class: make([]uint8, in), Sizes: []uint32{500, 300},
		Cells: halves(r, 3*800, 0.05),
	}
	for j := range w.Class {
		w.Class[j] = uint8(r.IntN(2))
	}
	w.Cells[5] = 0x7c00 // a cell that no weight fell into
	return w
}

// randomHashed takes the forms of a hashed matrix in turn.
func randomHashed(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Hashed{Out: out, In: in, Rows: 1, Size: 800, Combine: packed.CombineSingle, Sign: packed.SignNone}
	switch r.IntN(4) {
	case 0:
		w.Addressing, w.Rows, w.Combine, w.Sign = packed.AddressWeights, 3, packed.CombineMedian, packed.SignHash
		w.Seeds = []uint64{1, 2, 3, 4, 5, 6}
	case 1:
		w.Addressing, w.Rows, w.Combine, w.Sign = packed.AddressWeights, 2, packed.CombineMin, packed.SignPlane
		w.Seeds, w.Signs = []uint64{1, 2}, randomCodes(r, out, in, 1)
	case 2:
		w.Addressing, w.Chunk, w.Seeds = packed.AddressChunks, 24, []uint64{2038074743, 1234567, 987654321, 192837465}
	case 3:
		w.Addressing, w.TileIn, w.TileOut, w.Seeds = packed.AddressTiles, 16, 24, []uint64{45007, 12345, 33333, 44444}
	}
	w.Cells = halves(r, w.Rows*w.Size, 0.05)
	return w
}
func randomBinary(r *rand.Rand, out, in int) packed.Weight {
	w := packed.RandomBinary(r, packed.Binary{Out: out, In: in, Block: 32, Regions: 3, Keep: 6})
	w.Scalars = halves(r, len(w.Scalars), 0.05)
	return w
}

func randomPartial(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Partial{Out: out, In: in, Mask: randomCodes(r, 1, out*in, 1), Low: randomCodes(r, 1, out*in, 1),
		Scale: halves(r, out, 0.002), Zero: randomCodes(r, 1, out, 8), Rest: halves(r, 2*out, 0.05)}
	w.High = randomCodes(r, 1, w.Salient(out), 7)
	return w
}

func randomSigns(r *rand.Rand, out, in int) packed.Weight {
	return &packed.Signs{Out: out, In: in, Minus: randomCodes(r, 1, out*in, 1), A: halves(r, out, 0.3), B: halves(r, in, 0.3)}
}

// randomSparse stores every fifth value.
func randomSparse(r *rand.Rand, out, in int) packed.Weight {
	w := &packed.Sparse{Out: out, In: in, Start: []uint32{0}}
	for range out {
		for c := range in {
			if r.IntN(5) == 0 {
				w.Columns = append(w.Columns, uint32(c))
			}
		}
		w.Start = append(w.Start, uint32(len(w.Columns)))
	}
	w.Values = halves(r, len(w.Columns), 0.1)
	return w
}
