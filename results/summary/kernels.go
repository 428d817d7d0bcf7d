package summary

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/sketchbench/sketchbench/results"
)

// A KernelItem names one product that is timed.
type KernelItem struct {
	Item    string // "4096x14336,b1,cold"
	Shape   string // "4096x14336", out and in
	Cache   string // cold, hot
	Batch   int    // vectors
	ordinal int    // of the shape, in order of first appearance
}

// A Kernel is one product of one case, held against the limits of the machine
// in the same blocks (protocol.md 2.9).
type Kernel struct {
	KernelItem
	Bytes, Flops float64 // declared
	// Time is the median of block medians, seconds; Calls counts the calls
	// behind it.
	Time  Estimate
	Calls float64
	// ReadRate is Bytes, FlopRate Flops over the time.
	ReadRate, FlopRate Estimate
	// ReadShare is the median over blocks of the rate over the fastest read of
	// the block in the same state of the cache, FMAShare that of Flops over the
	// fastest multiply-adds.
	ReadShare, FMAShare Estimate
	Bound               string // Memory, Compute or Neither; empty where it is unknown
	// Speedup is the baseline's time over this one, paired by block:
	// Hodges-Lehmann of ln ratios, interval by the signed-rank test.
	Speedup Estimate

	blocks map[blockKey][]float64
}

// What bounds a product: below the ridge, the operations per byte at which both
// limits of the machine would be met, it is Memory, above it Compute, if it
// reaches at least half of that limit; if it does not, Neither.
const (
	Memory  = "memory"
	Compute = "compute"
	Neither = "neither"
	// reached is the share of a limit from which it is said to bind.
	reached = 0.5
)

// A Peak is a measured limit of the machine: the median over the blocks of all
// cases of the fastest sample of the block.
type Peak struct {
	Metric, Item string
	Estimate
}

// kernelHalfWidth is the relative half-width of a median's interval that the
// suite aims at (protocol.md 2.1).
const kernelHalfWidth = 0.005

var kernelPattern = regexp.MustCompile(`^([0-9]+x[0-9]+),b([0-9]+),([a-z]+)$`)

// kernelItems returns the products of all cells: by shape in order of first
// appearance, cold before hot, by batch.
func kernelItems(cells []map[string][]results.Record) []KernelItem {
	var items []KernelItem
	seen, shapes := map[string]bool{}, map[string]int{}
	for _, c := range cells {
		for _, v := range c["kernelspeed"] {
			m := kernelPattern.FindStringSubmatch(v.Item)
			if v.Metric != "kernel_time" || seen[v.Item] || m == nil {
				continue
			}
			seen[v.Item] = true
			if _, ok := shapes[m[1]]; !ok {
				shapes[m[1]] = len(shapes)
			}
			batch, _ := strconv.Atoi(m[2])
			items = append(items, KernelItem{v.Item, m[1], m[3], batch, shapes[m[1]]})
		}
	}
	slices.SortStableFunc(items, func(a, b KernelItem) int {
		return cmp.Or(cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(a.Cache, b.Cache), cmp.Compare(a.Batch, b.Batch))
	})
	return items
}

// limits are the fastest samples of each block, by metric and item.
type limits map[string]map[blockKey]float64

// add takes the samples of one case, throttled ones left out.
func (l limits) add(values []results.Record) {
	for _, v := range values {
		if v.Metric != "read_peak" && v.Metric != "fma_peak" || slices.Contains(v.Flags, throttled) {
			continue
		}
		name := v.Metric + " " + v.Item
		if l[name] == nil {
			l[name] = map[blockKey]float64{}
		}
		k := blockKey{v.Run, v.Block}
		l[name][k] = max(l[name][k], v.Value)
	}
}

