package compensate

import (
	"fmt"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A BlockRounder rounds columns [lo,hi) of all rows: w holds their weights,
// out×(hi-lo), after the errors of earlier blocks have been moved into them,
// and values, of the same size, receives what they become.
type BlockRounder func(lo, hi int, w, values []float32) error

// RunLater rounds the out×in row-major matrix w, in = f.Dim, a block of
// adjacent columns at a time, and moves the errors of a block into the later
// ones; inside a block none is moved (BiLLM; methods.md 4.7). f must keep the
// order of columns. Weights of dead channels are read as 0. w is not changed.
// The error is round's, or names the first weight that is not finite. The
// result does not depend on threads if round's does not.
func RunLater(cfg gemm.Config, w []float32, out, in int, f *Factor, block int, round BlockRounder) error {
	if len(w) != out*in || f.Dim != in || block < 1 {
		panic(fmt.Sprintf("compensate: %d weights for %d×%d, a factor of %d channels and blocks of %d", len(w), out, in, f.Dim, block))
	}
	if err := Finite(w, in); err != nil {
		return err
	}
	rest := make([]float32, len(w))
	copy(rest, w)
	for k, j := range f.Perm {
		if k != j {
			panic("compensate: blocks of adjacent columns want the original order")
		}
	}
	f.ClearDead(rest)
	b, values := make([]float32, out*block), make([]float32, out*block)
	for lo := 0; lo < in; lo += block {
		hi := min(lo+block, in)
		n := hi - lo
		b, values := b[:out*n], values[:out*n]
		for r := range out {
			copy(b[r*n:(r+1)*n], rest[r*in+lo:r*in+hi])
		}
		if err := round(lo, hi, b, values); err != nil {
			return err
		}
		for i := range b {
			j := lo + i%n
			b[i] = (b[i] - values[i]) / f.U[j*in+j]
		}
		if hi < in {
			cfg.Gemm(false, false, out, in-hi, n, -1, b, n, f.U[lo*in+hi:], in, 1, rest[hi:], in)
		}
	}
	return nil
}
