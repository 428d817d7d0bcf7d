package subject

import "slices"

// methods lists every method, family by family, in the order of the
// documentation. To add one, add an entry to its family's file.
var methods = slices.Concat(
	[]Method{dense},
	roundingMethods(),
	gptqMethods(),
	codebookMethods(),
	ultrasketchMethods(),
	hashMethods(),
	lowrankMethods(),
	twopathMethods(),
	binaryMethods(),
	foreignMethods(),
)

// noOptions are the options of dense.
type noOptions struct{}

// dense leaves every matrix as it is.
var dense = Method{
	Name: "dense", Version: 1,
	New:         func() any { return &noOptions{} },
	Check:       func(any) []error { return nil },
	CheckShape:  func(any, int, int) error { return nil },
	Nominal:     func(any) float64 { return 0 },
	StoredBytes: func(any, int, int) int64 { return 0 },
	Covers:      func(string) bool { return false },
	Draw:        drawDense,
}

// everything is the Covers of methods that compress all linear layers.
func everything(string) bool { return true }
