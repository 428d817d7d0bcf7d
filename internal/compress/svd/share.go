package svd

import (
	"container/heap"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A Spectrum is the singular values of an out×in matrix, falling.
type Spectrum struct {
	Out, In int
	Sigma   []float64
}

// maxExact is the largest smaller side of a matrix all of whose singular values
// are computed: a second of one core.
const maxExact = 1024

// SpectrumOf returns the singular values of the out×in matrix a from which
// Share chooses ranks around rank: all of them, or of a matrix with both sides
// above 1024 the first 4·rank.
func SpectrumOf(cfg gemm.Config, a []float32, out, in, rank int, seed uint64) (Spectrum, error) {
	if min(out, in) <= maxExact {
		sigma, err := linalg.SingularValues(cfg, a, out, in)
		return Spectrum{out, in, sigma}, err
	}
	s, err := Decompose(cfg, a, out, in, min(4*rank, out, in), seed)
	return Spectrum{out, in, s.S}, err
}

// Share returns the ranks at which matrices of these spectra together leave
// least error, Σσ² over the triplets that are not kept, in at most so many
// bytes: each has one triplet, and then the one that saves most per byte is
// next, σ²/(2·(out+in)), until none fits. A triplet that does not fit, or saves
// nothing, ends its matrix. Of equals the first matrix gets it.
//
// Gains of a matrix fall and its triplets cost alike, so this is optimal but
// for the bytes left over, which are fewer than one triplet takes.
func Share(matrices []Spectrum, bytes int64) []int {
	ranks := make([]int, len(matrices))
	var q queue
	for i, m := range matrices {
		bytes -= Bytes(1, m.Out, m.In)
		ranks[i] = 1
		if len(m.Sigma) > 1 {
			q = append(q, newOffer(i, m, 1))
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		next := heap.Pop(&q).(offer)
		m := matrices[next.matrix]
		cost := Bytes(1, m.Out, m.In)
		if cost > bytes || next.gain == 0 {
			continue
		}
		bytes -= cost
		ranks[next.matrix]++
		if ranks[next.matrix] < len(m.Sigma) {
			heap.Push(&q, newOffer(next.matrix, m, ranks[next.matrix]))
		}
	}
	return ranks
}

// An offer is the next triplet of a matrix.
type offer struct {
	matrix int
	gain   float64 // σ² per byte
}

func newOffer(i int, m Spectrum, rank int) offer {
	s := m.Sigma[rank]
	return offer{i, s * s / float64(Bytes(1, m.Out, m.In))}
}

// queue is a heap of offers, the best first.
type queue []offer

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].gain != q[j].gain {
		return q[i].gain > q[j].gain
	}
	return q[i].matrix < q[j].matrix
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(offer)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