// kernels fills the products of a case.
func (row *Row) kernels(values []results.Record, items []KernelItem) {
	peaks := limits{}
	peaks.add(values)
	row.Kernels = make([]Kernel, len(items))
	at, low := map[string]*Kernel{}, map[string]int{} // low counts throttled samples
	for i, item := range items {
		row.Kernels[i] = Kernel{KernelItem: item, blocks: map[blockKey][]float64{}}
		at[item.Item] = &row.Kernels[i]
	}
	for _, v := range values {
		k := at[v.Item]
		switch {
		case k == nil:
		case v.Metric == "kernel_bytes":
			k.Bytes = v.Value
		case v.Metric == "kernel_flops":
			k.Flops = v.Value
		case v.Metric == "kernel_time" && slices.Contains(v.Flags, throttled):
			low[v.Item]++
		case v.Metric == "kernel_time":
			key := blockKey{v.Run, v.Block}
			k.blocks[key] = append(k.blocks[key], v.Value)
			k.Calls += weight(v)
		}
	}
	for i := range row.Kernels {
		why := row.Why("kernelspeed")
		if n := low[items[i].Item]; n > 0 {
			why = fmt.Sprintf("%s: all of %s flagged throttled", row.Label, count(n, "sample"))
		}
		row.Kernels[i].estimate(peaks, why)
	}
}

// estimate forms the numbers of a product from its blocks.
func (k *Kernel) estimate(peaks limits, why string) {
	lack := missing("%s", why)
	k.Time, k.ReadRate, k.FlopRate, k.ReadShare, k.FMAShare, k.Speedup = lack, lack, lack, lack, lack, lack
	if len(k.blocks) == 0 {
		return
	}
	k.Time = blockMedian(k.blocks, func(_ blockKey, t float64) float64 { return t })
	k.ReadRate, k.FlopRate = over(k.Bytes, k.Time, "kernel_bytes"), over(k.Flops, k.Time, "kernel_flops")
	read := peaks["read_peak "+k.Cache]
	if k.Cache == "hot" {
		read = peaks["read_peak "+k.Shape+",hot"]
	}
	k.ReadShare = share(k.blocks, k.Bytes, read)
	k.FMAShare = share(k.blocks, k.Flops, peaks["fma_peak "])
	if k.ReadShare.Missing == "" && k.FMAShare.Missing == "" {
		// The ratio of the shares is that of the intensity to the ridge.
		k.Bound = Memory
		limit := k.ReadShare.Value
		if k.FMAShare.Value > limit {
			k.Bound, limit = Compute, k.FMAShare.Value
		}
		if limit < reached {
			k.Bound = Neither
		}
	}
}

// blockMedian returns the median over blocks of f of each block's median.
func blockMedian(blocks map[blockKey][]float64, f func(b blockKey, median float64) float64) Estimate {
	var xs []float64
	for _, key := range sortedKeys(blocks) {
		xs = append(xs, f(key, Median(blocks[key]).Value))
	}
	e := Median(xs)
	if len(e.Warnings) > 0 {
		e.Warnings = []string{fmt.Sprintf("%s: an interval of the median needs at least 6", count(len(xs), "block"))}
	}
	return e
}

// over returns the rate of so much work in a time; metric is that of the work,
// which is missing where a filter leaves it out.
func over(work float64, time Estimate, metric string) Estimate {
	if work == 0 {
		return missing("%s is not among the records, or a filter leaves it out", metric)
	}
	e := time
	e.Value, e.Lo, e.Hi, e.Warnings = work/time.Value, work/time.Hi, work/time.Lo, nil
	return e
}

// share returns the median over blocks of the rate over the limit of the block.
func share(blocks map[blockKey][]float64, work float64, limit map[blockKey]float64) Estimate {
	if work == 0 {
		return missing("what the product reads or computes is not recorded, or a filter leaves it out")
	}
	for key := range blocks {
		if !(limit[key] > 0) {
			return missing("the limit of the machine is not recorded in every block, or a filter leaves it out")
		}
	}
	e := blockMedian(blocks, func(b blockKey, t float64) float64 { return work / t / limit[b] })
	e.Warnings = nil // the time has them
	return e
}

