package summary

import (
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// TestProfile: two compressed matrices of 30 and 10 weights and one left alone.
// Zeroed (2+1)/(10+20) of the energy, flips (3+5)/40, a diagnostic of 1 and 5
// means (30·1+10·5)/40 = 2.
func TestProfile(t *testing.T) {
	name := results.Diagnostics()[0].Name
	var row Row
	value := func(metric, item string, v, weight float64, sample int) results.Record {
		return results.Record{Kind: results.KindValue, Suite: "approx", Metric: metric, Item: item, Value: v, Weight: weight, Sample: sample}
	}
	values := []results.Record{
		value("weight_err_sq", "a", 1, 30, 0), value("weight_ref_sq", "a", 10, 30, 0), value("zeroed_sq", "a", 2, 30, 0), value("sign_flips", "a", 3, 30, 0),
		value("weight_err_sq", "b", 4, 10, 0), value("weight_ref_sq", "b", 20, 10, 0), value("zeroed_sq", "b", 1, 10, 0), value("sign_flips", "b", 5, 10, 0),
		value("weight_err_sq", "c", 0, 10, 0), value("weight_ref_sq", "c", 70, 10, 0),
		value("decile_err_sq", "", 1, 0, 0), value("decile_ref_sq", "", 4, 0, 0),
		value("decile_err_sq", "", 4, 0, 1), value("decile_ref_sq", "", 0, 0, 1),
		value(name, "a", 1, 30, 0), value(name, "b", 5, 10, 0),
	}
	row.profile(values)
	row.approx(values)
	p := row.Profile
	if p.Zeroed.Value != 0.1 || p.Flips.Value != 0.2 || p.Diagnostics[name] != 2 || len(p.Diagnostics) != 1 {
		t.Errorf("got %+v", p)
	}
	if len(p.Deciles) != 2 || p.Deciles[0].Value != 0.5 || p.Deciles[1].Missing == "" {
		t.Errorf("deciles %+v", p.Deciles)
	}
	if len(row.Matrices) != 3 || row.WeightError.N != 3 || !(math.Abs(row.WeightError.Value-math.Sqrt(0.05)) < 1e-15) {
		t.Errorf("matrices %+v, error %+v", row.Matrices, row.WeightError)
	}
	row.profile(nil)
	if row.Profile.Zeroed.Missing == "" || row.Profile.Deciles != nil {
		t.Errorf("of nothing: %+v", row.Profile)
	}
}
