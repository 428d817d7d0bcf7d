package summary

import "math"

// A Window is what one scored window contributes: sums over its targets.
type Window struct {
	NLL   float64 // Σ -ln p, nats
	NLLSq float64 // Σ (ln p)²; NaN when it was not recorded
	N     float64 // targets
}

// A Perplexity is exp(Σ nll / Σ targets) with windows as the independent part.
type Perplexity struct {
	Estimate         // of the perplexity; N counts windows
	Mu       float64 // mean nll per target, nats
	SE       float64 // cluster standard error of Mu
	// IIDSE is the standard error if targets were independent (llama.cpp's
	// formula), and DesignEffect SE²/IIDSE²; NaN without squared nll.
	IIDSE, DesignEffect float64
	Targets             float64
	// Collapsed: above 1000. A result, not an error: the expected face of an
	// untrained sub-1-bit sketch.
	Collapsed bool
}

// CollapsedAbove is the perplexity above which a model is called collapsed.
const CollapsedAbove = 1000

// few is the number of windows below which an interval carries a warning: the
// t interval allows for few degrees of freedom, but trusts that window sums are normal.
const few = 10

// OfWindows estimates the perplexity of windows (protocol.md 2.4). With S_w and
// n_w the sums and targets of the W windows, mu = ΣS/Σn and
//
//	SE² = W/(W-1) · Σ (S_w - mu·n_w)² / (Σn)²;
//
// the interval is exp(mu ± t·SE) with W-1 degrees of freedom.
func OfWindows(windows []Window) Perplexity {
	p := Perplexity{SE: math.NaN(), IIDSE: math.NaN(), DesignEffect: math.NaN(), Mu: math.NaN()}
	var s, sq float64
	for _, w := range windows {
		s, sq, p.Targets = s+w.NLL, sq+w.NLLSq, p.Targets+w.N
	}
	if !(p.Targets > 0) {
		p.Estimate = missing("no scored targets")
		return p
	}
	p.Mu = s / p.Targets
	p.Estimate = exact(p.Mu)
	p.N, p.Method = len(windows), "t over windows"
	residuals := make([]float64, len(windows))
	for i, w := range windows {
		residuals[i] = w.NLL - p.Mu*w.N
	}
	p.SE = p.clusterInterval(residuals, p.Targets)
	p.IIDSE = math.Sqrt((sq/p.Targets - p.Mu*p.Mu) / (p.Targets - 1))
	p.DesignEffect = p.SE * p.SE / (p.IIDSE * p.IIDSE)
	p.Estimate = p.exp()
	p.boundInterval()
	p.Collapsed = p.Value > CollapsedAbove
	if math.IsInf(p.Value, 0) {
		p.Estimate = missing("mean nll of %.4g nat: its exponential is not a finite number", p.Mu)
	}
	return p
}

// clusterInterval gives e a t interval over clusters with these residual
// sums, and returns its standard error, NaN for fewer than 2.
func (e *Estimate) clusterInterval(residuals []float64, targets float64) float64 {
	w := len(residuals)
	if w < 2 {
		e.warn("%s: an interval needs at least 2", count(w, "window"))
		return math.NaN()
	}
	if w < few {
		e.warn("%d windows: the interval rests on %s of freedom", w, count(w-1, "degree"))
	}
	var ss float64
	for _, r := range residuals {
		ss += r * r
	}
	se := math.Sqrt(float64(w) / float64(w-1) * ss / (targets * targets))
	e.tInterval(se, w-1)
	return se
}

// boundInterval takes away an interval whose upper end is too large for a number.
func (e *Estimate) boundInterval() {
	if math.IsInf(e.Hi, 0) {
		e.Lo, e.Hi, e.Confidence = math.NaN(), math.NaN(), 0
		e.warn("the upper end of the interval is too large for a number: none is given")
	}
}

// A PairedRatio is the ratio of two perplexities over the same windows.
type PairedRatio struct {
	Estimate         // of the ratio; N counts windows
	Delta    float64 // difference of mean nll, nats
	SE       float64 // cluster standard error of Delta
	// Difference of the perplexities and its standard error by the delta
	// method, and the correlation of the two estimates.
	Difference, DifferenceSE, Rho float64
}

// Paired estimates the perplexity of other over that of base, window by window
// (protocol.md 2.5): with d_w = S_w(other) - S_w(base), ln ratio = Σd/Σn, its
// standard error as in OfWindows with d for S. Windows must hold the same targets in
// the same order.
func Paired(base, other []Window) PairedRatio {
	r := PairedRatio{Delta: math.NaN(), SE: math.NaN(), Difference: math.NaN(), DifferenceSE: math.NaN(), Rho: math.NaN()}
	if len(base) != len(other) {
		r.Estimate = missing("windows differ from the baseline's: %d, the baseline has %d", len(other), len(base))
		return r
	}
	var d, targets float64
	for i := range base {
		if base[i].N != other[i].N {
			r.Estimate = missing("window %d scores %v targets, the baseline's %v", i, other[i].N, base[i].N)
			return r
		}
		d, targets = d+other[i].NLL-base[i].NLL, targets+base[i].N
	}
	if !(targets > 0) {
		r.Estimate = missing("no scored targets")
		return r
	}
	r.Delta = d / targets
	r.Estimate = exact(r.Delta)
	r.N, r.Method = len(base), "t over windows, paired"
	residuals := make([]float64, len(base))
	for i := range base {
		residuals[i] = other[i].NLL - base[i].NLL - r.Delta*base[i].N
	}
	if r.SE = r.clusterInterval(residuals, targets); r.N >= 2 {
		r.P = tTest(r.Delta, r.SE, r.N-1)
	}
	r.difference(base, other, targets)
	r.Estimate = r.exp()
	r.boundInterval()
	if math.IsInf(r.Value, 0) {
		r.Estimate = missing("difference of mean nll of %.4g nat: its exponential is not a finite number", r.Delta)
	}
	return r
}

// difference fills the delta-method fields.
func (r *PairedRatio) difference(base, other []Window, targets float64) {
	b, o := OfWindows(base), OfWindows(other)
	r.Difference = o.Value - b.Value
	if len(base) < 2 {
		return
	}
	var cov float64
	for i := range base {
		cov += (base[i].NLL - b.Mu*base[i].N) * (other[i].NLL - o.Mu*other[i].N)
	}
	w := float64(len(base))
	cov *= w / (w - 1) / (targets * targets)
	r.Rho = cov / (b.SE * o.SE)
	r.DifferenceSE = math.Sqrt(o.Value*o.Value*o.SE*o.SE + b.Value*b.Value*b.SE*b.SE - 2*o.Value*b.Value*cov)
}

// tTest returns the two-sided p of the hypothesis that the mean is 0.
func tTest(mean, se float64, df int) float64 {
	if se == 0 {
		if mean == 0 {
			return 1
		}
		return 0
	}
	return 2 * studentT(df).Survival(math.Abs(mean)/se)
}
