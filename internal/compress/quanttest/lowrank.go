package quanttest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/linalg"
)

// LowRank is the figures of part svd for one method at one rank.
type LowRank struct {
	RelF        float64 `json:"relF"`
	OutputError float64 `json:"e_out_calibration"`
}

// LowRanks calls f with every matrix, rank and figures of a method of part
// svd: svd, svdllm or asvd_alpha_0.5.
func LowRanks(t *testing.T, s *Set, method string, f func(t *testing.T, m *Matrix, rank int, want LowRank)) {
	t.Helper()
	results, names := Results[map[string]json.RawMessage](t, s, "svd")
	for _, name := range names {
		matrix, r, ok := strings.Cut(name, ".r")
		if !ok {
			continue // about the matrix itself
		}
		rank, err := strconv.Atoi(r)
		if err != nil {
			t.Fatal(err)
		}
		var want LowRank
		if err := json.Unmarshal(results[name][method], &want); err != nil {
			t.Fatalf("%s: %s: %v", name, method, err)
		}
		t.Run(name, func(t *testing.T) { f(t, s.Matrix(t, matrix), rank, want) })
	}
}

// Product returns U·diag(S)·V of an out×in matrix, in float64.
func Product(s linalg.SVD, out, in int) []float64 {
	rank := len(s.S)
	p := make([]float64, out*in)
	for r := range out {
		for k, sigma := range s.S {
			u := float64(s.U[r*rank+k]) * sigma
			for c, v := range s.V[k*in : (k+1)*in] {
				p[r*in+c] += u * float64(v)
			}
		}
	}
	return p
}

// OutputError returns √Weighted, which is ‖(W-Ŵ)X‖F/‖WX‖F.
func (m *Matrix) OutputError(what []float64) float64 { return math.Sqrt(m.Weighted(what)) }
