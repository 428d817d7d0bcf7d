package subject

import (
	"maps"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestSharedFactors: matrices that share an input get the same factorisation,
// so that a block has four, and others get another.
func TestSharedFactors(t *testing.T) {
	c := defaultCase(t, "sketchtune")
	method := *c.Method
	of := map[*compensate.Factor][]string{}
	method.Compress = func(m Matrix, _ any) (packed.Weight, error) {
		for range 2 {
			f, err := m.Factor(compensate.FactorOptions{Damp: 0.1})
			if err != nil {
				return nil, err
			}
			if names := of[f]; len(names) == 0 || names[len(names)-1] != m.Spec.Name {
				of[f] = append(names, m.Spec.Name)
			}
		}
		return int4.Compress(m.Gemm, m.W, m.Spec.Out, m.Spec.In, int4.DefaultOptions())
	}
	c.Method = &method
	e := newEnv(t, tinyModel(t), 2)
	open(t, e, c)
	if want := 4 * Tiny.Layers; len(of) != want {
		t.Errorf("%d factorisations, want %d", len(of), want)
	}
	got := map[int]int{} // groups by the number of their matrices
	for names := range maps.Values(of) {
		got[len(names)]++
	}
	if want := (map[int]int{3: Tiny.Layers, 2: Tiny.Layers, 1: 2 * Tiny.Layers}); !maps.Equal(got, want) {
		t.Errorf("groups by their number of matrices: %v, want %v", got, want)
	}
}
