package kmeans

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSort compares with slices.Sort, around the change of method, on values
// that are spread, repeated, and equal in single digits.
func TestSort(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, radixFrom - 1, radixFrom, radixFrom + 1, 3000} {
		for name, value := range map[string]func() uint32{
			"any":        rnd.Uint32,
			"few":        func() uint32 { return rnd.Uint32N(5) * 0x12345678 },
			"bf16":       func() uint32 { return rnd.Uint32() &^ 0xffff },
			"same top":   func() uint32 { return 0xffe00000 | rnd.Uint32N(1<<21) },
			"one digit":  func() uint32 { return rnd.Uint32N(1<<10) << digitBits },
			"all equal":  func() uint32 { return 1 << 31 },
			"from above": func() uint32 { return math.MaxUint32 - rnd.Uint32N(3) },
		} {
			keys := make([]uint64, n)
			for i := range keys {
				keys[i] = uint64(value())<<32 | uint64(i)
			}
			s := sorter{other: make([]uint64, n)}
			for range 2 { // the second time in the memory left over
				want := slices.Clone(keys)
				slices.Sort(want)
				if keys = s.sort(keys); !slices.Equal(keys, want) {
					t.Fatalf("%d keys, %s: not in order", n, name)
				}
				for i := range keys {
					keys[i] = uint64(value())<<32 | uint64(i)
				}
			}
		}
	}
}

func TestOrdered(t *testing.T) {
	values := []float32{-math.MaxFloat32, -1.5, -1, -1e-45, 0, 1e-45, 1, 1.5, math.MaxFloat32}
	for i, f := range values {
		if got := unordered(ordered(f)); got != f {
			t.Errorf("%v comes back as %v", f, got)
		}
		if i > 0 && ordered(values[i-1]) >= ordered(f) {
			t.Errorf("%v is not before %v", values[i-1], f)
		}
	}
	if zero := float32(0); ordered(-zero) != ordered(zero) {
		t.Error("the zeros differ")
	}
}

// plainLloyd is the iteration by distances, without sorting or prefix sums.
func plainLloyd(x []float32, v, c []float64) (centres []float64, iterations int) {
	c = slices.Clone(c)
	var mean, variance float64
	for _, f := range x {
		mean += float64(f) / float64(len(x))
	}
	for _, f := range x {
		variance += (float64(f) - mean) * (float64(f) - mean) / float64(len(x))
	}
	member, before := make([]int, len(x)), make([]int, len(x))
	for iterations < MaxIterations {
		iterations++
		m, mx := make([]float64, len(c)), make([]float64, len(c))
		for i, f := range x {
			member[i] = 0
			for l := range c {
				if math.Abs(float64(f)-c[l]) < math.Abs(float64(f)-c[member[i]]) {
					member[i] = l
				}
			}
			m[member[i]] += v[i]
			mx[member[i]] += v[i] * float64(f)
		}
		var shift float64
		for l := range c {
			if m[l] > 0 {
				shift += (mx[l]/m[l] - c[l]) * (mx[l]/m[l] - c[l])
				c[l] = mx[l] / m[l]
			}
		}
		if shift <= Tolerance*variance || iterations > 1 && slices.Equal(member, before) {
			break
		}
		copy(before, member)
	}
	return c, iterations
}

// TestPlainLloyd: sorting and prefix sums change nothing but rounding, from
// the same start.
func TestPlainLloyd(t *testing.T) {
	for _, l := range []law{{300, 0, 0}, {1000, 0.5, 1}, {700, 0.2, 2}} {
		for _, start := range []Start{Linspace, Histogram} {
			x, v := synthetic(l, 9)
			s := NewSolver(l.n, Options{K: 16, Start: start})
			s.load(x, v)
			first := make([]float64, 16)
			s.start(first, 0)
			for i := range first {
				first[i] += s.mean
			}
			want, iterations := plainLloyd(x, v, first)
			got, st := solve(x, v, Options{K: 16, Start: start})
			if st.Iterations != iterations {
				t.Errorf("%+v, %s: %d iterations, want %d", l, start, st.Iterations, iterations)
			}
			for i := range want {
				if math.Abs(got[i]-want[i]) > 1e-9*(1+math.Abs(want[i])) {
					t.Errorf("%+v, %s: centre %d is %v, want %v", l, start, i, got[i], want[i])
				}
			}
		}
	}
}

