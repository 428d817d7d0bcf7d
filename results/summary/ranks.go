package summary

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// midranks returns twice the rank of each x among xs, from 1, equal values sharing the
// mean of their ranks; doubled they are integers. ties is Σ (t³-t) over groups of t equal values.
func midranks(xs []float64) (doubled []int, ties float64) {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case xs[a] < xs[b]:
			return -1
		case xs[a] > xs[b]:
			return 1
		}
		return 0
	})
	doubled = make([]int, len(xs))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && xs[order[j]] == xs[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			doubled[k] = i + 1 + j // (i+1 + j)/2 is the mean of ranks i+1..j
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return doubled, ties
}

// untied returns twice the ranks 1..n.
func untied(n int) []int {
	r := make([]int, n)
	for i := range r {
		r[i] = 2 * (i + 1)
	}
	return r
}

// subsetSums returns the distribution of the sum of a random subset of ranks,
// each taken with probability ½: p[s] = P(sum = s).
func subsetSums(ranks []int) []float64 {
	p := []float64{1}
	for _, r := range ranks {
		next := make([]float64, len(p)+r)
		for s, v := range p {
			next[s] += v / 2
			next[s+r] += v / 2
		}
		p = next
	}
	return p
}

// choiceSums returns the distribution of the sum of m of the ranks, every
// choice equally likely.
func choiceSums(ranks []int, m int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	// p[k][s] counts the choices of k with sum s among the ranks seen so far.
	p := make([][]float64, m+1)
	for k := range p {
		p[k] = make([]float64, total+1)
	}
	p[0][0] = 1
	for i, r := range ranks {
		for k := min(i, m-1); k >= 0; k-- {
			for s := total - r; s >= 0; s-- {
				p[k+1][s+r] += p[k][s]
			}
		}
	}
	var all float64
	for _, v := range p[m] {
		all += v
	}
	for s := range p[m] {
		p[m][s] /= all
	}
	return p[m]
}

// twoSided returns P(|S - center| >= |seen - center|) for S distributed as p.
// Sums are integers: half a unit separates them.
func twoSided(p []float64, seen int, center float64) float64 {
	var total float64
	for s, v := range p {
		if math.Abs(float64(s)-center) >= math.Abs(float64(seen)-center)-0.25 {
			total += v
		}
	}
	return min(total, 1)
}

// endRank returns the rank from each end of the sorted candidates that bounds the interval of values
// which a rank test of distribution p (steps of two: doubled sums from min on) does not reject at
// Alpha: the smallest q >= 1 with P(T <= q) >= Alpha/2; and the confidence achieved.
func endRank(p []float64, least int) (q int, confidence float64) {
	below, cum := 0.0, 0.0
	for q = 0; ; q++ {
		below = cum
		if s := least + 2*q; s < len(p) {
			cum += p[s]
		}
		// 1e-12 absorbs the rounding of a sum that is exactly Alpha/2.
		if q >= 1 && cum >= Alpha/2-1e-12 {
			return q, 1 - 2*below
		}
	}
}

// normalEndRank is endRank by the normal approximation of a statistic with this
// mean and deviation. It returns 0, 0 where no rank from 1 on is low enough, which
// very unequal samples bring about.
func normalEndRank(mean, sd float64) (q int, confidence float64) {
	q = int(math.Floor(mean - distuv.UnitNormal.Quantile(1-Alpha/2)*sd))
	if q < 1 {
		return 0, 0
	}
	return q, Confidence
}

// ends returns the q-th value from each end of sorted; NaN for q = 0.
func ends(sorted []float64, q int) (lo, hi float64) {
	if q == 0 {
		return math.NaN(), math.NaN()
	}
	return sorted[q-1], sorted[len(sorted)-q]
}

// exactSignedRank is the number of differences up to which the signed-rank
// distribution is enumerated. The work grows as its cube: 300 take 30 ms.
const exactSignedRank = 300

// Wilcoxon returns the signed-rank statistic of the positive differences and
// the two-sided p of the hypothesis that d is symmetric about 0. Zeros are dropped, ties
// share ranks. The p is exact up to 300 differences, then normal with tie and continuity
// correction.
func Wilcoxon(d []float64) (plus, p float64) {
	var nonzero, size []float64
	for _, v := range d {
		if v != 0 {
			nonzero, size = append(nonzero, v), append(size, math.Abs(v))
		}
	}
	ranks, ties := midranks(size)
	sum, seen := 0, 0
	for i, r := range ranks {
		sum += r
		if nonzero[i] > 0 {
			seen += r
		}
	}
	plus = float64(seen) / 2
	if len(ranks) == 0 {
		return 0, 1
	}
	if len(ranks) > exactSignedRank {
		return plus, wilcoxonNormal(plus, len(ranks), ties)
	}
	return plus, twoSided(subsetSums(ranks), seen, float64(sum)/2)
}

