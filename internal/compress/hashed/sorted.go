package hashed

import (
	"math"
	"math/bits"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Cells that do not fit in a cache cost a miss for every weight that is
// hashed to them. From sortedCells on, weights are therefore sorted by buckets
// of cells first, a batch at a time, and each bucket's cells are in the cache
// when the weights are added to them.
const (
	sortedCells  = 1 << 17
	bucketBits   = 14      // a bucket has 2^bucketBits cells
	batchWeights = 1 << 16 // about so many weights are sorted by one task
	maxBatches   = 32      // at a time
)

// An entry is a weight, with its sign by hash or as a magnitude, and its cell.
type entry struct {
	cell  uint32
	value float32
}

// A batch holds the entries of some rows of a matrix by rising bucket, those
// of one bucket by rising address.
type batch struct {
	entries []entry
	cells   []uint32 // of the weights in their own order
	ends    []int    // where each bucket's entries end
}

// gatherSorted adds all weights of w to the cells of sketch row k, each cell's
// by rising address. The matrix is addressed by weights.
func gatherSorted(cfg gemm.Config, cells []cell, m *packed.Hashed, k int, w []float32, fill Fill) {
	buckets := (len(cells)-1)>>bucketBits + 1
	rows := max(1, batchWeights/m.In)
	batches := make([]batch, min(maxBatches, (m.Out+rows-1)/rows))
	for i := range batches {
		batches[i] = batch{make([]entry, rows*m.In), make([]uint32, rows*m.In), make([]int, buckets)}
	}
	for first := 0; first < m.Out; first += rows * len(batches) {
		cfg.Parallel(len(batches), func(i int) {
			r0 := min(first+i*rows, m.Out)
			r1 := min(r0+rows, m.Out)
			batches[i].sort(m, k, w[r0*m.In:r1*m.In], uint64(r0)*uint64(m.In))
		})
		cfg.Parallel(buckets, func(b int) {
			for i := range batches {
				add(cells, batches[i].bucket(b), fill)
			}
		})
	}
}

// sort makes entries of the weights from address on, by counting: the cells
// first, of which the ends of the buckets follow.
func (b *batch) sort(m *packed.Hashed, k int, w []float32, address uint64) {
	clear(b.ends)
	n, seed := uint64(m.Size), m.Seeds[k]
	cells := b.cells[:len(w)]
	for i := range cells {
		j, _ := bits.Mul64(packed.Mix64((address+uint64(i))^seed), n)
		cells[i] = uint32(j)
		b.ends[j>>bucketBits]++
	}
	start := 0
	for i, count := range b.ends {
		b.ends[i] = start
		start += count
	}
	put := func(cell uint32, value uint32) {
		p := &b.ends[cell>>bucketBits]
		b.entries[*p] = entry{cell, math.Float32frombits(value)}
		*p++
	}
	if m.Sign != packed.SignHash {
		for i, cell := range cells {
			put(cell, math.Float32bits(w[i])&^(1<<31))
		}
		return
	}
	signs := m.Seeds[m.Rows+k]
	for i, cell := range cells {
		put(cell, math.Float32bits(w[i])^uint32(packed.Mix64((address+uint64(i))^signs)>>63)<<31)
	}
}

// bucket returns the entries of a bucket.
func (b *batch) bucket(i int) []entry {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.entries[start:b.ends[i]]
}

// add adds entries to their cells.
func add(cells []cell, entries []entry, fill Fill) {
	for _, e := range entries {
		c := &cells[e.cell]
		if fill == Greatest {
			c.value = max(c.value, float64(e.value))
		} else {
			c.value += float64(e.value)
		}
		c.load++
	}
}
