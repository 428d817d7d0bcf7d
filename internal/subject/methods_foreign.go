package subject

import (
	"errors"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/foreign"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// foreignMethods take compressed weights from others' files.
func foreignMethods() []Method {
	return []Method{
		fromFiles(Method{
			Name: "import", Version: foreign.Version,
			New:    func() any { o := foreign.DefaultImportOptions(); return &o },
			Check:  func(o any) []error { return o.(*foreign.ImportOptions).Check() },
			Source: func(o any) (foreign.Source, error) { return o.(*foreign.ImportOptions).Source() },
		}),
		fromFiles(Method{
			Name: "external", Version: foreign.Version,
			New:    func() any { return &foreign.ExternalOptions{} },
			Check:  func(o any) []error { return o.(*foreign.ExternalOptions).Check() },
			Source: func(o any) (foreign.Source, error) { return o.(*foreign.ExternalOptions).Source() },
		}),
	}
}

// errNotDrawn is the fault of a method whose matrices cannot be drawn.
var errNotDrawn = errors.New("takes its weights from files and has none of a drawn matrix: remove it, or the suites that draw")

// fromFiles completes a method whose cases have a Source, which says the sizes
// of matrices and has them.
func fromFiles(m Method) Method {
	m.CheckShape = func(any, int, int) error { return errNotDrawn }
	m.Nominal = func(any) float64 { return 0 }
	m.StoredBytes = func(any, int, int) int64 { return 0 }
	m.Covers = everything
	m.Draw = func(any, int, int, *rand.Rand) packed.Weight {
		panic("subject: Draw of a method that takes its weights from files")
	}
	return m
}
