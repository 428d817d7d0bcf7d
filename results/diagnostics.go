package results

import (
	"fmt"
	"slices"
)

// Diagnostics are what methods tell of the compression of one matrix:
// facts of how it went, which no table shows and no ratio is taken of. The
// suite approx records them, item tensor name, weight its weights; a method
// that says nothing has no lines.
func Diagnostics() []Metric {
	return slices.Concat(roundingDiagnostics, codebookDiagnostics, sketchDiagnostics, hashDiagnostics, lowrankDiagnostics, binaryDiagnostics)
}

// IsDiagnostic reports whether a metric is one of Diagnostics.
func IsDiagnostic(name string) bool { return diagnosticNames[name] }

var diagnosticNames = func() map[string]bool {
	names := map[string]bool{}
	for _, m := range Diagnostics() {
		names[m.Name] = true
	}
	return names
}()

// diagnostic is a line of the lists below.
func diagnostic(name, unit, formula string) Metric {
	return Metric{name, "approx", unit, Target, Exact, ByItem, formula, false}
}

// Diagnostics by family of methods.
var (
	roundingDiagnostics = []Metric{
		diagnostic("zero_codes", "1", "share of weights whose code stands for 0"),
		diagnostic("end_codes", "1", "share of weights with the lowest or the highest code, where rounding clips"),
	}
	lowrankDiagnostics = append([]Metric{
		diagnostic("rank", "1", "rank of the factors"),
		diagnostic("energy_kept", "1", "share of ‖A‖² in the factors: of W, of W·diag(s) for asvd, of W·S for svdllm"),
		diagnostic("whitening_shift", "1", "added to the diagonal of H before its root, in units of H"),
		diagnostic("whitening_condition", "1", "(max S_jj/min S_jj)² of the root S of H, at most its condition number"),
	}, loftqDiagnostics()...)
	binaryDiagnostics = []Metric{
		diagnostic("salient_share", "1", "share c_s of weights that are salient: in the columns with two signs, nominal bits 1 + c_s; of pbllm those with 8 bits"),
		diagnostic("kept_of_8", "1", "weights kept of every 8 adjacent ones of a row"),
	}
)

// loftqDiagnostics has a line for every round that loftq can have.
func loftqDiagnostics() []Metric {
	var list []Metric
	for round := 1; round <= 10; round++ {
		list = append(list, diagnostic(fmt.Sprintf("loftq_error_%d", round), "1", fmt.Sprintf("‖W−Q−L·R‖F/‖W‖F after round %d, before L and R are rounded", round)))
	}
	return list
}
