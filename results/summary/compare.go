package summary

import (
	"cmp"
	"math"
	"slices"
)

// compareQuality fills the perplexity ratio of row i to row base.
func (g *Group) compareQuality(i, base int, windows [][]Window) {
	row := &g.Rows[i]
	lack := func(e Estimate) {
		row.Ratio = PairedRatio{Estimate: e, Delta: math.NaN(), SE: math.NaN(), Difference: math.NaN(), DifferenceSE: math.NaN(), Rho: math.NaN()}
	}
	switch {
	case row.Perplexity.Missing != "":
		lack(missing("%s", row.Perplexity.Missing))
	case base < 0:
		lack(missing("no baseline among the cases"))
	case i == base:
		row.Ratio = PairedRatio{Estimate: exact(1), Rho: 1}
		row.Ratio.N, row.Ratio.Method = len(windows[i]), "the baseline itself"
	case g.Rows[base].Perplexity.Missing != "":
		lack(missing("the baseline has no perplexity: %s", g.Rows[base].Perplexity.Missing))
	default:
		row.Ratio = Paired(windows[base], windows[i])
	}
}

// compareTimes fills the TTFT ratios of row i to row base.
func (g *Group) compareTimes(i, base int, host func(run string) string) {
	row := &g.Rows[i]
	for k := range row.TTFT {
		t := &row.TTFT[k]
		switch {
		case t.Median.Missing != "":
			t.Ratio = missing("%s", t.Median.Missing)
		case base < 0:
			t.Ratio = missing("no baseline among the cases")
		case i == base:
			t.Ratio = exact(1)
			t.Ratio.N, t.Ratio.Method = len(t.blocks), "the baseline itself"
		case g.Rows[base].TTFT[k].Median.Missing != "":
			t.Ratio = missing("the baseline was not timed: %s", g.Rows[base].TTFT[k].Median.Missing)
		default:
			t.Ratio = timeRatio(g.Rows[base], *row, k, host)
			if t.Ratio.Missing == "" && (t.invalid || g.Rows[base].TTFT[k].invalid) {
				t.Ratio = t.Ratio.withoutInterval()
				t.Ratio.P = math.NaN()
				t.Ratio.warn("INVALID times: the ratio has no interval and is not tested")
			}
			g.TTFTNoise[k].within(&t.Ratio)
		}
	}
}

// timeRatio compares TTFT k of row with that of base.
func timeRatio(base, row Row, k int, host func(run string) string) Estimate {
	b, t := base.TTFT[k].blocks, row.TTFT[k].blocks
	one, other := sortedKeys(b)[0].run, sortedKeys(t)[0].run
	if host(one) != host(other) {
		return missing("%s and the baseline were timed on different machines", row.Label)
	}
	otherwise := missing("%s was timed with another number of threads or other kernels than the baseline", row.Label)
	if e, f := base.Exec["latency"], row.Exec["latency"]; e != f && e != "" && f != "" {
		return otherwise
	}
	var d []float64
	for _, key := range sortedKeys(t) {
		if xs, ok := b[key]; ok {
			d = append(d, math.Log(Median(t[key]).Value/Median(xs).Value))
		}
	}
	if len(d) > 0 {
		e := BlockedRatio(d)
		if len(d) < max(len(b), len(t)) {
			e.warn("%d of %d blocks hold both %s and the baseline", len(d), max(len(b), len(t)), row.Label)
		}
		return e
	}
	if base.Device != row.Device {
		return otherwise
	}
	e := UnpairedRatio(logMedians(t), logMedians(b))
	e.warn("%s and the baseline were not timed in the same blocks: compared unpaired", row.Label)
	return e
}

// sortedKeys returns the blocks in order.
func sortedKeys(m map[blockKey][]float64) []blockKey {
	keys := make([]blockKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b blockKey) int { return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.block, b.block)) })
	return keys
}

// logMedians returns the logarithm of each block's median.
func logMedians(m map[blockKey][]float64) []float64 {
	var out []float64
	for _, k := range sortedKeys(m) {
		out = append(out, math.Log(Median(m[k]).Value))
	}
	return out
}

// BlockedRatio estimates a ratio of times from d, one ln ratio per block
// (protocol.md 2.1): exp of the Hodges-Lehmann estimate, with the interval that the
// signed-rank test gives when it achieves the nominal confidence, for 6 blocks or more.
func BlockedRatio(d []float64) Estimate { return pairedRatio(d, "block") }

// pairedRatio is BlockedRatio over pairs of any kind.
func pairedRatio(d []float64, pair string) Estimate {
	if len(d) == 0 {
		return missing("no %s", plural(pair))
	}
	hl, lo, hi, confidence := HodgesLehmann(d)
	e := exact(hl)
	e.N, e.Method = len(d), "signed-rank inversion over "+plural(pair)
	if confidence < Confidence {
		e.warn("%s: an interval of the ratio needs at least 6", count(len(d), pair))
		return e.exp()
	}
	e.Lo, e.Hi, e.Confidence = lo, hi, confidence
	_, e.P = Wilcoxon(d)
	return e.exp()
}

// UnpairedRatio estimates the ratio of x to y, given as logarithms, from samples that share no
// blocks: exp of the Hodges-Lehmann shift, interval by inversion of Mann-Whitney.
func UnpairedRatio(x, y []float64) Estimate {
	if len(x) == 0 || len(y) == 0 {
		return missing("%d and %s: nothing to compare", len(x), count(len(y), "block"))
	}
	hl, lo, hi, confidence := HodgesLehmannShift(x, y)
	e := exact(hl)
	e.N, e.Method = len(x)+len(y), "Mann-Whitney inversion"
	if min(len(x), len(y)) < 4 || confidence < Confidence {
		e.warn("%d and %s: an interval of the ratio needs at least 4 each", len(x), count(len(y), "block"))
		return e.exp()
	}
	e.Lo, e.Hi, e.Confidence = lo, hi, confidence
	_, e.P = MannWhitney(x, y)
	return e.exp()
}

// adjust corrects all p values of the group for their number (Holm).
func (g *Group) adjust() {
	var tests []*Estimate
	for i := range g.Rows {
		row := &g.Rows[i]
		tests = append(tests, &row.Ratio.Estimate)
		for k := range row.TTFT {
			tests = append(tests, &row.TTFT[k].Ratio)
		}
	}
	tests = slices.DeleteFunc(tests, func(e *Estimate) bool { return math.IsNaN(e.P) })
	p := make([]float64, len(tests))
	for i, e := range tests {
		p[i] = e.P
	}
	for i, a := range Holm(p) {
		tests[i].Adjusted, tests[i].Significant = a, a <= Alpha && !tests[i].WithinNoise
	}
	g.Comparisons = len(tests)
}
