package summary

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/results"
)

// fill computes the rows from cells (per row: suite → values) and compares
// them with row base, unless that is -1.
func (g *Group) fill(cells []map[string][]results.Record, base int, host func(run string) string) {
	windows := make([][]Window, len(g.Rows))
	for i := range g.Rows {
		row, c := &g.Rows[i], cells[i]
		row.approx(c["approx"])
		row.profile(c["approx"])
		row.updates(c["approx"])
		windows[i] = row.perplexity(c["perplexity"])
		row.divergence(c["divergence"])
		row.latency(c["latency"], g.TTFT, g.ITL)
		row.memory(c["memory"])
		row.kernels(c["kernelspeed"], g.Kernels)
	}
	g.TTFTNoise, g.ITLNoise = g.noises(cells, base, "ttft", g.TTFT), g.noises(cells, base, "itl", g.ITL)
	for i := range g.Rows {
		g.Rows[i].Baseline = i == base
		g.compareQuality(i, base, windows)
		g.compareTimes(i, base, host)
		g.compareKernels(i, base, host)
	}
	g.doubtKernels()
	g.adjust()
	g.adjustUpdates()
	if base >= 0 {
		g.Baseline = g.Rows[base].Label
	}
}

// findBaseline returns the row that name, a label or a method, means; with an
// empty name the one marked in its case line; -1 when there is none.
func (g *Group) findBaseline(rows []candidate, name string) int {
	is := func(f func(Row) bool) int { return slices.IndexFunc(rows, func(c candidate) bool { return f(c.row) }) }
	if name == "" {
		if i := is(func(r Row) bool { return r.Baseline }); i >= 0 || onlyUpdates(rows) {
			return i
		}
		g.Warnings = append(g.Warnings, "no case is marked as the baseline: no ratios")
		return -1
	}
	if i := is(func(r Row) bool { return r.Label == name }); i >= 0 {
		return i
	}
	if i := is(func(r Row) bool { return r.Method == name }); i >= 0 {
		return i
	}
	g.Warnings = append(g.Warnings, fmt.Sprintf("the baseline %q is not among the cases: no ratios", name))
	return -1
}

