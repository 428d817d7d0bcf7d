package summary

import (
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results"
)

// Noise is what the A/A control of one item says: a case against itself, in a
// second process and the same blocks.
type Noise struct {
	N      int     // blocks; 0 without a control
	Label  string  // of the case that was timed twice
	Effect float64 // ratio of the control to the case: the Hodges-Lehmann estimate
	// HalfWidth is that of the 95 % interval of ln Effect, by a bootstrap over
	// blocks.
	HalfWidth float64
}

// Margin is the smallest difference, relatively, that is worth telling: 1 %, or
// twice the noise (protocol.md 2.1).
func (n Noise) Margin() float64 { return max(0.01, 2*n.HalfWidth) }

// throttled is the flag of samples that stay out of the headline.
const throttled = "throttled"

// invalidShare is the share of throttled samples above which a timing is
// invalid.
const invalidShare = 0.1

// latency fills the times of every item.
func (row *Row) latency(values []results.Record, ttft, itl []string) {
	row.TTFT, row.ITL = row.times(values, "ttft", ttft), row.times(values, "itl", itl)
}

// times returns one Timing per item.
func (row *Row) times(values []results.Record, metric string, items []string) []Timing {
	out := make([]Timing, len(items))
	for i, item := range items {
		out[i] = row.time(values, metric, item)
	}
	return out
}

// time returns one Timing.
func (row *Row) time(values []results.Record, metric, item string) Timing {
	t := Timing{Item: item, Ratio: missing("%s", row.Why("latency")), blocks: map[blockKey][]float64{}, launch: map[blockKey]int{}}
	var all []float64
	slow := 0
	for _, v := range values {
		if v.Metric != metric || v.Item != item {
			continue
		}
		t.Samples++
		for _, f := range v.Flags {
			if f != throttled {
				t.Foreign++
			}
		}
		if slices.Contains(v.Flags, throttled) {
			slow++
			continue
		}
		k := blockKey{v.Run, v.Block}
		t.blocks[k], t.launch[k] = append(t.blocks[k], v.Value), v.Launch
		all = append(all, v.Value)
	}
	switch {
	case t.Samples == 0:
		t.Median = missing("%s", row.Why("latency"))
	case len(all) == 0:
		t.Median = missing("%s: all of %s flagged throttled", row.Label, count(t.Samples, "sample"))
	default:
		t.Median = t.median(seedOf(row.Case, metric, item, "nested"))
		t.P90 = Percentile(all, 0.9)
	}
	if t.Median.Missing != "" {
		t.P90 = t.Median
		return t
	}
	if slow > 0 {
		t.Median.warn("%d of %s flagged throttled, left out", slow, count(t.Samples, "sample"))
	}
	if t.invalid = float64(slow) > invalidShare*float64(t.Samples); t.invalid {
		t.Median.warn("INVALID: more than %g %% of the samples were throttled; measure again", 100*invalidShare)
	}
	return t
}

// median returns the median of block medians with the wider of its two
// intervals: by order statistics, and from three launches on by the nested
// bootstrap.
func (t *Timing) median(seed uint64) Estimate {
	type launch struct {
		run    string
		launch int
	}
	var medians []float64
	var order []launch
	groups := map[launch][]float64{}
	for _, k := range sortedKeys(t.blocks) {
		m := Median(t.blocks[k]).Value
		medians = append(medians, m)
		l := launch{k.run, t.launch[k]}
		if groups[l] == nil {
			order = append(order, l)
		}
		groups[l] = append(groups[l], m)
	}
	t.Launches = len(order)
	e := Median(medians)
	for j, w := range e.Warnings {
		e.Warnings[j] = strings.Replace(w, "value", "block", 1)
	}
	if len(order) < 3 || !e.HasInterval() {
		return e
	}
	var launches [][]float64
	for _, l := range order {
		launches = append(launches, groups[l])
	}
	if lo, hi := NestedMedian(launches, Resamples, seed); hi-lo > e.Hi-e.Lo {
		e.Lo, e.Hi, e.Confidence, e.Method = lo, hi, Confidence, "nested bootstrap"
	}
	return e
}

// noises returns what the controls say of every item of a metric: that of the
// baseline, else the first there is.
func (g *Group) noises(cells []map[string][]results.Record, base int, metric string, items []string) []Noise {
	rows := make([]int, 0, len(cells)+1)
	if base >= 0 {
		rows = append(rows, base)
	}
	for i := range cells {
		rows = append(rows, i)
	}
	out := make([]Noise, len(items))
	for k, item := range items {
		for _, i := range rows {
			row, values := &g.Rows[i], cells[i]["latency"]
			if n := noise(row, row.time(values, metric, item), row.time(values, results.ControlMetric(metric), item)); n.N > 0 {
				out[k] = n
				break
			}
		}
	}
	return out
}

// noise compares a control with its case; it has none with fewer than 6 blocks
// in common.
func noise(row *Row, of, control Timing) Noise {
	var d []float64
	for _, k := range sortedKeys(control.blocks) {
		if xs, ok := of.blocks[k]; ok {
			d = append(d, math.Log(Median(control.blocks[k]).Value/Median(xs).Value))
		}
	}
	if len(d) < 6 {
		return Noise{}
	}
	return Noise{N: len(d), Label: row.Label, Effect: math.Exp(walshMedian(d)),
		HalfWidth: AANoise(d, Resamples, seedOf(row.Case, of.Item, "a/a"))}
}

// within marks a ratio that is inside the noise, or no further from 1 than the
// control: no difference can be claimed. The noise is drawn over blocks, so
// that two processes of one case that differ for good show in Effect alone.
func (n Noise) within(e *Estimate) {
	if n.N == 0 || e.Missing != "" {
		return
	}
	switch d := math.Abs(math.Log(e.Value)); {
	case d <= n.HalfWidth:
		e.WithinNoise = true
		e.warn("inside the A/A noise of %.2g %%: no difference can be claimed", 100*n.HalfWidth)
	case d <= math.Abs(math.Log(n.Effect)):
		e.WithinNoise = true
		e.warn("no further from 1 than the A/A control, %.3f: no difference can be claimed", n.Effect)
	}
}