// compareKernels fills the speed-ups of row i over row base.
func (g *Group) compareKernels(i, base int, host func(run string) string) {
	row := &g.Rows[i]
	for k := range row.Kernels {
		t := &row.Kernels[k]
		switch {
		case t.Time.Missing != "":
		case base < 0:
			t.Speedup = missing("no baseline among the cases")
		case i == base:
			t.Speedup = exact(1)
			t.Speedup.N, t.Speedup.Method = len(t.blocks), "the baseline itself"
		case g.Rows[base].Kernels[k].Time.Missing != "":
			t.Speedup = missing("%s was not timed in this state of the cache", g.Rows[base].Label)
		default:
			t.Speedup = kernelSpeedup(g.Rows[base], *row, k, host)
		}
	}
}

// kernelSpeedup compares product k of a row with that of base.
func kernelSpeedup(base, row Row, k int, host func(run string) string) Estimate {
	b, t := base.Kernels[k].blocks, row.Kernels[k].blocks
	var d []float64
	for _, key := range sortedKeys(t) {
		if xs, ok := b[key]; ok {
			d = append(d, math.Log(Median(xs).Value/Median(t[key]).Value))
		}
	}
	switch {
	case host(sortedKeys(b)[0].run) != host(sortedKeys(t)[0].run):
		return missing("%s and %s were timed on different machines", row.Label, base.Label)
	case base.Exec["kernelspeed"] != row.Exec["kernelspeed"]:
		return missing("%s was timed with other kernels than %s", row.Label, base.Label)
	case len(d) == 0:
		return missing("%s and %s were not timed in the same blocks", row.Label, base.Label)
	}
	return BlockedRatio(d)
}

// peaksOf summarises the limits that all cases measured: of memory and of
// arithmetic. Those of the cache differ from size to size.
func peaksOf(cells []map[string][]results.Record) []Peak {
	var peaks []Peak
	for _, p := range []Peak{{Metric: "read_peak", Item: "cold"}, {Metric: "fma_peak"}} {
		var fastest []float64
		for _, c := range cells {
			l := limits{}
			l.add(c["kernelspeed"])
			fastest = slices.AppendSeq(fastest, maps.Values(l[p.Metric+" "+p.Item]))
		}
		if p.Estimate = Median(fastest); p.Missing == "" {
			peaks = append(peaks, p)
		}
	}
	return peaks
}

// doubtKernels warns of times that are less sure than was aimed at.
func (g *Group) doubtKernels() {
	times, unsure, widest, which := 0, 0, 0.0, ""
	for _, row := range g.Rows {
		for _, k := range row.Kernels {
			if k.Time.Missing != "" || !k.Time.HasInterval() {
				continue
			}
			times++
			h := (k.Time.Hi - k.Time.Lo) / 2 / k.Time.Value
			if h > kernelHalfWidth {
				unsure++
			}
			if h > widest {
				widest, which = h, row.Label+" at "+k.Item
			}
		}
	}
	if unsure > 0 {
		g.Warnings = append(g.Warnings, fmt.Sprintf("kernelspeed: %d of %s are known less well than aimed at, half an interval of %g %% of the median; "+
			"the ceilings came first. The widest is ±%.2g %% (%s)", unsure, count(times, "time"), 100*kernelHalfWidth, 100*widest, which))
	}
	g.doubtMachine()
}

// doubtMachine tells how many times of products were taken while the clock was
// low or others used the processors.
func (g *Group) doubtMachine() {
	slow, foreign, all := 0, 0, 0
	for _, row := range g.Rows {
		for _, v := range row.values["kernelspeed"] {
			if v.Metric != "kernel_time" {
				continue
			}
			all++
			switch {
			case slices.Contains(v.Flags, throttled):
				slow++
			case len(v.Flags) > 0:
				foreign++
			}
		}
	}
	if slow > 0 {
		w := fmt.Sprintf("kernelspeed: %d of %s flagged throttled, left out", slow, count(all, "sample"))
		if float64(slow) > invalidShare*float64(all) {
			w += fmt.Sprintf("; INVALID: more than %g %% were throttled; measure again", 100*invalidShare)
		}
		g.Warnings = append(g.Warnings, w)
	}
	if foreign > 0 {
		g.Warnings = append(g.Warnings, fmt.Sprintf("kernelspeed: other processes took 10 %% of the processors' time or more during %d of %s", foreign, count(all, "sample")))
	}
}
