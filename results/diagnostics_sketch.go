package results

// sketchDiagnostics are those of sketches of hashed cells, of other methods
// too; the matrices of a shared sketch have in common what is the sketch's.
var sketchDiagnostics = []Metric{
	diagnostic("unoccupied_cells", "1", "share of cells that no weight fell into"),
	diagnostic("cell_collisions", "1", "share of insertions, of a weight into a sketch row, whose cell keeps another weight"),
	diagnostic("allocation_variance", "1", "variance over classes of cells per weight / its squared mean"),
	diagnostic("layer_allocation_variance", "1", "variance over the linear layers of a shared sketch of cells_per_weight / its squared mean"),
}
