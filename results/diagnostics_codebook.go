package results

// codebookDiagnostics are those of the methods that learn tables.
var codebookDiagnostics = []Metric{
	diagnostic("damping", "1", "what was added to the diagonal of H, in its units"),
	diagnostic("dead_channels", "1", "input channels that are always zero on the calibration text"),
	diagnostic("kmeans_iterations", "1", "most iterations of Lloyd of a table"),
	diagnostic("kmeans_empty_tables", "1", "tables of which a cluster was empty at some iteration"),
	diagnostic("kmeans_over_optimum", "1", "Σ inertia / Σ least inertia, over tables evenly spaced in the matrix"),
	diagnostic("unused_codes", "1", "table entries that no code names / table entries"),
}
