package svd

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestShare, by hand: triplets of the 3×1 matrix cost 8 bytes, those of the
// 1×1 matrix 4.
func TestShare(t *testing.T) {
	a := Spectrum{3, 1, []float64{9, 4, 1}} // gains of 16/8, 1/8 beyond the first
	b := Spectrum{1, 1, []float64{5, 3, 2}} // 9/4, 4/4
	for _, c := range []struct {
		bytes int64
		want  []int
	}{
		{12, []int{1, 1}}, // one each
		{15, []int{1, 1}}, // 3 left
		{16, []int{1, 2}}, // 9/4 first
		{20, []int{1, 3}}, // 16/8 does not fit in 4, 4/4 does
		{24, []int{2, 2}}, // 9/4, then 16/8
		{28, []int{2, 3}},
		{35, []int{2, 3}},
		{36, []int{3, 3}},
		{999, []int{3, 3}},
	} {
		if got := Share([]Spectrum{a, b}, c.bytes); !slices.Equal(got, c.want) {
			t.Errorf("%d bytes: ranks %v, want %v", c.bytes, got, c.want)
		}
	}
	// 16/8 comes before 6.25/4, although 4/8 is less than 2.5/4.
	if got := Share([]Spectrum{a, {1, 1, []float64{5, 2.5}}}, 20); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("%v, want the most σ² per byte first", got)
	}
	flat := Spectrum{2, 2, []float64{1, 1, 0, 0}}
	if got := Share([]Spectrum{flat, flat}, 3*8); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("equal gains: %v, want the first to have it", got)
	}
	if got := Share([]Spectrum{flat, flat}, 999); !slices.Equal(got, []int{2, 2}) {
		t.Errorf("%v, want no triplet that saves nothing", got)
	}
}

// TestShareOptimal compares with every choice of ranks where all triplets cost
// alike, so that no bytes are left over. Where they do not, another choice within
// the bytes is better by less than σ² of the first triplet that did not fit: not
// even a part of it, beside all that came before, could save more.
func TestShareOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		ms := make([]Spectrum, 3)
		for i := range ms {
			ms[i] = Spectrum{4, 4, make([]float64, 4)}
			if rng.IntN(2) == 0 {
				ms[i].Out = 12 // twice the bytes
			}
			for j := range ms[i].Sigma {
				ms[i].Sigma[j] = rng.Float64()
			}
			slices.Sort(ms[i].Sigma)
			slices.Reverse(ms[i].Sigma)
		}
		left := func(ranks []int) (loss float64, bytes int64) {
			for i, m := range ms {
				bytes += Bytes(ranks[i], m.Out, m.In)
				for _, s := range m.Sigma[ranks[i]:] {
					loss += s * s
				}
			}
			return loss, bytes
		}
		_, least := left([]int{1, 1, 1})
		budget := least + rng.Int64N(200)
		got := Share(ms, budget)
		loss, used := left(got)
		if used > budget {
			t.Fatalf("%v: %d bytes of %d", got, used, budget)
		}
		for i, m := range ms {
			if got[i] < 4 && used+Bytes(1, m.Out, m.In) <= budget {
				t.Fatalf("%v: %d bytes of %d, and another triplet of matrix %d fits", got, used, budget, i)
			}
		}
		mixed := ms[0].Out != ms[1].Out || ms[1].Out != ms[2].Out
		for n := range 64 {
			ranks := []int{1 + n%4, 1 + n/4%4, 1 + n/16}
			other, bytes := left(ranks)
			slack := 1e-12
			for i, m := range ms {
				if mixed && got[i] < 4 {
					slack = max(slack, m.Sigma[got[i]]*m.Sigma[got[i]])
				}
			}
			if bytes <= budget && other < loss-slack {
				t.Fatalf("%v leaves %v, %v only %v", got, loss, ranks, other)
			}
		}
	}
}
