package kmeans

import "slices"

const (
	// radixFrom is the number of keys from which sorting by digits is faster
	// than by comparison.
	radixFrom = 256
	digitBits = 11
	digits    = 3 // that hold the 32 bits of a value
)

// A sorter sorts keys by digits, lowest first.
type sorter struct {
	counts [digits][1 << digitBits]uint32
	other  []uint64 // room for as many keys
}

// sort returns the keys, 32 bits of value above 32 of index and ascending by
// index, in ascending order. They lie in keys or in the memory that t kept, and
// t keeps the other.
func (t *sorter) sort(keys []uint64) []uint64 {
	if len(keys) < radixFrom {
		slices.Sort(keys)
		return keys
	}
	t.counts = [digits][1 << digitBits]uint32{}
	const mask = 1<<digitBits - 1
	for _, key := range keys {
		t.counts[0][key>>32&mask]++
		t.counts[1][key>>(32+digitBits)&mask]++
		t.counts[2][key>>(32+2*digitBits)&mask]++
	}
	from, to := keys, t.other[:len(keys)]
	for d := range t.counts {
		shift := 32 + d*digitBits
		counts := &t.counts[d]
		if counts[from[0]>>shift&mask] == uint32(len(from)) {
			continue // all keys have the same digit
		}
		var sum uint32
		for i, c := range counts {
			counts[i] = sum
			sum += c
		}
		for _, key := range from {
			digit := key >> (shift & 63) & mask
			to[counts[digit]] = key
			counts[digit]++
		}
		from, to = to, from
	}
	t.other = to
	return from
}
