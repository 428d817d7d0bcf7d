package table

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
)

// wholeNotes returns the notes on the whole table.
func (b *builder) wholeNotes() []Note {
	texts := []string{b.selectionNote()}
	for _, r := range b.g.Recipes {
		texts = append(texts, recipeNote(r))
	}
	texts = append(texts, b.perplexityNote())
	texts = append(texts, b.divergenceNotes()...)
	texts = append(texts, b.timingNote(), b.memoryNote(), b.machineNote())
	for _, v := range b.g.Varying {
		texts = append(texts, varyingNote(v))
	}
	texts = append(texts, b.holmNotes()...)
	for _, w := range b.g.Warnings {
		texts = append(texts, "warning: "+w)
	}
	var notes []Note
	for _, t := range texts {
		if t != "" {
			notes = append(notes, Note{Text: t})
		}
	}
	return notes
}

// selectionNote says which cases are shown, where that is not all.
func (b *builder) selectionNote() string {
	var parts []string
	if b.filter != "" {
		parts = append(parts, fmt.Sprintf("filter %s: %d of %d cases", b.filter, len(b.g.Rows), b.g.Cases))
	}
	if b.g.BaselineHidden {
		parts = append(parts, "ratios are to "+b.g.Baseline+", which this table does not show")
	}
	return strings.Join(parts, "; ")
}

// varyingNote tells of keys that differ between rows unseen. Of shares of more than two rows it
// tells the number.
func varyingNote(v summary.Varying) string {
	var shares []string
	for _, s := range v.Shares {
		who := strings.Join(s.Labels, "; ")
		if len(s.Labels) > 2 {
			who = fmt.Sprintf("%d rows", len(s.Labels))
		}
		shares = append(shares, strings.Join(s.Values, ", ")+" ("+who+")")
	}
	return "rows differ in " + andList(v.Keys) + ", which no column shows: " + strings.Join(shares, "; ")
}

// andList returns "a, b and c".
func andList(words []string) string {
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// recipeNote says what a recipe is, with its hash and its text.
func recipeNote(r results.Record) string {
	s := r.Suite + ", recipe " + r.Recipe
	if r.Words != "" {
		s += ": " + strings.TrimSuffix(r.Words, ".")
	}
	if r.Corpus != "" {
		s += "; text " + r.Corpus
	}
	var counts []string
	for _, k := range slices.Sorted(maps.Keys(r.Counts)) {
		counts = append(counts, fmt.Sprintf("%d %s", r.Counts[k], k))
	}
	if len(counts) > 0 {
		s += "; " + strings.Join(counts, ", ")
	}
	return s
}

// perplexityNote says how the intervals of the perplexities came about.
func (b *builder) perplexityNote() string {
	for _, r := range b.g.Rows {
		if p := r.Perplexity; p.Missing == "" && p.HasInterval() {
			s := fmt.Sprintf("perplexity [95 %%]: t interval over %d windows, %.0f tokens scored", p.N, p.Targets)
			if p.DesignEffect > 0 {
				s += fmt.Sprintf("; tokens of a window hang together: design effect %s (%s)", Significant(p.DesignEffect, 2), r.Label)
			}
			return s + "; the ratio is paired window by window"
		}
	}
	return ""
}

// timingNote says how the times came about.
func (b *builder) timingNote() string {
	least, most := 0, 0
	for _, r := range b.g.Rows {
		for _, t := range slices.Concat(r.TTFT, r.ITL) {
			if n := t.Median.N; n > 0 {
				if least == 0 || n < least {
					least = n
				}
				most = max(most, n)
			}
		}
	}
	if most == 0 {
		return ""
	}
	blocks := fmt.Sprint(most)
	if least < most {
		blocks = fmt.Sprintf("%d to %d", least, most)
	}
	s := "times: median over " + blocks + " randomised blocks" + b.launchWords() + ", order-statistic interval"
	if b.nested() {
		s += ", or that of a nested bootstrap over launches and blocks where it is wider"
	}
	if len(b.g.TTFT) > 0 {
		s += "; ratio: Hodges-Lehmann over blocks, interval by inverting the signed-rank test"
	}
	return s + "; " + b.noiseWords() + b.foreignWords()
}

// memoryNote explains the two peaks.
func (b *builder) memoryNote() string {
	for _, r := range b.g.Rows {
		if r.PeakAnon.Missing == "" {
			return "peak bytes: largest sampled anonymous resident size of a process of its own (in brackets VmHWM, which counts file-backed pages too)"
		}
	}
	return ""
}

// machineNote names devices, threads, processors and tool.
func (b *builder) machineNote() string {
	var parts []string
	if d := strings.Join(b.g.Devices, " and "); d != "" {
		parts = append(parts, "device "+d)
	}
	distinct := func(f func(results.Record) string) []string {
		var out []string
		for _, r := range b.g.Runs {
			if s := f(r); s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	threads := distinct(func(r results.Record) string {
		switch r.Threads {
		case 0:
			return ""
		case 1:
			return "1 thread"
		}
		return fmt.Sprintf("%d threads", r.Threads)
	})
	cpus := distinct(func(r results.Record) string {
		var env struct {
			CPU string `json:"cpu"`
		}
		if json.Unmarshal(r.Environment, &env) != nil {
			return ""
		}
		return env.CPU
	})
	tools := distinct(func(r results.Record) string { return strings.TrimSpace(r.Tool + " " + r.Commit) })
	for _, p := range [][]string{threads, cpus, tools} {
		if len(p) > 0 {
			parts = append(parts, strings.Join(p, " and "))
		}
	}
	s := strings.Join(parts, "; ")
	if len(b.g.Devices) > 1 {
		s += ". Rows of different devices stand side by side; times are compared on one machine only"
	}
	return s
}

// holmNotes explain the mark, and intervals beside 1 that carry none.
func (b *builder) holmNotes() []string {
	marked, beside, times := 0, 0, 0
	for _, r := range b.g.Rows {
		ratios := []summary.Estimate{r.Ratio.Estimate}
		for _, t := range r.TTFT {
			ratios = append(ratios, t.Ratio)
		}
		for i, e := range ratios {
			switch {
			case e.Significant:
				marked++
			case e.HasInterval() && !e.WithinNoise && (e.Lo > 1 || e.Hi < 1):
				beside++
				times += min(i, 1)
			}
		}
	}
	var notes []string
	if marked > 0 {
		notes = append(notes, fmt.Sprintf("* differs from %s: two-sided p ≤ 0.05 after Holm's correction for %s in this table", b.baseline(), b.comparisons()))
	}
	if beside > 0 {
		s := fmt.Sprintf("ratios whose interval leaves out 1 but that carry no *: %d, not enough evidence among %s", beside, b.comparisons())
		if times > 0 {
			// The smallest two-sided p of the signed-rank test over n blocks is 2/2ⁿ.
			n := int(math.Ceil(1 + math.Log2(float64(b.g.Comparisons)/summary.Alpha)))
			s += fmt.Sprintf("; over n blocks p is at least 2/2ⁿ, so a ratio of times can carry one from %d blocks on", n)
		}
		notes = append(notes, s)
	}
	return notes
}

// comparisons returns the number of p values that were corrected together.
func (b *builder) comparisons() string {
	if b.g.Comparisons == 1 {
		return "1 comparison"
	}
	return fmt.Sprintf("%d comparisons", b.g.Comparisons)
}
