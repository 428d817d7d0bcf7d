package summary

import (
	"math"

	"github.com/sketchbench/sketchbench/results"
)

// A Profile says which weights of the compressed matrices lost what, and what
// the method told of its work.
type Profile struct {
	// Deciles are relative errors √(Σ decile_err_sq / Σ decile_ref_sq), the
	// smallest weights first; nil where they were not recorded.
	Deciles []Estimate
	// Zeroed is the share of the energy ΣW² in weights that became 0, Flips the
	// share of weights whose sign changed, both of the compressed matrices.
	Zeroed, Flips Estimate
	// Diagnostics are means over matrices, each counting by its weights, of
	// what methods tell (results.Diagnostics).
	Diagnostics map[string]float64
}

// profile fills the profile from the values of approx.
func (row *Row) profile(values []results.Record) {
	p := &row.Profile
	*p = Profile{Zeroed: missing("not recorded"), Flips: missing("not recorded"), Diagnostics: map[string]float64{}}
	deciles := map[string]map[int]float64{}
	ref := map[string]float64{}     // ΣW² by tensor
	sums := map[string]float64{}    // by metric
	weights := map[string]float64{} // by metric
	for _, v := range values {
		switch {
		case v.Metric == "weight_ref_sq":
			ref[v.Item] = v.Value
		case v.Metric == "decile_err_sq" || v.Metric == "decile_ref_sq":
			if deciles[v.Metric] == nil {
				deciles[v.Metric] = map[int]float64{}
			}
			deciles[v.Metric][v.Sample] = v.Value
		}
	}
	var energy float64
	for _, v := range values {
		switch {
		case v.Metric == "zeroed_sq":
			sums[v.Metric] += v.Value
			energy += ref[v.Item]
		case v.Metric == "sign_flips":
			sums[v.Metric] += v.Value
			weights[v.Metric] += weight(v)
		case results.IsDiagnostic(v.Metric):
			sums[v.Metric] += v.Value * weight(v)
			weights[v.Metric] += weight(v)
			p.Diagnostics[v.Metric] = sums[v.Metric] / weights[v.Metric]
		}
	}
	if energy > 0 {
		p.Zeroed = exact(sums["zeroed_sq"] / energy)
	}
	if n := weights["sign_flips"]; n > 0 {
		p.Flips = exact(sums["sign_flips"] / n)
	}
	for d := range len(deciles["decile_ref_sq"]) {
		e := exact(math.Sqrt(deciles["decile_err_sq"][d] / deciles["decile_ref_sq"][d]))
		if !(deciles["decile_ref_sq"][d] > 0) {
			e = missing("the weights of this decile are 0")
		}
		p.Deciles = append(p.Deciles, e)
	}
}
