package results

import "slices"

// diagnosticMetrics are what methods tell of the compression of one matrix:
// facts of how it went, which no table shows and no ratio is taken of. The
// suite approx records them, item tensor name, weight its weights; a method
// that says nothing has no lines.
func diagnosticMetrics() []Metric {
	return slices.Concat(roundingDiagnostics, codebookDiagnostics, sketchDiagnostics, hashDiagnostics, lowrankDiagnostics, binaryDiagnostics)
}

// diagnostic is a line of the lists below.
func diagnostic(name, unit, formula string) Metric {
	return Metric{name, "approx", unit, Target, Exact, ByItem, formula, false}
}

// Diagnostics by family of methods.
var (
	roundingDiagnostics []Metric
	sketchDiagnostics   []Metric
	hashDiagnostics     []Metric
	lowrankDiagnostics  []Metric
	binaryDiagnostics   []Metric
)
