package results

// hashDiagnostics are of methods that share cells by hash, which tell
// unoccupied_cells too.
var hashDiagnostics = []Metric{
	diagnostic("collision_rate", "1", "share of weights that share their cell with another, mean over sketch rows"),
	diagnostic("cells_per_weight", "1", "cells of all sketch rows over weights"),
	diagnostic("lambda", "1", "weights per cell of a sketch row"),
}
