package kmeans

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A problem made by synthetic: how its values and weights are distributed.
type law struct {
	n      int
	tail   float64 // exponent on an exponential variate that divides: 0 is Gaussian
	spread float64 // of the logarithm of the weights
}

func synthetic(l law, seed uint64) (x []float32, v []float64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	x, v = make([]float32, l.n), make([]float64, l.n)
	for i := range x {
		x[i] = float32(rnd.NormFloat64() / math.Pow(rnd.ExpFloat64(), l.tail))
		v[i] = math.Exp(l.spread * rnd.NormFloat64())
	}
	return x, v
}

// brute returns the least inertia over all partitions of the sorted values
// into at most k runs, by trying all.
func brute(x []float32, v []float64, k int) float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	var least func(order []int, k int) float64
	least = func(order []int, k int) float64 {
		if len(order) == 0 {
			return 0
		}
		best, first := math.Inf(1), 1
		if k == 1 {
			first = len(order)
		}
		for i := first; i <= len(order); i++ {
			var m, mx, e float64
			for _, j := range order[:i] {
				m += v[j]
				mx += v[j] * float64(x[j])
			}
			for _, j := range order[:i] {
				e += v[j] * (float64(x[j]) - mx/m) * (float64(x[j]) - mx/m)
			}
			best = min(best, e+least(order[i:], k-1))
		}
		return best
	}
	return least(order, k)
}

func solve(x []float32, v []float64, o Options) ([]float64, Stats) {
	c := make([]float64, o.K)
	return c, NewSolver(len(x), o).Solve(c, x, v, 0)
}

// direct returns the inertia of centres from distances.
func direct(x []float32, v, c []float64) float64 {
	var sum float64
	for i, f := range x {
		best := math.Inf(1)
		for _, m := range c {
			best = min(best, (float64(f)-m)*(float64(f)-m))
		}
		sum += v[i] * best
	}
	return sum
}

func TestExactIsBest(t *testing.T) {
	for seed := range uint64(40) {
		x, v := synthetic(law{n: 5 + int(seed%7), spread: float64(seed % 3)}, seed)
		if seed%4 == 0 {
			x[3], x[4] = x[1], x[1]
		}
		for _, k := range []int{1, 2, 3, 4} {
			want := brute(x, v, k)
			for _, start := range []Start{Exact, Histogram} {
				c, st := solve(x, v, Options{K: k, Start: start})
				// Sums of a dozen terms: 1e-12 of the whole inertia about 0.
				if d := math.Abs(st.Inertia - want); !(d <= 1e-12*direct(x, v, []float64{0})) {
					t.Errorf("seed %d, %d centres, %s: inertia %v, best %v", seed, k, start, st.Inertia, want)
				}
				if e := direct(x, v, c); !quanttest.Close(e, st.Inertia, 1e-9) && e > 1e-25 {
					t.Errorf("seed %d, %d centres, %s: inertia %v, from distances %v", seed, k, start, st.Inertia, e)
				}
			}
		}
	}
}

// TestHistogram checks the rule of methods.md 2.2: within 1 % of the optimum,
// summed over rows; on tails as heavy as Cauchy's (exponent 1) too, and at 8
// bits. No start is better than the exact one.
func TestHistogram(t *testing.T) {
	for _, l := range []law{{1024, 0, 0}, {2048, 0, 1}, {1500, 0.5, 0}, {1500, 0.5, 3}, {2048, 1, 0}, {2048, 1, 1}, {4096, 0, 0}, {4096, 0.5, 1}, {4096, 1, 3}} {
		for _, k := range []int{4, 16, 256} {
			var got, best float64
			for row := range uint64(2) {
				x, v := synthetic(l, row)
				_, h := solve(x, v, Options{K: k, Start: Histogram})
				_, e := solve(x, v, Options{K: k, Start: Exact})
				_, p := solve(x, v, Options{K: k, Start: Published})
				_, even := solve(x, v, Options{K: k, Start: Linspace})
				if least := min(h.Inertia, p.Inertia, even.Inertia); least < e.Inertia*(1-1e-9) {
					t.Errorf("%+v, %d centres: %v is below the optimum %v", l, k, least, e.Inertia)
				}
				got, best = got+h.Inertia, best+e.Inertia
			}
			if !(got <= 1.01*best) {
				t.Errorf("%+v, %d centres: inertia %v, optimum %v", l, k, got, best)
			}
		}
	}
}

