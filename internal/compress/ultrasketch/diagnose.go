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
	// CellsPerWeight are those of all sketch rows that the classes of the
	// matrix's columns have for its weights. LayerVariance is the variance over
	// the matrices of the sketch of that, in units of its squared mean: 0 where a
	// matrix has a sketch of its own.
	CellsPerWeight, LayerVariance float64
}

// Note tells the diagnostics by the names of metrics.
func (d Diagnostics) Note(note func(metric string, value float64)) {
	note("unoccupied_cells", d.Unoccupied)
	note("cell_collisions", d.Collisions)
	note("allocation_variance", d.AllocationVariance)
	note("cells_per_weight", d.CellsPerWeight)
	note("layer_allocation_variance", d.LayerVariance)
}

// Diagnostics returns what is known after Finish of each member's matrix.
func (s *Shared) Diagnostics() []Diagnostics {
	cells := int64(len(s.wide))
	insertions := s.weights * int64(s.o.Rows)
	all := Diagnostics{
		Unoccupied: float64(s.empty) / float64(cells),
		Collisions: 1 - float64(cells-s.empty)/float64(insertions),
	}
	density := make([]float64, len(s.members[0].Sizes)) // cells per weight of each class
	weights := make([]float64, len(density))
	for _, c := range s.columns {
		weights[c.Class] += float64(c.Weights)
	}
	for g, n := range s.members[0].Sizes {
		density[g] = float64(s.members[0].Rows) * float64(n) / weights[g]
	}
	all.AllocationVariance = variance(density)
	own := make([]float64, len(s.members))
	rest := s.columns
	for i, m := range s.members {
		var cells, weights float64
		for _, c := range rest[:len(m.Class)] {
			cells += float64(c.Weights) * density[c.Class]
			weights += float64(c.Weights)
		}
		own[i], rest = cells/weights, rest[len(m.Class):]
	}
	all.LayerVariance = variance(own)
	list := make([]Diagnostics, len(s.members))
	for i := range list {
		list[i], list[i].CellsPerWeight = all, own[i]
	}
	return list
}

// variance returns that of v in units of its squared mean, 0 of zeros.
func variance(v []float64) float64 {
	var sum, square float64
	for _, x := range v {
		sum += x
	}
	mean := sum / float64(len(v))
	for _, x := range v {
		square += (x - mean) * (x - mean)
	}
	if mean == 0 {
		return 0
	}
	return square / float64(len(v)) / (mean * mean)
}