// wilcoxonNormal is the approximate two-sided p of n ranks.
func wilcoxonNormal(plus float64, n int, ties float64) float64 {
	m := float64(n)
	v := m*(m+1)*(2*m+1)/24 - ties/48
	return normalTwoSided(plus-m*(m+1)/4, math.Sqrt(v))
}

// normalTwoSided is the two-sided p of a statistic that moves in steps of 1,
// with continuity correction.
func normalTwoSided(dev, sd float64) float64 {
	if sd == 0 {
		return 1
	}
	z := max(math.Abs(dev)-0.5, 0) / sd
	return min(2*distuv.UnitNormal.Survival(z), 1)
}

// walshAverages returns the averages (d_i+d_j)/2, i <= j, in order.
func walshAverages(d []float64) []float64 {
	n := len(d)
	walsh := make([]float64, 0, n*(n+1)/2)
	for i := range d {
		for j := i; j < n; j++ {
			walsh = append(walsh, (d[i]+d[j])/2)
		}
	}
	slices.Sort(walsh)
	return walsh
}

// walshMedian is the Hodges-Lehmann estimate of the centre of d.
func walshMedian(d []float64) float64 {
	walsh := walshAverages(d)
	m := len(walsh)
	return (walsh[(m-1)/2] + walsh[m/2]) / 2
}

// HodgesLehmann returns the median of the Walsh averages (d_i+d_j)/2, i <= j, and
// the interval of centres that the signed-rank test does not reject, with what it
// achieves: for n < 6 that is below the nominal confidence.
func HodgesLehmann(d []float64) (estimate, lo, hi, confidence float64) {
	n := len(d)
	if n == 0 {
		return math.NaN(), math.NaN(), math.NaN(), 0
	}
	walsh := walshAverages(d)
	m := len(walsh)
	estimate = (walsh[(m-1)/2] + walsh[m/2]) / 2
	var q int
	if n <= exactSignedRank {
		q, confidence = endRank(subsetSums(untied(n)), 0)
	} else {
		w := float64(n)
		q, confidence = normalEndRank(w*(w+1)/4, math.Sqrt(w*(w+1)*(2*w+1)/24))
	}
	lo, hi = ends(walsh, q)
	return estimate, lo, hi, confidence
}

// exactRankSum is the size of the larger sample up to which Mann-Whitney is
// exact (protocol.md 2.1).
const exactRankSum = 20

// MannWhitney returns the number of pairs x > y, equal ones counting half, and
// the two-sided p of the hypothesis that both samples are of one distribution: exact over
// mid-ranks when neither holds more than 20 values, else normal with tie and
// continuity correction.
func MannWhitney(x, y []float64) (u, p float64) {
	m, n := len(x), len(y)
	ranks, ties := midranks(slices.Concat(x, y))
	seen := 0
	for _, r := range ranks[:m] {
		seen += r
	}
	u = float64(seen)/2 - float64(m*(m+1))/2
	if m == 0 || n == 0 {
		return u, 1
	}
	if max(m, n) <= exactRankSum {
		return u, twoSided(choiceSums(ranks, m), seen, float64(m*(m+n+1)))
	}
	return u, mannWhitneyNormal(u, m, n, ties)
}

// mannWhitneyNormal is the approximate two-sided p.
func mannWhitneyNormal(u float64, m, n int, ties float64) float64 {
	a, b := float64(m), float64(n)
	v := a * b / 12 * (a + b + 1 - ties/((a+b)*(a+b-1)))
	return normalTwoSided(u-a*b/2, math.Sqrt(v))
}

// HodgesLehmannShift returns the median of the differences x_i - y_j, and the interval of
// shifts that the Mann-Whitney test without ties does not reject, with what it achieves:
// exact when neither sample holds more than 20 values, else normal. lo and hi are NaN and
// the confidence 0 where the samples are too unequal for one.
func HodgesLehmannShift(x, y []float64) (estimate, lo, hi, confidence float64) {
	m, n := len(x), len(y)
	if m == 0 || n == 0 {
		return math.NaN(), math.NaN(), math.NaN(), 0
	}
	diff := make([]float64, 0, m*n)
	for _, a := range x {
		for _, b := range y {
			diff = append(diff, a-b)
		}
	}
	slices.Sort(diff)
	estimate = (diff[(m*n-1)/2] + diff[m*n/2]) / 2
	var q int
	if max(m, n) <= exactRankSum {
		q, confidence = endRank(choiceSums(untied(m+n), m), m*(m+1))
	} else {
		a, b := float64(m), float64(n)
		q, confidence = normalEndRank(a*b/2, math.Sqrt(a*b*(a+b+1)/12))
	}
	lo, hi = ends(diff, q)
	return estimate, lo, hi, confidence
}

// Holm returns the p values adjusted by Holm's step-down method, in the order
// given: rejecting where adjusted <= Alpha keeps the chance of any false
// rejection among them at Alpha or less.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(p))
	worst := 0.0
	for k, i := range order {
		worst = max(worst, min(1, float64(len(p)-k)*p[i]))
		adjusted[i] = worst
	}
	return adjusted
}
