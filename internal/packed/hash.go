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
	// HashBalanced takes the address, moved by a keyed permutation of all
	// addresses, modulo cells: no two loads differ by more than one, so that
	// no cell stays empty where there are as many addresses as cells.
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
	inv    uint64 // ⌊(2⁶⁴−1)/cells⌋, to divide by cells
	a, b   uint64 // of two-universal
	perm   Permutation
}

// NewHash returns the hash of a family (HashFamilies) from addresses below n
// to cells below cells. Only HashBalanced looks at n. It panics for a family
// that does not exist, for no cells, and for balanced without addresses.
func NewHash(family string, seed, n uint64, cells uint32) Hash {
	h := Hash{seed: seed, cells: uint64(cells), inv: ^uint64(0) / uint64(cells)}
	switch family {
	case HashMix64:
	case HashTwoUniversal:
		h.family = 1
		h.a = 1 + Mix64(seed)%(mersenne61-1)
		h.b = Mix64(seed+golden) % mersenne61
	case HashBalanced:
		h.family = 2
		h.perm = NewPermutation(n, seed)
	default:
		panic("packed: hash family " + family + " does not exist")
	}
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
	return h.mod(h.perm.At(address))
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
			dst[i] = h.mod(h.perm.At(address + uint64(i)))
		}
	}
}

// mod returns x mod cells. The quotient by inv is at most one too small: inv
// misses 2⁶⁴/cells by less than one, so the estimate misses x/cells by less
// than x/2⁶⁴ < 1.
func (h *Hash) mod(x uint64) uint32 {
	q, _ := bits.Mul64(x, h.inv)
	x -= q * h.cells
	if x >= h.cells {
		x -= h.cells
	}
	return uint32(x)
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
// It is four rounds of (x ^ key)·odd, x ^ x>>half, each invertible on the
// smallest power of two that holds n; a result of n or more goes through the
// rounds again until it is below n (cycle walking: Black and Rogaway, "Ciphers
// with arbitrary finite domains", 2002), which leaves a permutation and takes
// less than two passes on average. It is no cipher.
type Permutation struct {
	n, mask uint64
	half    uint
	keys    [4]uint64
	odds    [4]uint64
}

// NewPermutation returns the permutation of the numbers below n > 0 that
// belongs to the key.
func NewPermutation(n, key uint64) Permutation {
	if n == 0 {
		panic("packed: a permutation of no numbers")
	}
	width := max(uint(bits.Len64(n-1)), 1)
	p := Permutation{n: n, mask: ^uint64(0) >> (64 - width), half: (width + 1) / 2}
	for i := range p.keys {
		key += golden
		p.keys[i] = Mix64(key)
		key += golden
		p.odds[i] = Mix64(key) | 1
	}
	return p
}

// At returns the number that takes the place of x, which must be below n.
func (p *Permutation) At(x uint64) uint64 {
	for {
		x = (x ^ p.keys[0]) * p.odds[0] & p.mask
		x ^= x >> p.half
		x = (x ^ p.keys[1]) * p.odds[1] & p.mask
		x ^= x >> p.half
		x = (x ^ p.keys[2]) * p.odds[2] & p.mask
		x ^= x >> p.half
		x = (x ^ p.keys[3]) * p.odds[3] & p.mask
		x ^= x >> p.half
		if x < p.n {
			return x
		}
	}
}
