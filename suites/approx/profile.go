package approx

import (
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// Deciles is the number of classes of |w| in a Profile.
const Deciles = 10

// A Profile says which weights of matrices lost what.
type Profile struct {
	// Decile holds Σ(W-Ŵ)² and ΣW² by decile of |w| within its matrix, the
	// smallest first.
	Decile [Deciles]Distance
	// ZeroedSq is ΣW² over the weights that became 0.
	ZeroedSq float64
	// Flips counts the weights whose sign changed: neither w nor ŵ is 0.
	Flips int64
}

// Add adds the sums of another matrix.
func (p *Profile) Add(q Profile) {
	for i, d := range q.Decile {
		p.Decile[i].ErrSq += d.ErrSq
		p.Decile[i].RefSq += d.RefSq
	}
	p.ZeroedSq += q.ZeroedSq
	p.Flips += q.Flips
}

// magnitudes is how many magnitudes a Profile tells apart: those of bf16, to
// which |w| is cut. Weights of one magnitude stay together in one decile.
const magnitudes = 1 << 15

// ProfileOf returns the profile of one matrix. A magnitude belongs to the decile
// in which the middle of its ranks lies.
func ProfileOf(w, what packed.Weight) (Profile, error) {
	var p Profile
	count := make([]int64, magnitudes)
	sums := make([]Distance, magnitudes)
	var n int64
	err := eachBlock(w, what, func(b block) {
		for i, v := range b.w {
			at := math.Float32bits(v) << 1 >> 17
			e, s := float64(b.diff[i]), float64(v)
			count[at]++
			sums[at].ErrSq += e * e
			sums[at].RefSq += s * s
			switch hat := v - b.diff[i]; {
			case b.diff[i] == v:
				p.ZeroedSq += s * s
			case float64(hat)*s < 0:
				p.Flips++
			}
		}
		n += int64(len(b.w))
	})
	var before int64
	for at, c := range count {
		if c == 0 {
			continue
		}
		d := min(Deciles-1, int(Deciles*(2*before+c)/(2*n)))
		p.Decile[d].ErrSq += sums[at].ErrSq
		p.Decile[d].RefSq += sums[at].RefSq
		before += c
	}
	return p, err
}