// items returns the items of a timing metric, by the number at their end.
func items(cells []map[string][]results.Record, metric string) []string {
	var all []string
	for _, c := range cells {
		for _, v := range c["latency"] {
			if v.Metric == metric && !slices.Contains(all, v.Item) {
				all = append(all, v.Item)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return ItemTokens(a) - ItemTokens(b) })
	return all
}

// ItemTokens returns the number at the end of a timing's item: 384 of
// "b1,ctx384". It is 0 when there is none.
func ItemTokens(item string) int {
	n, err := strconv.Atoi(item[len(strings.TrimRight(item, "0123456789")):])
	if err != nil {
		return 0
	}
	return n
}

// approx fills the approximation errors.
func (row *Row) approx(values []results.Record) {
	sums := map[string]map[string]float64{} // item → metric → value; item "" = all
	var names []string
	for _, v := range values {
		if !strings.HasSuffix(v.Metric, "_err_sq") && !strings.HasSuffix(v.Metric, "_ref_sq") || v.Item == "" || isUpdate(v) {
			continue // see profile and updates
		}
		if sums[v.Item] == nil {
			sums[v.Item] = map[string]float64{}
			names = append(names, v.Item)
		}
		sums[v.Item][v.Metric] += v.Value
	}
	whole := map[string]float64{}
	for _, n := range names {
		for m, v := range sums[n] {
			whole[m] += v
		}
		row.Matrices = append(row.Matrices, Matrix{Name: n,
			WeightError: relative(sums[n], "weight", 0.5), HError: relative(sums[n], "h", 1), OutputError: relative(sums[n], "output", 0.5)})
	}
	for _, e := range []struct {
		dst   *Estimate
		what  string
		power float64
	}{{&row.WeightError, "weight", 0.5}, {&row.HError, "h", 1}, {&row.OutputError, "output", 0.5}} {
		switch v := relative(whole, e.what, e.power); {
		case len(values) == 0:
			*e.dst = missing("%s", row.Why("approx"))
		case math.IsNaN(v):
			*e.dst = missing("%s: no %s_err_sq and %s_ref_sq above 0", row.Label, e.what, e.what)
		default:
			*e.dst = exact(v)
			e.dst.N = len(names)
		}
	}
}

// relative returns (err/ref)^power of the sums of one kind of error; NaN
// where either is absent or ref is 0.
func relative(sums map[string]float64, kind string, power float64) float64 {
	num, ok := sums[kind+"_err_sq"]
	ref := sums[kind+"_ref_sq"]
	if !ok || !(ref > 0) {
		return math.NaN()
	}
	return math.Pow(num/ref, power)
}

// perplexity fills the perplexity and returns its windows in order.
func (row *Row) perplexity(values []results.Record) []Window {
	byWindow := map[int]*Window{}
	for _, v := range values {
		w := byWindow[v.Sample]
		if w == nil {
			w = &Window{NLL: math.NaN(), NLLSq: math.NaN()}
			byWindow[v.Sample] = w
		}
		switch v.Metric {
		case "nll":
			w.NLL, w.N = v.Value, weight(v)
		case "nll_sq":
			w.NLLSq = v.Value
		}
	}
	if len(byWindow) == 0 {
		row.Perplexity = OfWindows(nil)
		row.Perplexity.Estimate = missing("%s", row.Why("perplexity"))
		return nil
	}
	windows := make([]Window, 0, len(byWindow))
	for i, sample := range slices.Sorted(maps.Keys(byWindow)) {
		w := byWindow[sample]
		if math.IsNaN(w.NLL) || sample != i && !row.narrowed {
			row.Perplexity = OfWindows(nil)
			row.Perplexity.Estimate = missing("%s: window %d of %d has no nll", row.Label, i, len(byWindow))
			return nil
		}
		windows = append(windows, *w)
	}
	row.Perplexity = OfWindows(windows)
	return windows
}

// weight returns the weight of a value; absent means 1.
func weight(v results.Record) float64 {
	if v.Weight == 0 {
		return 1
	}
	return v.Weight
}

// memory fills the ledger and the peaks.
func (row *Row) memory(values []results.Record) {
	lacking := missing("%s", row.Why("memory"))
	row.Ledger = Ledger{LinearBits: lacking, ModelBits: lacking, NominalLinear: lacking, NominalModel: lacking, ModelBytes: lacking}
	row.Ledger.size(values)
	row.PeakAnon, row.VmHWM = lacking, lacking
	var all ClassBytes
	for _, class := range results.TensorClasses() {
		c := classBytes(class, values)
		if c.Weights == 0 {
			continue
		}
		row.Ledger.Classes = append(row.Ledger.Classes, c)
		all.Bytes, all.NominalBits, all.Weights = all.Bytes+c.Bytes, all.NominalBits+c.NominalBits, all.Weights+c.Weights
		if class == "linear" {
			row.Ledger.LinearBits, row.Ledger.NominalLinear = perWeight(8*c.Bytes, c), perWeight(c.NominalBits, c)
		}
	}
	if all.Weights > 0 {
		row.Ledger.ModelBits, row.Ledger.NominalModel = perWeight(8*all.Bytes, all), perWeight(all.NominalBits, all)
		row.Ledger.ModelBytes = exact(all.Bytes)
	}
	if len(values) > 0 {
		lacking = missing("%s: no peak was recorded", row.Label)
	}
	row.PeakAnon, row.VmHWM = peak(values, "peak_anon", lacking), peak(values, "vmhwm", lacking)
}

// size fills in the size that was asked for.
func (l *Ledger) size(values []results.Record) {
	none := missing("the case aims at no size in bytes")
	l.Target, l.Reached, l.Gap = none, none, none
	for _, v := range values {
		switch v.Metric {
		case "target_bytes":
			l.Target = exact(v.Value)
		case "reached_bytes":
			l.Reached = exact(v.Value)
		}
	}
	if l.Target.Value > 0 && l.Reached.Missing == "" {
		l.Gap = exact(1 - l.Reached.Value/l.Target.Value)
	}
}

// classBytes gathers the ledger of one tensor class; without weights if it
// was not recorded.
func classBytes(class string, values []results.Record) ClassBytes {
	c := ClassBytes{Class: class, NominalBits: math.NaN(), Parts: map[string]float64{}}
	for _, v := range values {
		item, part, _ := strings.Cut(v.Item, "/")
		switch {
		case item != class:
		case v.Metric == "stored_bytes":
			c.Bytes, c.Weights = v.Value, weight(v)
		case v.Metric == "nominal_bits":
			c.NominalBits = v.Value
		case v.Metric == "part_bytes":
			c.Parts[part] = v.Value
		}
	}
	return c
}

// perWeight returns bits per weight of a class.
func perWeight(bits float64, c ClassBytes) Estimate {
	if math.IsNaN(bits) {
		return missing("nominal bits were not recorded")
	}
	return exact(bits / c.Weights)
}

// peak returns the largest value of metric over the processes that measured it.
func peak(values []results.Record, metric string, lacking Estimate) Estimate {
	e := lacking
	for _, v := range values {
		if v.Metric != metric {
			continue
		}
		if n := e.N; !(e.Value >= v.Value) {
			e = exact(v.Value)
			e.N = n
		}
		e.N++
	}
	return e
}
