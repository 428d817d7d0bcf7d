package ultrasketch

// Diagnostics say how a sketch came out; with two levels, the first.
type Diagnostics struct {
	// Unoccupied is the share of cells that no weight fell into: e^-λ for an
	// ideal hash and λ weights per cell. Many more mean a bad hash.
	Unoccupied float64
	// Collisions is the share of insertions, weights times the sketch rows that
	// they go to, that do not own their cell in the end: 1 − 1/λ where none is
	// empty.
	Collisions float64
	// AllocationVariance is the variance over classes of cells per weight, in
	// units of its squared mean: 0 where importance does not matter.
	AllocationVariance float64
}

// Note tells the diagnostics by the names of metrics.
func (d Diagnostics) Note(note func(metric string, value float64)) {
	note("unoccupied_cells", d.Unoccupied)
	note("cell_collisions", d.Collisions)
	note("allocation_variance", d.AllocationVariance)
}

// Diagnostics returns what is known after Finish.
func (s *Shared) Diagnostics() Diagnostics {
	cells := int64(len(s.wide))
	insertions := s.weights * int64(s.o.Rows)
	d := Diagnostics{
		Unoccupied: float64(s.empty) / float64(cells),
		Collisions: 1 - float64(cells-s.empty)/float64(insertions),
	}
	sizes := s.members[0].Sizes
	weights := make([]float64, len(sizes))
	for _, c := range s.columns {
		weights[c.Class] += float64(c.Weights)
	}
	var sum, square float64
	for g, n := range sizes {
		v := float64(n) / weights[g]
		sum += v
		square += v * v
	}
	if mean := sum / float64(len(sizes)); mean > 0 {
		d.AllocationVariance = max(0, square/float64(len(sizes))/(mean*mean)-1)
	}
	return d
}
