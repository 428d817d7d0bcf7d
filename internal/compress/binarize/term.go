package binarize

import "math"

// A term is the binarisation of a group of weights: mean ± size, size the mean
// of |w − mean| and the sign that of w − mean, + where that is 0. Among all
// mean ± size with this mean it has the least squared error.
type term struct{ mean, size float64 }

// fit returns the term of v and its squared error Σ(|w − mean| − size)², the
// sum Σ(w − mean)² less len(v)·size². Of nothing both are 0.
func fit(v []float64) (t term, squares float64) {
	if len(v) == 0 {
		return term{}, 0
	}
	for _, x := range v {
		t.mean += x
	}
	n := float64(len(v))
	t.mean /= n
	for _, x := range v {
		d := math.Abs(x - t.mean)
		t.size += d
		squares += float64(d * d)
	}
	t.size /= n
	return t, max(0, squares-float64(n*float64(t.size*t.size)))
}

// rest sets dst to what a term leaves of v.
func (t term) rest(dst, v []float64) []float64 {
	dst = dst[:len(v)]
	for i, x := range v {
		if d := x - t.mean; d < 0 {
			dst[i] = d + t.size
		} else {
			dst[i] = d - t.size
		}
	}
	return dst
}

// fitTwo returns the terms of v and of what the first leaves, and the squared
// error of both together. dst is memory for len(v) values.
func fitTwo(dst, v []float64) (first, second term, squares float64) {
	first, _ = fit(v)
	second, squares = fit(first.rest(dst, v))
	return first, second, squares
}