// TestBins: edges rise from 0 to the number of distinct values; there are at
// most as many bins as asked for, and three quarters of that at least; and one
// bound parts the inertias of bins of several values from those of bins that
// take one value more.
func TestBins(t *testing.T) {
	for _, limit := range []int{64, 128} {
		for _, l := range []law{{4096, 0, 0}, {4096, 0.5, 1}, {2048, 1, 3}, {limit + 1, 0, 0}, {limit, 0, 0}, {20, 0, 0}} {
			x, v := synthetic(l, 5)
			s := NewSolver(l.n, Options{K: 4, Start: Histogram})
			s.load(x, v)
			s.bins(limit)
			e, values := s.dp.edges, len(s.x)
			n := len(e) - 1
			if e[0] != 0 || e[n] != values || n > limit || n < min(values, limit*3/4) {
				t.Errorf("%+v: %d bins of at most %d, from %d to %d of %d", l, n, limit, e[0], e[n], values)
			}
			most, least := 0.0, math.Inf(1)
			for i := range n {
				if e[i+1] <= e[i] {
					t.Fatalf("%+v: edge %d is %d after %d", l, i+1, e[i+1], e[i])
				}
				if e[i+1] < values {
					least = min(least, inertia(&s.p[e[i]], &s.p[e[i+1]+1]))
				}
				if e[i+1]-e[i] > 1 {
					most = max(most, inertia(&s.p[e[i]], &s.p[e[i+1]]))
				}
			}
			if n < values && !(most < least) {
				t.Errorf("%+v: a bin has the inertia %v, one with a value more %v", l, most, least)
			}
		}
	}
}

// TestConcentrated: a few values of nearly all the weight, far apart, leave
// bins and clusters for the rest; also where prefix sums lose the rest, and the
// optimum with it.
func TestConcentrated(t *testing.T) {
	for _, heavy := range []float64{1e6, 1e30} {
		x, v := synthetic(law{n: 1000}, 6)
		for i := 0; i < len(x); i += 200 {
			x[i], v[i] = float32(i-500), heavy
		}
		for _, k := range []int{4, 16} {
			c, h := solve(x, v, Options{K: k, Start: Histogram})
			_, e := solve(x, v, Options{K: k, Start: Exact})
			if !slices.IsSorted(c) || !(h.Inertia <= 1.01*e.Inertia) {
				t.Errorf("weight %g, %d centres %v: inertia %v, optimum %v", heavy, k, c, h.Inertia, e.Inertia)
			}
		}
	}
}

// TestGain: what a centre takes off the inertia is the difference of two sums
// over all values; and every drawn value is one that no centre is at.
func TestGain(t *testing.T) {
	x, v := synthetic(law{500, 0.5, 1}, 8)
	s := NewSolver(len(x), Options{K: 4, Start: PlusPlus})
	s.load(x, v)
	s.near = make([]float64, len(s.x))
	centres := []int{20, 250, 251, 480}
	var before float64
	for i, x := range s.x {
		s.near[i] = math.Inf(1)
		for _, c := range centres {
			s.near[i] = min(s.near[i], (x-s.x[c])*(x-s.x[c]))
		}
		before += s.v[i] * s.near[i]
	}
	for i := range s.x {
		after := 0.0
		for j, x := range s.x {
			after += s.v[j] * min(s.near[j], (x-s.x[i])*(x-s.x[i]))
		}
		if got := s.gain(i); math.Abs(got-(before-after)) > 1e-12*before {
			t.Fatalf("centre at %d: %v off the inertia, want %v", i, got, before-after)
		}
	}
	s.chance = make([]float64, len(s.x))
	s.chances()
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		if i := s.draw(rnd); slices.Contains(centres, i) {
			t.Fatalf("drew the centre at %d", i)
		}
	}
}
