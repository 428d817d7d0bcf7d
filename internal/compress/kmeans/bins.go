package kmeans

// bins sets the edges of the histogram. Up to limit distinct values have a bin
// each. Otherwise the values at either end, limit/8 of them, have one each, and
// half of the other edges space the range evenly, half the values: an even
// spacing alone would put nearly all values into one bin where a single one
// lies far out, and bins of equal counts would not resolve tails.
func (s *Solver) bins(limit int) {
	n := len(s.x)
	e := append(s.dp.edges[:0], 0)
	if n <= limit {
		for i := range n {
			e = append(e, i+1)
		}
		s.dp.edges = e
		return
	}
	tail := limit / 8
	count := (limit - 2*tail) / 2
	lo, step := s.x[0], (s.x[n-1]-s.x[0])/float64(count)
	for i, a, b := 1, 1, 1; i < n; i++ {
		cut := i <= tail || i >= n-tail
		for ; i*count >= b*n; b++ { // boundary b of equal counts
			cut = true
		}
		for ; a < count && s.x[i] >= lo+float64(a)*step; a++ { // of equal widths
			cut = true
		}
		if cut {
			e = append(e, i)
		}
	}
	s.dp.edges = append(e, n)
}
