package packed

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestTwoUniversal compares with arithmetic on big integers, at the edges of
// the words too.
func TestTwoUniversal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	edges := []uint64{0, 1, mersenne61 - 1, mersenne61, mersenne61 + 1, 1 << 61, 1<<62 - 1, math.MaxUint64 - 1, math.MaxUint64}
	for i := range 20000 {
		x, a, b := rng.Uint64(), 1+rng.Uint64N(mersenne61-1), rng.Uint64N(mersenne61)
		if i < 300 {
			x = edges[i%len(edges)]
		}
		if i%7 == 0 {
			a, b = mersenne61-1, mersenne61-1
		}
		want := new(big.Int).SetUint64(a)
		want.Mul(want, new(big.Int).SetUint64(x)).Add(want, new(big.Int).SetUint64(b)).Mod(want, big.NewInt(mersenne61))
		if got := affine61(a, x, b); got != want.Uint64() {
			t.Fatalf("(%d·%d + %d) mod 2⁶¹−1 = %d, want %v", a, x, b, got, want)
		}
		cells := uint32(max(1, rng.Uint64()>>(32+rng.UintN(32))))
		h := NewHash(HashTwoUniversal, rng.Uint64(), 0, cells)
		if got, want := h.Cell(x), uint32(affine61(h.a, x, h.b)%uint64(cells)); got != want {
			t.Fatalf("cell %d of %d, want %d", got, cells, want)
		}
		if got, want := h.mod(x), uint32(x%uint64(cells)); got != want {
			t.Fatalf("%d mod %d = %d, want %d", x, cells, got, want)
		}
	}
}

// TestPermutation: every number below n comes once, for all small n and some
// larger ones, and two keys do not give the same order.
func TestPermutation(t *testing.T) {
	sizes := []uint64{1<<16 - 1, 1 << 16, 1<<16 + 1, 100003}
	for n := uint64(1); n <= 300; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		p, q := NewPermutation(n, n), NewPermutation(n, n+1)
		seen, same := make([]bool, n), 0
		for x := range n {
			y := p.At(x)
			if y >= n || seen[y] {
				t.Fatalf("n = %d: %d goes to %d, taken or too large", n, x, y)
			}
			seen[y] = true
			if y == q.At(x) {
				same++
			}
		}
		// Of n numbers one on average stays in place between two random orders.
		if n > 64 && same > 12 {
			t.Errorf("n = %d: two keys agree at %d numbers", n, same)
		}
	}
}

// TestBalanced: no two loads differ by more than one, so none is empty where
// there are as many addresses as cells.
func TestBalanced(t *testing.T) {
	for _, c := range [][2]uint64{{1, 1}, {7, 7}, {100, 7}, {5000, 97}, {4096, 64}, {65537, 1000}, {5, 12}, {512, 65536}} {
		n, cells := c[0], c[1]
		h := NewHash(HashBalanced, 5, n, uint32(cells))
		loads := make([]uint64, cells)
		for a := range n {
			loads[h.Cell(a)]++
		}
		for i, load := range loads {
			if load != n/cells && load != (n+cells-1)/cells {
				t.Errorf("%d addresses, %d cells: cell %d has %d", n, cells, i, load)
			}
		}
	}
}

// TestHashPairs: of the pairs of addresses a share 1/cells meets in one row and
// 1/cells² in two, on average over keys, within five standard errors of the
// mean over 300 of them. Where loads are equal exactly n(n/cells−1)/2 pairs
// meet in a row.
func TestHashPairs(t *testing.T) {
	const n, cells, keys = 600, 30, 300
	const pairs = float64(n * (n - 1) / 2)
	for _, family := range HashFamilies() {
		meet := 1 / float64(cells)
		if family == HashBalanced {
			meet = n * (n/cells - 1) / 2 / pairs
		}
		var sum, square [2]float64
		for key := range uint64(keys) {
			a, b := NewHash(family, Mix64(2*key), n, cells), NewHash(family, Mix64(2*key+1), n, cells)
			var at [n][2]uint32
			var got [2]float64
			for x := range at {
				at[x] = [2]uint32{a.Cell(uint64(x)), b.Cell(uint64(x))}
				for y := range x {
					if at[x][0] == at[y][0] {
						got[0]++
						if at[x][1] == at[y][1] {
							got[1]++
						}
					}
				}
			}
			for i, v := range got {
				sum[i] += v
				square[i] += v * v
			}
		}
		for i, want := range []float64{pairs * meet, pairs * meet * meet} {
			mean := sum[i] / keys
			tol := 5*math.Sqrt(max(0, square[i]/keys-mean*mean)/keys) + 1e-9
			if !(math.Abs(mean-want) <= tol) {
				t.Errorf("%s: %.1f pairs meet in %d rows, want %.1f ± %.1f", family, mean, i+1, want, tol)
			}
		}
	}
}

// TestBalancedPairs: two rows of cells of two addresses each, on powers of two,
// have few pairs in common. Of n/2 pairs in one row a share 1/(n−1) is together
// in another, about 1/2 in all.
func TestBalancedPairs(t *testing.T) {
	const n = 1 << 12
	var common int
	for key := range uint64(40) {
		a, b := NewHash(HashBalanced, Mix64(2*key), n, n/2), NewHash(HashBalanced, Mix64(2*key+1), n, n/2)
		var pair [n / 2][]uint64
		for x := range uint64(n) {
			pair[a.Cell(x)] = append(pair[a.Cell(x)], x)
		}
		for _, p := range pair {
			if b.Cell(p[0]) == b.Cell(p[1]) {
				common++
			}
		}
	}
	// Poisson of mean 20: 50 is beyond any six of its standard deviations.
	if common > 50 {
		t.Errorf("%d common pairs in 40 trials, want about 20", common)
	}
}

// TestScale compares the quotients of balanced with big integers.
func TestScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		n := 1 + rng.Uint64()>>(1+rng.UintN(62))
		cells := 1 + rng.Uint32()>>rng.UintN(31)
		x := rng.Uint64N(n)
		h := NewHash(HashBalanced, 1, n, cells)
		want := new(big.Int).Mul(new(big.Int).SetUint64(x), big.NewInt(int64(cells)))
		want.Quo(want, new(big.Int).SetUint64(n))
		if got := h.scale(x); uint64(got) != want.Uint64() {
			t.Fatalf("⌊%d·%d/%d⌋ = %d, want %v", x, cells, n, got, want)
		}
	}
}

// TestHashFamilies: mix64 is CellIndex, and runs are cells one by one.
func TestHashFamilies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	run := make([]uint32, 9)
	for range 300 {
		seed, x, cells := rng.Uint64(), rng.Uint64N(1<<40), 1+rng.Uint32N(1<<30)
		for _, family := range HashFamilies() {
			h := NewHash(family, seed, 1<<40+9, cells)
			h.Run(run, x)
			for i, got := range run {
				want := h.Cell(x + uint64(i))
				if family == HashMix64 {
					want = CellIndex(seed, x+uint64(i), cells)
				}
				if got != want || got >= cells {
					t.Fatalf("%s: cell %d of %d, want %d", family, got, cells, want)
				}
			}
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for _, family := range HashFamilies() {
		b.Run(family, func(b *testing.B) {
			h := NewHash(family, 9, 3<<20, 40000)
			run := make([]uint32, 1024)
			for i := 0; b.Loop(); i++ {
				h.Run(run, uint64(i)<<10&(1<<21-1))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/hash")
		})
	}
}
