package sketchtune

import (
	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
)

// sampled is the number of weights in the tables whose inertia is compared with
// the exact optimum: all of a small matrix, and so few of a large one that it
// costs a hundredth of its sketching.
const sampled = 1 << 16

// Diagnostics say how the sketching of a matrix went.
type Diagnostics struct {
	Damping       float64 // added to the diagonal of H, in its units
	Dead          int     // input channels that are always zero
	Inertia       float64 // weighted k-means, summed over tables, before rounding to f16
	MaxIterations int     // of Lloyd, over all tables
	EmptyTables   int     // tables of which a cluster was ever empty
	Unused        float64 // share of the table entries that no code names
	// OverOptimum is the inertia over the least possible one, both summed over
	// tables evenly spaced in the matrix; absent where the latter is 0.
	OverOptimum    float64
	HasOverOptimum bool
}

// Note tells the diagnostics by the names of metrics.
func (d Diagnostics) Note(note func(metric string, value float64)) {
	note("damping", d.Damping)
	note("dead_channels", float64(d.Dead))
	note("kmeans_iterations", float64(d.MaxIterations))
	note("kmeans_empty_tables", float64(d.EmptyTables))
	note("unused_codes", d.Unused)
	if d.HasOverOptimum {
		note("kmeans_over_optimum", d.OverOptimum)
	}
}

func diagnose(f *compensate.Factor, t *kmeans.Tables) Diagnostics {
	d := Diagnostics{Damping: f.Damping, Dead: f.DeadChannels()}
	for _, s := range t.Stats {
		d.Inertia += s.Inertia
		d.MaxIterations = max(d.MaxIterations, s.Iterations)
		if s.Empty {
			d.EmptyTables++
		}
	}
	return d
}