// TestReference compares tables from an even start, and inertias, with those
// of another program, in float64 from the same sample weights. Tables are
// stored there as float32. The optimum stored as float32 carries 2^-24.
func TestReference(t *testing.T) {
	type figures struct {
		Inertia struct {
			Lloyd   float64 `json:"lloyd_sum"`
			Optimal float64 `json:"optimal_sum"`
		}
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "sketchtune")
		for _, name := range names {
			m := s.Matrix(t, name)
			lut, shape := s.Values(t, "sketchtune", name+".lut")
			u, _ := s.Values(t, "sketchtune", strings.Split(name, ".")[0]+".u_diag")
			exponent := float64(name[len(name)-1] - '0')
			w, largest := slices.Clone(m.W), 0.0
			for i := range w {
				if m.H[i%m.In*(m.In+1)] == 0 {
					w[i] = 0
				}
				largest = max(largest, math.Abs(float64(w[i])))
			}
			for j := range u {
				u[j] = math.Pow(u[j], -exponent)
			}
			tables := map[Start]*Tables{}
			for _, start := range []Start{Linspace, Exact, Histogram, Published} {
				var err error
				tables[start], err = Rows(gemm.Config{}, w, m.Out, m.In, shape[1], u, Options{K: shape[2], Start: start})
				if err != nil {
					t.Fatal(err)
				}
			}
			for i, c := range tables[Linspace].Centres {
				if d := math.Abs(c - lut[i]); !(d <= 1e-6*largest) {
					t.Fatalf("%s: centre %d is %v, want %v", name, i, c, lut[i])
				}
			}
			lloyd, _ := s.Values(t, "kmeans_inertia", name+".lloyd")
			optimal, _ := s.Values(t, "kmeans_inertia", name+".optimal")
			scikit, _ := s.Values(t, "kmeans_inertia", name+".sklearn")
			var histogram float64
			for i := range optimal {
				// From an even start; with more centres ours is another.
				if e := tables[Published].Stats[i].Inertia; shape[2] <= linspaceUpTo && !near(e, scikit[i]) && !lostCluster[fmt.Sprint(name, " ", i)] {
					t.Errorf("%s: table %d: with relocation %v, want %v", name, i, e, scikit[i])
				}
				if e := tables[Published].Stats[i].Inertia; e < optimal[i]*(1-1e-5) {
					t.Errorf("%s: table %d: published start %v is below the optimum %v", name, i, e, optimal[i])
				}
				if e := tables[Linspace].Stats[i].Inertia; !near(e, lloyd[i]) {
					t.Errorf("%s: table %d: inertia %v, want %v", name, i, e, lloyd[i])
				}
				if e := tables[Exact].Stats[i].Inertia; !near(e, optimal[i]) {
					t.Errorf("%s: table %d: exact start %v, optimum %v", name, i, e, optimal[i])
				}
				e := tables[Histogram].Stats[i].Inertia
				if e < optimal[i]*(1-1e-5) {
					t.Errorf("%s: table %d: inertia %v is below the optimum %v", name, i, e, optimal[i])
				}
				histogram += e
			}
			if best := results[name].Inertia.Optimal; !(histogram <= 1.01*best) {
				t.Errorf("%s: inertia %v, optimum %v", name, histogram, best)
			}
		}
	})
}

// lostCluster lists tables that differ from scikit-learn's. Relocation takes
// the last member of a cluster there, and scikit-learn puts that cluster not at
// the mean but at the weighted sum of the heaviest one's values, which depends
// on the unit of the weights. Here it is put at the mean.
var lostCluster = map[string]bool{"gate.b3.g2.s0 0": true, "q.b3.g4.s0 198": true, "q.b3.g4.s4 199": true}

