package binarize

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestTerms works an example: 1 2 3 6 has the mean 3 and the mean distance
// (2+1+0+3)/4 = 1.5, so that 1.5 1.5 4.5 4.5 is off by ½ ½ 1½ 1½: 5 in squares.
// What is left, -½ ½ -1½ 1½, has the mean 0 and the mean size 1, and leaves
// ½ -½ -½ ½: 1 in squares.
func TestTerms(t *testing.T) {
	v := []float64{1, 2, 3, 6}
	one, e := fit(v)
	if one != (term{3, 1.5}) || e != 5 {
		t.Errorf("one term %v, error %v", one, e)
	}
	rest := make([]float64, 4)
	first, second, e := fitTwo(rest, v)
	if first != one || second != (term{0, 1}) || e != 1 || !slices.Equal(rest, []float64{-0.5, 0.5, -1.5, 1.5}) {
		t.Errorf("two terms %v %v, error %v, left %v", first, second, e, rest)
	}
	// 3 is the mean: + first; it leaves -1.5, which is a minus.
	for i, want := range []uint8{3, 1, 2, 0} {
		if got := salientCode(v[i], first, second); got != want {
			t.Errorf("code of %v: %b, want %b", v[i], got, want)
		}
	}
	if z, e := fit(nil); z != (term{}) || e != 0 {
		t.Errorf("nothing: %v, %v", z, e)
	}
}

// TestTermIsBest: no other magnitude for the same mean has a smaller error.
func TestTermIsBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		v := make([]float64, 1+rng.IntN(9))
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		one, e := fit(v)
		for _, size := range []float64{0, one.size / 2, 0.99 * one.size, 1.01 * one.size, 2 * one.size} {
			var other float64
			for _, x := range v {
				other += math.Pow(math.Abs(x-one.mean)-size, 2)
			}
			if other < e*(1-1e-12) {
				t.Fatalf("%v: magnitude %v has error %v, %v has %v", v, one.size, e, size, other)
			}
		}
	}
}

// brute binarises the chosen weights of a row with one or two terms and
// returns the squared error, from the definition.
func brute(q []float64, in []bool, terms int) float64 {
	what := make([]float64, len(q))
	for range terms {
		var mean, size, n float64
		for j, x := range q {
			if in[j] {
				mean += x - what[j]
				n++
			}
		}
		mean /= math.Max(n, 1)
		for j, x := range q {
			if in[j] {
				size += math.Abs(x - what[j] - mean)
			}
		}
		size /= math.Max(n, 1)
		for j, x := range q {
			if in[j] {
				what[j] += mean + math.Copysign(size, x-what[j]-mean)
			}
		}
	}
	var e float64
	for j, x := range q {
		if in[j] {
			e += (x - what[j]) * (x - what[j])
		}
	}
	return e
}

// TestSearches compares both searches with trying everything on small blocks,
// with and without a mask.
func TestSearches(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for trial := range 120 {
		out, n := 1+rng.IntN(4), 1+rng.IntN(14)
		o := Options{Block: 16, Regions: 2 + trial%2, Saliency: Hessian, Search: OnSaliency, Keep: 8}
		if trial%3 == 0 {
			o.Search = OnWeights
		}
		w := make([]float32, out*n)
		for i := range w {
			w[i] = float32(rng.NormFloat64() * math.Exp(rng.NormFloat64()))
		}
		if trial%4 > 1 {
			o.Kept = make([]bool, len(w))
			for i := range o.Kept {
				o.Kept[i] = rng.IntN(4) > 0
			}
		}
		b := &binarizer{cfg: gemm.Config{Threads: 1}, o: o, out: out, in: n, u: make([]float64, n)}
		for j := range b.u {
			b.u[j] = 0.5 + rng.Float64()
		}
		s := b.newSearch(0, n, w)
		bounds := s.run()
		if want := bruteCount(s, out); s.count != want {
			t.Fatalf("trial %d: %d salient columns, want %d", trial, s.count, want)
		}
		var all float64 // below its rounding errors are equal
		for _, x := range s.q {
			all += x * x
		}
		got := bruteBounds(s, out, bounds)
		for _, try := range s.candidates() {
			if e := bruteBounds(s, out, try); e < got-1e-14*all {
				t.Fatalf("trial %d: bounds %v have error %v, %v have %v", trial, bounds, got, try, e)
			}
		}
	}
}

