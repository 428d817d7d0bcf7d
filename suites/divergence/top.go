package divergence

// top is how many of the likeliest tokens are compared.
const top = 5

// likeliest returns the ids of the largest logits, the largest first and the
// lowest id first among equals: five, or all of a smaller vocabulary.
func likeliest(logits []float32) []int {
	ids := make([]int, 0, top)
	last := logits[0] // the smallest among ids once there are five
	for id, v := range logits {
		if len(ids) == top {
			if !(v > last) {
				continue
			}
			ids = ids[:top-1]
		}
		at := len(ids)
		for at > 0 && v > logits[ids[at-1]] {
			at--
		}
		ids = append(ids, 0)
		copy(ids[at+1:], ids[at:])
		ids[at] = id
		last = logits[ids[len(ids)-1]]
	}
	return ids
}

// overlap returns the share of a's ids that are also in b, of equal length.
func overlap(a, b []int) float64 {
	n := 0
	for _, x := range a {
		for _, y := range b {
			if x == y {
				n++
			}
		}
	}
	return float64(n) / float64(len(a))
}