// near compares inertias to 1e-5. The reference takes what is below rounding
// for 0; squared distances of float32 values that differ are not so small.
func near(got, want float64) bool {
	return quanttest.Close(got, want, 1e-5) || want == 0 && got < 1e-20
}

func TestCheck7EqualWeightsArePlain(t *testing.T) {
	x, v := synthetic(law{n: 300}, 1)
	for i := range v {
		v[i] = 1
	}
	for _, start := range Starts() {
		plain, _ := solve(x, v, Options{K: 16, Start: start})
		for i := range v {
			v[i] = 4
		}
		c, _ := solve(x, v, Options{K: 16, Start: start})
		if !slices.Equal(c, plain) {
			t.Errorf("%s: weights of 4 and of 1 give different centres", start)
		}
		// A plain mean of members is what Lloyd's fixed point means.
		for i, m := range c {
			var sum, n float64
			for _, f := range x {
				if nearest(c, float64(f)) == i {
					sum, n = sum+float64(f), n+1
				}
			}
			// Stopping by small movement leaves up to √(1e-6·variance).
			if n > 0 && math.Abs(sum/n-m) > 2e-3 {
				t.Errorf("%s: centre %d is %v, mean of its members %v", start, i, m, sum/n)
			}
		}
	}
}

func nearest(c []float64, x float64) int {
	best := 0
	for i := range c {
		if math.Abs(c[i]-x) < math.Abs(c[best]-x) {
			best = i
		}
	}
	return best
}

func TestCheck7DominatingWeight(t *testing.T) {
	x, v := synthetic(law{n: 200}, 2)
	v[17] = 1e12
	for _, start := range Starts() {
		c, _ := solve(x, v, Options{K: 8, Start: start})
		if d := math.Abs(c[nearest(c, float64(x[17]))] - float64(x[17])); d > 1e-9 {
			t.Errorf("%s: nearest centre is %v away from the value with all the weight", start, d)
		}
	}
}

func TestCheck8FewDistinctValues(t *testing.T) {
	x := []float32{2, -1, 2, 0.3, float32(math.Copysign(0, -1)), 0, 0.3}
	v := []float64{1, 2, 3, 4, 5, 6, 7}
	want := []float64{-1, 0, float64(float32(0.3)), 2}
	for _, o := range []Options{
		{K: 4, Start: Histogram}, {K: 16, Start: Exact}, {K: 16, Start: Histogram}, {K: 256, Start: Histogram},
		{K: 16, Start: Published}, {K: 8, Start: Published}, {K: 4, Start: PlusPlus},
	} {
		c, st := solve(x, v, o)
		if !slices.Equal(c[:4], want) || c[len(c)-1] != 2 || st.Inertia != 0 {
			t.Errorf("%+v: centres %v, inertia %v, want %v and no error", o, c, st.Inertia, want)
		}
	}
	for _, start := range Starts() {
		if c, st := solve([]float32{5, 5, 5}, []float64{1, 2, 3}, Options{K: 4, Start: start}); c[0] != 5 || c[3] != 5 || st.Inertia != 0 {
			t.Errorf("%s: one value: centres %v, inertia %v", start, c, st.Inertia)
		}
	}
}

// TestCheck7LinspaceIsDeterministic: no seed and no earlier problem changes it.
func TestCheck7LinspaceIsDeterministic(t *testing.T) {
	x, v := synthetic(law{n: 300, spread: 1}, 11)
	want, _ := solve(x, v, Options{K: 8, Start: Linspace})
	s := NewSolver(300, Options{K: 8, Start: Linspace, Seed: 5})
	got := make([]float64, 8)
	s.Solve(got, x[:100], v[:100], 1)
	if s.Solve(got, x, v, 2); !slices.Equal(got, want) {
		t.Errorf("centres %v, want %v", got, want)
	}
}

// TestCheck7EmptyClusterStays: the even start of [0, 0.5, 10] with 4 centres is
// 0, 10/3, 20/3, 10; the two in the middle have no members and stay.
func TestCheck7EmptyClusterStays(t *testing.T) {
	c, st := solve([]float32{10, 0, 0.5}, []float64{1, 3, 1}, Options{K: 4, Start: Linspace})
	want := []float64{0.125, 10.0 / 3, 20.0 / 3, 10}
	for i := range c {
		if math.Abs(c[i]-want[i]) > 1e-12 || !st.Empty {
			t.Errorf("centres %v, want %v; empty %v", c, want, st.Empty)
		}
	}
}

