package summary

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/sketchbench/sketchbench/results"
)

// A Divergence compares the next-token distribution q of a case with that of
// the uncompressed model, p, over the scored targets (protocol.md 2.6).
type Divergence struct {
	KL     Estimate // mean of Σ p·(ln p - ln q), nat; N counts windows
	Top1   Estimate // share of targets with the same likeliest token
	Top5   Estimate // mean share of common tokens among the five likeliest
	MeanDP Estimate // mean of Δp = q(target) - p(target)
	RMSDP  Estimate // √ of the mean of Δp²

	// The floor: the uncompressed model against itself, run in chunks of
	// another length.
	FloorKL, FloorTop1 Estimate
	// Self says that the case is the uncompressed model, for which there is
	// nothing but the floor.
	Self bool

	BasePerplexity Estimate // of the uncompressed model on the same targets
	BaseEntropy    Estimate // mean entropy of p, nat
	Ties           Estimate // targets at which the largest entry of p or q is shared
	Targets        float64

	// Percentiles over targets by name, such as p99.9 and max; what too few
	// targets do not support is absent.
	KLAt, DPAt map[string]float64
}

// divergence fills the comparison with the uncompressed model.
func (row *Row) divergence(values []results.Record) {
	d := &row.Divergence
	d.KLAt, d.DPAt = map[string]float64{}, map[string]float64{}
	sums := map[string][]results.Record{} // by metric, in order of windows
	for _, v := range values {
		switch v.Metric {
		case "kl_percentile":
			d.KLAt[v.Item] = v.Value
		case "dp_percentile":
			d.DPAt[v.Item] = v.Value
		default:
			sums[v.Metric] = append(sums[v.Metric], v)
		}
	}
	of := func(metric string) Estimate {
		if len(values) == 0 {
			return missing("%s", row.Why("divergence"))
		}
		return clusteredMean(sums[metric])
	}
	d.KL = of("kl").above(0)
	d.Top1, d.Top5 = of("top1").share(sums["top1"]), of("top5").share(sums["top5"])
	d.MeanDP, d.RMSDP = of("dp"), of("dp_sq").above(0).sqrt()
	d.FloorKL, d.FloorTop1 = of("self_kl").withoutInterval(), of("self_top1").withoutInterval()
	d.BasePerplexity = of("base_nll").exp().withoutInterval()
	d.BaseEntropy = of("base_entropy").withoutInterval()
	d.Ties = of("ties").withoutInterval()
	for _, v := range sums["kl"] {
		d.Targets += weight(v)
	}
	d.Ties.Value *= d.Targets
	if d.Self = isSelf(sums["kl"], sums["self_kl"]); d.Self {
		for _, e := range []*Estimate{&d.KL, &d.Top1, &d.Top5, &d.MeanDP, &d.RMSDP} {
			*e = e.withoutInterval()
		}
	}
}

// isSelf reports whether all that was compared is the control.
func isSelf(kl, self []results.Record) bool {
	if len(kl) == 0 || len(kl) != len(self) {
		return false
	}
	for i := range kl {
		if kl[i].Value != self[i].Value || kl[i].Sample != self[i].Sample {
			return false
		}
	}
	return true
}

// clusteredMean returns Σ value / Σ weight of sums over windows, with the
// interval of protocol.md 2.4: residuals of whole windows, W-1 degrees of freedom.
func clusteredMean(sums []results.Record) Estimate {
	var total, n float64
	for _, v := range sums {
		total, n = total+v.Value, n+weight(v)
	}
	if !(n > 0) {
		return missing("no scored targets")
	}
	e := exact(total / n)
	e.N, e.Method = len(sums), "t over windows"
	residuals := make([]float64, len(sums))
	for i, v := range sums {
		residuals[i] = v.Value - e.Value*weight(v)
	}
	e.clusterInterval(residuals, n)
	return e
}

// above returns e with an interval that ends at least: what is estimated is
// never below it.
func (e Estimate) above(least float64) Estimate {
	e.Lo = max(e.Lo, least) // NaN stays NaN
	return e
}

// sqrt returns the estimate of the square root of what e estimates.
func (e Estimate) sqrt() Estimate {
	e.Value, e.Lo, e.Hi = math.Sqrt(e.Value), math.Sqrt(e.Lo), math.Sqrt(e.Hi)
	return e
}

// withoutInterval returns e as a bare number.
func (e Estimate) withoutInterval() Estimate {
	e.Lo, e.Hi, e.Confidence, e.Method, e.Warnings = math.NaN(), math.NaN(), 0, "", nil
	return e
}

// share returns e, the mean of what lies between 0 and 1, with an interval
// that does too. Where the windows cannot tell their spread, because there is one or
// all are alike, the interval is Wilson's for as many independent targets; for a mean
// of shares it is wide enough, since none has a larger variance than shares of 0 and 1.
func (e Estimate) share(sums []results.Record) Estimate {
	if e.Missing != "" {
		return e
	}
	if e.HasInterval() && e.Hi > e.Lo {
		e.Lo, e.Hi = max(e.Lo, 0), min(e.Hi, 1)
		return e
	}
	var n float64
	for _, v := range sums {
		n += weight(v)
	}
	e.Lo, e.Hi = Wilson(e.Value, n)
	e.Confidence, e.Method, e.Warnings = Confidence, "Wilson over targets", nil
	e.warn("%s without spread to tell: Wilson's interval, as if the %.0f targets were independent", count(len(sums), "window"), n)
	return e
}

// Wilson returns the score interval of a proportion p of n independent trials
// (Wilson, 1927): the values π with |p-π| ≤ z·√(π(1-π)/n).
func Wilson(p, n float64) (lo, hi float64) {
	z := distuv.UnitNormal.Quantile(1 - Alpha/2)
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(mid-half, 0), min(mid+half, 1)
}
