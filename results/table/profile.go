package table

import (
	"fmt"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
)

// profileColumns say for programs which weights lost what, and what methods
// told of their work: columns of Detail, those that any row has.
func (b *builder) profileColumns() []column {
	var cols []column
	add := func(key, head, unit string, pick figure) {
		for _, r := range b.g.Rows {
			if pick(r).Missing == "" {
				cols = append(cols, column{Column{Key: key, Head: head, Unit: unit, Part: Detail},
					func(r summary.Row) Cell { return bare(pick(r)) }})
				return
			}
		}
	}

	for d := range 10 {
		add(fmt.Sprintf("decile_error_%d", d+1), fmt.Sprintf("rel. error of decile %d of |w|", d+1), "1", func(r summary.Row) summary.Estimate {
			if d >= len(r.Profile.Deciles) {
				return summary.Missing("%s: no error by decile was recorded", r.Label)
			}
			return r.Profile.Deciles[d]
		})
	}
	add("zeroed_energy", "energy in zeroed weights", "1", func(r summary.Row) summary.Estimate { return r.Profile.Zeroed })
	add("sign_flip_share", "sign flips", "1", func(r summary.Row) summary.Estimate { return r.Profile.Flips })
	for _, m := range results.Diagnostics() {
		add(m.Name, m.Formula, m.Unit, func(r summary.Row) summary.Estimate {
			v, ok := r.Profile.Diagnostics[m.Name]
			if !ok {
				return summary.Missing("%s: the method tells no %s", r.Label, m.Name)
			}
			return summary.Exact(v)
		})
	}
	return cols
}