func TestPublished(t *testing.T) {
	x, v := synthetic(law{n: 400, spread: 1}, 3)
	for _, k := range []int{4, 8} {
		a, st := solve(x, v, Options{K: k, Start: Published})
		b, _ := solve(x, v, Options{K: k, Start: Linspace})
		if !slices.Equal(a, b) && !st.Empty {
			t.Errorf("%d centres: not the even start", k)
		}
		if p, _ := solve(x, v, Options{K: k, Start: PlusPlus}); slices.Equal(a, p) {
			t.Errorf("%d centres: k-means++ is the even start", k)
		}
	}
	o := Options{K: 16, Start: Published, Seed: 42}
	a, st := solve(x, v, o)
	_, best := solve(x, v, Options{K: 16, Start: Exact})
	// methods.md 2.2 gives 1.04 to 1.11 for k-means++ on average.
	if st.Inertia < best.Inertia*(1-1e-9) || st.Inertia > 1.5*best.Inertia {
		t.Errorf("k-means++: inertia %v, optimum %v", st.Inertia, best.Inertia)
	}
	if b, _ := solve(x, v, o); !slices.Equal(a, b) {
		t.Error("the same seed gives other centres")
	}
	o.Seed++
	if b, _ := solve(x, v, o); slices.Equal(a, b) {
		t.Error("another seed gives the same centres")
	}
}

// TestLightCluster checks that a cluster of 1e-14 of the weight gets the mean
// of its members, which differences of prefix sums would have lost.
func TestLightCluster(t *testing.T) {
	x := []float32{-1, -0.75, 1, 1.5, 1.75, 7, 7.25}
	v := []float64{1e13, 1e13, 1e-3, 2e-3, 1e-3, 1e10, 1e10}
	c, _ := solve(x, v, Options{K: 3, Start: Linspace})
	if want := (1 + 2*1.5 + 1.75) / 4; math.Abs(c[1]-want) > 1e-12 {
		t.Errorf("centres %v, want %v in the middle", c, want)
	}
}

func TestThreadsAndGroups(t *testing.T) {
	const out, in, groups = 37, 96, 4
	w, v := synthetic(law{n: out * in, spread: 1}, 4)
	v = v[:in]
	for _, start := range Starts() {
		o := Options{K: 16, Start: start, Seed: 1}
		first, err := Rows(gemm.Config{Threads: 1}, w, out, in, groups, v, o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Rows(gemm.Config{Threads: 3}, w, out, in, groups, v, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(first.Centres, again.Centres) || !slices.Equal(first.Stats, again.Stats) {
			t.Errorf("%s: depends on threads", start)
		}
		p := 5*groups + 2
		c := make([]float64, 16)
		NewSolver(24, o).Solve(c, w[5*in+48:5*in+72], v[48:72], uint64(p))
		if !slices.Equal(c, first.Centres[p*16:(p+1)*16]) {
			t.Errorf("%s: row 5, group 2 is not that of columns 48 to 71", start)
		}
		for i := range first.Centres {
			if i%16 > 0 && first.Centres[i] < first.Centres[i-1] {
				t.Fatalf("%s: centre %d falls", start, i)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		groups int
		o      Options
		want   string
	}{
		{3, Options{K: 4, Start: Exact}, "kmeans: groups: 3 do not divide 10 columns"},
		{2, Options{Start: Exact}, "kmeans: centres: 0, want at least 1"},
		{2, Options{K: 4, Start: Exact, Iterations: -1}, "kmeans: iterations: -1, want 0 or more"},
		{2, Options{K: 4, Start: "random"}, `kmeans: start: "random", want one of ["histogram" "linspace" "published" "exact" "k-means++"]`},
	} {
		_, err := Rows(gemm.Config{}, make([]float32, 20), 2, 10, c.groups, make([]float64, 10), c.o)
		if err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}
