package packed

import "math/bits"

// The hash families of a sketch (methods.md 3.10, A4).
const (
	// HashMix64 is CellIndex.
	HashMix64 = "mix64"
	// HashTwoUniversal is ((a·x + b) mod p) mod cells with p = 2⁶¹−1 (Carter
	// and Wegman, "Universal classes of hash functions", 1979): two addresses
	// meet with a probability of at most about 1/cells, whatever they are.
	HashTwoUniversal = "two-universal"
	// HashBalanced is ⌊π(x)·cells/n⌋ with a keyed permutation π of the n
	// addresses: no two loads differ by more than one, so that no cell stays
	// empty where there are as many addresses as cells, and fewer addresses are
	// spread evenly.
	HashBalanced = "balanced"
)

// HashFamilies lists the families, the default first.
func HashFamilies() []string { return []string{HashMix64, HashTwoUniversal, HashBalanced} }

// golden is the increment of SplitMix64, 2⁶⁴/φ made odd.
const golden = 0x9e3779b97f4a7c15

// Mix64 is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014), a bijection.
func Mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// CellIndex returns the cell of an address, in [0, cells): the high 64 bits of
// Mix64(address XOR seed)·cells, multiply-shift range reduction (methods.md
// 3.10, A4).
func CellIndex(seed, address uint64, cells uint32) uint32 {
	hi, _ := bits.Mul64(Mix64(address^seed), uint64(cells))
	return uint32(hi)
}

// A Hash maps addresses to cells by one of the families.
type Hash struct {
	family int // index in HashFamilies
	seed   uint64
	cells  uint64
	by     uint64 // divisor: cells, of balanced the number of addresses
	inv    uint64 // ⌊(2⁶⁴−1)/by⌋
	a, b   uint64 // of two-universal
	perm   Permutation
}

// NewHash returns the hash of a family (HashFamilies) from addresses below n
// to cells below cells. Only HashBalanced looks at n. It panics for a family
// that does not exist, for no cells, and for balanced without addresses.
func NewHash(family string, seed, n uint64, cells uint32) Hash {
	h := Hash{seed: seed, cells: uint64(cells), by: uint64(cells)}
	switch family {
	case HashMix64:
	case HashTwoUniversal:
		h.family = 1
		h.a = 1 + Mix64(seed)%(mersenne61-1)
		h.b = Mix64(seed+golden) % mersenne61
	case HashBalanced:
		h.family = 2
		h.perm, h.by = NewPermutation(n, seed), n
	default:
		panic("packed: hash family " + family + " does not exist")
	}
	h.inv = ^uint64(0) / h.by
	return h
}

// Cell returns the cell of an address, in [0, cells).
func (h *Hash) Cell(address uint64) uint32 {
	switch h.family {
	case 0:
		return CellIndex(h.seed, address, uint32(h.cells))
	case 1:
		return h.mod(affine61(h.a, address, h.b))
	}
	return h.scale(h.perm.At(address))
}

// Run sets dst to the cells of adjacent addresses, from address on.
func (h *Hash) Run(dst []uint32, address uint64) {
	switch h.family {
	case 0:
		for i := range dst {
			dst[i] = CellIndex(h.seed, address+uint64(i), uint32(h.cells))
		}
	case 1:
		for i := range dst {
			dst[i] = h.mod(affine61(h.a, address+uint64(i), h.b))
		}
	default:
		for i := range dst {
			dst[i] = h.scale(h.perm.At(address + uint64(i)))
		}
	}
}

// mod returns x mod cells.
func (h *Hash) mod(x uint64) uint32 { return uint32(x - h.divide(x)*h.cells) }

// scale returns ⌊x·cells/n⌋ for x below the number of addresses n.
func (h *Hash) scale(x uint64) uint32 {
	hi, lo := bits.Mul64(x, h.cells)
	if hi == 0 {
		return uint32(h.divide(lo))
	}
	q, _ := bits.Div64(hi, lo, h.by)
	return uint32(q)
}

// divide returns ⌊x/by⌋. The quotient by inv is at most one too small: inv
// misses 2⁶⁴/by by at most one, so the estimate misses x/by by at most
// x/2⁶⁴ < 1.
func (h *Hash) divide(x uint64) uint64 {
	q, _ := bits.Mul64(x, h.inv)
	if x-q*h.by >= h.by {
		q++
	}
	return q
}

const mersenne61 = 1<<61 - 1

// affine61 returns (a·x + b) mod 2⁶¹−1 for a and b below it and any x.
func affine61(a, x, b uint64) uint64 {
	x = x&mersenne61 + x>>61 // at most 2⁶¹+6
	hi, lo := bits.Mul64(a, x)
	// a·x = hi·2⁶⁴ + lo, and 2⁶¹ ≡ 1: the number's digits of 61 bits add up.
	s := lo&mersenne61 + (lo>>61 | hi<<3) + b // below 3·2⁶¹+7
	s = s&mersenne61 + s>>61
	if s >= mersenne61 {
		s -= mersenne61
	}
	return s
}

// A Permutation is a keyed permutation of the numbers below n.
//
// It is an alternating Feistel network of four rounds on the bits of the
// smallest power of two that holds n, with Mix64 for the rounds' function: in
// turns the upper half of the bits and the lower is changed by a hash of the
// other, which can be undone. A result of n or more goes through the rounds
// again until it is below n (cycle walking: Black and Rogaway, "Ciphers with
// arbitrary finite domains", 2002), which leaves a permutation and takes less
// than two passes on average.
type Permutation struct {
	n        uint64
	low      uint // bits of the lower half
	lowMask  uint64
	highMask uint64
	keys     [4]uint64
}

// NewPermutation returns the permutation of the numbers below n > 0 that
// belongs to the key.
func NewPermutation(n, key uint64) Permutation {
	if n == 0 {
		panic("packed: a permutation of no numbers")
	}
	width := uint(bits.Len64(n - 1))
	low := width / 2
	p := Permutation{n: n, low: low, lowMask: 1<<low - 1, highMask: 1<<(width-low) - 1}
	for i := range p.keys {
		key += golden
		p.keys[i] = Mix64(key)
	}
	return p
}

// At returns the number that takes the place of x, which must be below n.
func (p *Permutation) At(x uint64) uint64 {
	for {
		low, high := x&p.lowMask, x>>p.low
		high ^= Mix64(low^p.keys[0]) & p.highMask
		low ^= Mix64(high^p.keys[1]) & p.lowMask
		high ^= Mix64(low^p.keys[2]) & p.highMask
		low ^= Mix64(high^p.keys[3]) & p.lowMask
		if x = high<<p.low | low; x < p.n {
			return x
		}
	}
}
