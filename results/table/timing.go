package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results/summary"
)

// timings returns all times of the table.
func (b *builder) allTimes() []summary.Timing {
	var all []summary.Timing
	for _, r := range b.g.Rows {
		all = append(all, slices.Concat(r.TTFT, r.ITL)...)
	}
	return all
}

// launchWords says how many processes a case was timed in; records from before
// launches were told have one.
func (b *builder) launchWords() string {
	most := 0
	for _, t := range b.allTimes() {
		most = max(most, t.Launches)
	}
	if most < 2 {
		return ""
	}
	return fmt.Sprintf(" in %d launches of fresh processes", most)
}

// nested tells whether any interval is that of the nested bootstrap.
func (b *builder) nested() bool {
	return slices.ContainsFunc(b.allTimes(), func(t summary.Timing) bool { return t.Median.Method == "nested bootstrap" })
}

// noiseWords tells the noise of every item, by the A/A control.
func (b *builder) noiseWords() string {
	var parts []string
	add := func(name string, items []string, noises []summary.Noise) {
		for k, n := range noises {
			if n.N > 0 {
				parts = append(parts, fmt.Sprintf("%s at %d %.2g %% (control/case %.3f, margin %.2g %%)",
					name, summary.ItemTokens(items[k]), 100*n.HalfWidth, n.Effect, 100*n.Margin()))
			}
		}
	}
	add("TTFT", b.g.TTFT, b.g.TTFTNoise)
	add("time per token", b.g.ITL, b.g.ITLNoise)
	if len(parts) == 0 {
		return "no A/A control in this run"
	}
	var n summary.Noise
	for _, m := range slices.Concat(b.g.TTFTNoise, b.g.ITLNoise) {
		if m.N > n.N {
			n = m
		}
	}
	return fmt.Sprintf("A/A noise, %s timed twice in %d blocks: %s", n.Label, n.N, strings.Join(parts, ", "))
}

// foreignWords tells how many samples were taken while others used the
// processors.
func (b *builder) foreignWords() string {
	foreign, all := 0, 0
	for _, t := range b.allTimes() {
		foreign += t.Foreign
		all += t.Samples
	}
	if foreign == 0 {
		return ""
	}
	return fmt.Sprintf("; other processes took 10 %% of the processors' time or more during %d of %d samples", foreign, all)
}
