package table

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results/summary"
)

// divergences returns the columns of the divergence suite: two that are shown, and
// details for programs.
func (b *builder) divergences() []column {
	if !b.g.Suites["divergence"] {
		return nil
	}
	cols := []column{
		{Column{Key: "kl", Head: "KL (nat)", Unit: "nat", Part: Quality, Interval: true}, b.kl},
		{Column{Key: "top1", Head: "top-1 agreement", Unit: "1", Part: Quality, Interval: true}, b.top1},
	}
	detail := func(key, head, unit string, interval bool, pick func(summary.Divergence) summary.Estimate) {
		cols = append(cols, column{Column{Key: key, Head: head, Unit: unit, Part: Detail, Interval: interval},
			func(r summary.Row) Cell { return bare(pick(r.Divergence)) }})
	}
	detail("top5", "top-5 overlap", "1", true, func(d summary.Divergence) summary.Estimate { return d.Top5 })
	detail("dp_mean", "mean Δp", "1", true, func(d summary.Divergence) summary.Estimate { return d.MeanDP })
	detail("dp_rms", "RMS Δp", "1", true, func(d summary.Divergence) summary.Estimate { return d.RMSDP })
	detail("kl_floor", "KL floor", "nat", false, func(d summary.Divergence) summary.Estimate { return d.FloorKL })
	detail("top1_floor", "top-1 floor", "1", false, func(d summary.Divergence) summary.Estimate { return d.FloorTop1 })
	detail("base_perplexity", "perplexity of the uncompressed model", "1", false, func(d summary.Divergence) summary.Estimate { return d.BasePerplexity })
	detail("base_entropy", "entropy of the uncompressed model", "nat", false, func(d summary.Divergence) summary.Estimate { return d.BaseEntropy })
	detail("ties", "ties", "1", false, func(d summary.Divergence) summary.Estimate { return d.Ties })
	at := func(key, head, unit string, names []string, pick func(summary.Divergence) map[string]float64) {
		for _, name := range names {
			if slices.ContainsFunc(b.g.Rows, func(r summary.Row) bool { _, ok := pick(r.Divergence)[name]; return ok }) {
				cols = append(cols, column{Column{Key: key + "_" + name, Head: head + " " + name, Unit: unit, Part: Detail},
					func(r summary.Row) Cell { return percentile(pick(r.Divergence), name) }})
			}
		}
	}
	at("kl", "KL", "nat", []string{"p50", "p90", "p95", "p99", "p99.9", "max"}, func(d summary.Divergence) map[string]float64 { return d.KLAt })
	at("dp", "Δp", "1", []string{"min", "p0.1", "p1", "p5", "p10", "p50", "p90", "p95", "p99", "p99.9", "max"},
		func(d summary.Divergence) map[string]float64 { return d.DPAt })
	return cols
}

// bare returns the cell of e without notes.
func bare(e summary.Estimate) Cell { return bareScaled(e, 1) }

// bareScaled is bare with its text in another unit than the number.
func bareScaled(e summary.Estimate, scale float64) Cell {
	if e.Missing != "" {
		return Cell{Text: Dash}
	}
	e.Warnings = nil
	return (&builder{}).number(e, scale)
}

// percentile returns the cell of a percentile, if there is one.
func percentile(at map[string]float64, name string) Cell {
	v, ok := at[name]
	if !ok {
		return Cell{Text: Dash}
	}
	return Cell{Text: Significant(v, 4), Value: &v}
}

// nearFloor is how many times the floor a divergence must be to be told apart
// from rounding: the floor is that of a few windows of one model.
const nearFloor = 10

// kl returns the cell of a mean divergence; one that is or may be rounding is
// explained.
func (b *builder) kl(r summary.Row) Cell {
	c, d := b.number(r.Divergence.KL, 1), r.Divergence
	switch {
	case d.KL.Missing != "":
	case d.Self:
		c.Notes = append(c.Notes, b.note(fmt.Sprintf("the uncompressed model against itself, run in chunks of another length: the floor below which float32 logits tell nothing, over %.0f targets", d.Targets)))
	case d.FloorKL.Missing == "" && d.KL.Value < nearFloor*math.Abs(d.FloorKL.Value):
		c.Notes = append(c.Notes, b.note(fmt.Sprintf("less than %d times the floor: it may be rounding of float32 logits", nearFloor)))
	}
	return c
}

// top1 returns the cell of an agreement.
func (b *builder) top1(r summary.Row) Cell { return b.number(r.Divergence.Top1, 1) }

// detailRows is how many rows a note has room for.
const detailRows = 12

// divergenceNotes say what the two columns are, what the floor is, and what
// else was measured.
func (b *builder) divergenceNotes() []string {
	var rows []string
	var of summary.Divergence
	floor, top1 := math.NaN(), math.NaN()
	for _, r := range b.g.Rows {
		d := r.Divergence
		if d.KL.Missing != "" || !b.g.Suites["divergence"] {
			continue
		}
		floor, top1 = largest(floor, d.FloorKL), smallest(top1, d.FloorTop1)
		if d.Self {
			continue
		}
		of = d
		if s := divergenceDetails(d); s != "" {
			rows = append(rows, r.Label+": "+s)
		}
	}
	if of.Targets == 0 {
		return nil
	}
	first := fmt.Sprintf("KL (nat): mean over %.0f targets of KL(uncompressed ‖ case) over the whole vocabulary; top-1 agreement: share of targets at which both find the same token likeliest", of.Targets)
	if of.KL.HasInterval() {
		first += fmt.Sprintf("; t intervals over %d windows", of.KL.N)
	}
	if s := numbers([]named{{"KL", floor, 2}, {"top-1", top1, 4}}); s != "" {
		first += "; floor, the uncompressed model against itself: " + s
	}
	if s := numbers([]named{{"perplexity of the uncompressed model", of.BasePerplexity.Value, 4}}); s != "" {
		first += "; " + s
	}
	if s := numbers([]named{{"mean entropy", of.BaseEntropy.Value, 3}}); s != "" {
		first += ", " + s + " nat"
	}
	switch {
	case len(rows) == 0:
		return []string{first}
	case len(rows) > detailRows:
		return []string{first + "; top-5 overlap, Δp and percentiles: in JSON and CSV"}
	}
	return []string{first, "overlap of the five likeliest tokens, change Δp of the target's probability, percentiles over targets: " + strings.Join(rows, "; ")}
}

// divergenceDetails are the numbers of a row that have no column.
func divergenceDetails(d summary.Divergence) string {
	list := []named{{"top-5", d.Top5.Value, 3}, {"RMS Δp", d.RMSDP.Value, 3}}
	for _, name := range []string{"p50", "p99", "max"} {
		if v, ok := d.KLAt[name]; ok {
			list = append(list, named{"KL " + name, v, 3})
		}
	}
	return numbers(list)
}

// A named is a number in a note.
type named struct {
	name   string
	value  float64
	digits int
}

// numbers lists those that there are; a filter may have left out others, which
// are NaN.
func numbers(list []named) string {
	var parts []string
	for _, n := range list {
		if !math.IsNaN(n.value) {
			parts = append(parts, n.name+" "+Significant(n.value, n.digits))
		}
	}
	return strings.Join(parts, ", ")
}

// largest is the larger of what there is.
func largest(v float64, e summary.Estimate) float64 {
	if e.Missing != "" || v >= e.Value {
		return v
	}
	return e.Value
}

// smallest is the smaller of what there is.
func smallest(v float64, e summary.Estimate) float64 {
	if e.Missing != "" || v <= e.Value {
		return v
	}
	return e.Value
}