// TestMostSalient: where the error falls with every salient column up to 50, 49
// are taken.
func TestMostSalient(t *testing.T) {
	const n = 64
	o := Options{Block: n, Regions: 2, Saliency: Magnitude, Search: OnWeights, Keep: 8}
	w := make([]float32, n)
	for j := range w {
		w[j] = float32(j % 2) // two values, which two terms hold
	}
	w[n-1] = 1 << 20 // with this they do not, and the fewer the others are the better
	b := &binarizer{cfg: gemm.Config{Threads: 1}, o: o, out: 1, in: n}
	s := b.newSearch(0, n, w)
	s.order = s.order[:0]
	for j := range n {
		s.order = append(s.order, j)
	}
	for k, least := 1, math.Inf(1); k <= 50; k++ {
		_, _, e := fitTwo(make([]float64, n), s.q[:k])
		_, _, f := fitTwo(make([]float64, n), s.q[k:])
		if !(e+f < least) {
			t.Fatalf("error of %d salient columns %v, of one less %v", k, e+f, least)
		}
		least = e + f
	}
	if got := s.bestCount(); got != 49 {
		t.Errorf("%d salient columns, want 49", got)
	}
}

// TestBound: a magnitude at the bound is in the upper region, as in the search.
// 1 and 2 have the mean 1.5, and 3, 4 and 5 the mean 4.
func TestBound(t *testing.T) {
	w := []float32{1, 2, 3, 4, 5}
	p := &packed.Binary{Out: 1, In: 5, Block: 5, Regions: 2, Keep: 8, Salient: make([]byte, 1), Scalars: make([]uint16, 7)}
	b := &binarizer{cfg: gemm.Config{Threads: 1}, o: Options{Block: 5, Regions: 2, Saliency: Magnitude, Search: OnWeights, Keep: 8},
		out: 1, in: 5, p: p, codes: make([]uint8, 5)}
	s := b.newSearch(0, 5, w)
	m := &memory{values: make([]float64, 5), rest: make([]float64, 5), order: make([]int, 5)}
	if err := b.row(s, 0, w, make([]float32, 5), []float64{3}, m); err != nil {
		t.Fatal(err)
	}
	if want := []uint8{1, 0, 3, 2, 2}; !slices.Equal(b.codes, want) { // minus, and 2 for the upper region
		t.Errorf("codes %v, want %v", b.codes, want)
	}
}

// bruteCount is the number of salient columns by the definition.
func bruteCount(s *search, out int) int {
	best, least := 0, math.Inf(1)
	var all float64 // below its rounding errors are equal
	for _, x := range s.q {
		all += x * x
	}
	for k := 1; k <= s.n; k++ {
		var e float64
		for r := range out {
			salient, others := make([]bool, s.n), make([]bool, s.n)
			for i, j := range s.order {
				salient[j], others[j] = i < k && s.kept(r, j), i >= k && s.kept(r, j)
			}
			q := s.q[r*s.n : (r+1)*s.n]
			e += brute(q, salient, 2) + brute(q, others, 2)
		}
		if e < least-1e-14*all {
			best, least = k, e
		}
	}
	return best
}

// bruteBounds is the squared error of bounds over all rows.
func bruteBounds(s *search, out int, bounds []float64) float64 {
	var e float64
	for r := range out {
		q := s.q[r*s.n : (r+1)*s.n]
		for g := range len(bounds) + 1 {
			in := make([]bool, s.n)
			for j, x := range q {
				a := math.Abs(x)
				in[j] = s.kept(r, j) && !s.salient[j] && (g == 0 || a >= bounds[g-1]) && (g == len(bounds) || a < bounds[g])
			}
			e += brute(q, in, 1)
		}
	}
	return e
}

// TestCandidates: of the values 1 to 101, percentile p is 1 + 100p; of two
// bounds the upper is twice the lower, and at most the 90th percentile, 91, so
// that the lower is at most 45.5.
func TestCandidates(t *testing.T) {
	w := make([]float32, 102)
	for i := range w {
		w[i] = float32(i) // 0 is salient, and counts as 0: then 0 to 101
	}
	o := Options{Regions: 2, Saliency: Magnitude, Search: OnWeights}
	s := (&binarizer{o: o, out: 1, in: 102}).newSearch(0, 102, w)
	s.salient[0] = true
	tried := s.candidates()
	if len(tried) != 81 || math.Abs(tried[0][0]-10.1) > 1e-9 || math.Abs(tried[80][0]-90.9) > 1e-9 {
		t.Errorf("%d bounds from %v to %v", len(tried), tried[0], tried[len(tried)-1])
	}
	s.b.o.Regions = 3
	tried = s.candidates()
	last := tried[len(tried)-1]
	if math.Abs(tried[0][0]-10.1) > 1e-9 || last[1] != 2*last[0] || last[1] > 90.9+1e-9 || last[0] < 45.45-101*0.8/159 {
		t.Errorf("bounds from %v to %v", tried[0], last)
	}
}
