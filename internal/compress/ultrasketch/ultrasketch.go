// Package ultrasketch compresses weight matrices to AbsMaxMin sketches: hashed
// cells that keep the weight of least magnitude, allocated to classes of input
// channels by importance (UltraSketchLLM, arXiv 2506.17255; methods.md 3.3 to
// 3.9). It has no training: the raw sketch of weights of both signs is about as
// far from them as zero is, and is the start of fine-tuning, not a model to use.
package ultrasketch

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Version changes when the same options give other bytes.
const Version = 1

// Compresses reports whether the method compresses the tensor of that name: it
// leaves alone the attention output projection, embeddings, head and norms
// (methods.md 3.2).
func Compresses(tensor string) bool {
	name := strings.TrimSuffix(tensor, ".weight")
	name = name[strings.LastIndexByte(name, '.')+1:]
	switch name {
	case "o_proj", "embed_tokens", "lm_head":
		return false
	}
	return !strings.HasSuffix(name, "norm")
}

// Seeds returns the seeds of the sketch rows: the first outputs of the
// generator SplitMix64 started at seed. Small numbers themselves would not do:
// under XOR they make rows permutations of each other (methods.md 3.10, A4).
func Seeds(seed uint64, rows int) []uint64 {
	s := make([]uint64, rows)
	for k := range s {
		seed += 0x9e3779b97f4a7c15
		s[k] = packed.Mix64(seed)
	}
	return s
}

// Compress builds the sketch of the out×in matrix w, a *packed.Cells, or with
// two levels a *packed.Sum of two. importance holds for each input channel
// E[a²], the mean over calibration tokens of its squared activation, on any
// scale. The result does not depend on cfg.Threads.
//
// Weights are compared in float32, and the cells rounded toward zero to their
// width afterwards, so |ŵ| ≤ |w| holds for what is stored, but not for the sum
// of two levels. The error names a field of the options, or the first weight or
// importance that is not usable.
func Compress(cfg gemm.Config, w []float32, out, in int, importance []float64, o Options, seed uint64) (packed.Weight, Diagnostics, error) {
	if len(w) != out*in || len(importance) != in {
		panic(fmt.Sprintf("ultrasketch: %d weights and %d importances, want %d×%d and %d", len(w), len(importance), out, in, in))
	}
	if faults := o.Check(); faults != nil {
		return nil, Diagnostics{}, fmt.Errorf("ultrasketch: %w", faults[0])
	}
	o.Scope = ScopeMatrix
	if err := CheckShape(o, out, in); err != nil {
		return nil, Diagnostics{}, fmt.Errorf("ultrasketch: %w", err)
	}
	one, d, err := single(cfg, w, out, in, importance, o.level(), seed)
	if err != nil || o.Levels == 1 {
		return one, d, err
	}
	// The second level has the first one's errors for weights.
	left := make([]float32, len(w))
	cfg.Parallel(out, func(r int) {
		row := left[r*in : (r+1)*in]
		one.Dequantize(row, r, r+1)
		for c, x := range w[r*in : (r+1)*in] {
			row[c] = x - row[c]
		}
	})
	two, _, err := single(cfg, left, out, in, importance, o.level(), packed.Mix64(seed))
	if err != nil {
		return nil, d, err
	}
	return &packed.Sum{Terms: []packed.Weight{one, two}}, d, nil
}

// single is Compress for one level.
func single(cfg gemm.Config, w []float32, out, in int, importance []float64, o Options, seed uint64) (*packed.Cells, Diagnostics, error) {
	s, err := NewShared(o, []Member{{Out: out, In: in, Importance: importance, Bits: o.Bits}}, seed)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	if err := s.Insert(cfg, 0, w); err != nil {
		return nil, Diagnostics{}, err
	}
	c := s.Finish(cfg)[0]
	return c, s.Diagnostics()[0], nil
}

// checkFinite names the first weight that is not finite.
func checkFinite(cfg gemm.Config, w []float32, out, in int) error {
	first := make([]int, out)
	cfg.Parallel(out, func(r int) {
		first[r] = slices.IndexFunc(w[r*in:(r+1)*in], func(x float32) bool {
			return math.Float32bits(x)&magnitude >= infinity
		})
	})
	for r, c := range first {
		if c >= 0 {
			return fmt.Errorf("ultrasketch: weight [%d,%d] is %v, want a finite number", r, c, w[r*in+c])
		}
	}
	return nil
}
