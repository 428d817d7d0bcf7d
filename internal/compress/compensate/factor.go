// Package compensate rounds the columns of a weight matrix one after another
// and moves the error of each into the columns that are still to come, so that
// the layer's output on the calibration inputs changes least (GPTQ; methods.md
// 2.2 steps 2-5 and 8, and 4.2). What a weight is rounded to is the caller's
// choice. It does not gather second moments.
package compensate

import (
	"fmt"
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// FactorOptions say how to prepare the second moments.
type FactorOptions struct {
	// Damp times the mean of the diagonal is added to the diagonal, and again
	// where H is not positive definite then: at most ten times in all.
	Damp float64
	// ActOrder takes the columns in the order of falling diagonal.
	ActOrder bool
}

// A Factor is the factorisation of the second moments H of a layer's inputs.
// All matrices that read the same input share it; it is read only.
type Factor struct {
	Dim int // d, the number of input channels
	// U is upper triangular, d×d, with H⁻¹ = UᵀU, in the order of processing.
	U []float32
	// Perm[k] is the original index of the column that is processed k-th.
	Perm []int
	// Dead marks the channels, by original index, that are always zero: their
	// H_jj is 1 and their weights count as 0.
	Dead []bool
	// Damping is what was added to the diagonal, in units of H.
	Damping float64
}

// NewFactor factors h, the symmetric d×d matrix H = 2/T·XᵀX, and keeps its
// memory: the caller must not use h again. A channel whose diagonal is 0 is
// dead. The inverse-Hessian factor comes from one Cholesky factorisation from
// the last column backwards, H = R·Rᵀ with R upper, and U = R⁻¹. The error
// says that H is not finite, or not positive definite after all dampings. The
// result does not depend on threads.
func NewFactor(cfg gemm.Config, h []float32, d int, o FactorOptions) (*Factor, error) {
	if d < 1 || len(h) != d*d {
		panic(fmt.Sprintf("compensate: H of %d values for %d channels", len(h), d))
	}
	if !(o.Damp >= 0) || math.IsInf(o.Damp, 0) {
		return nil, fmt.Errorf("damp: %v, want a finite number of 0 or more", o.Damp)
	}
	for i := range d {
		row := h[i*d : (i+1)*d]
		if j := notFinite(row); j >= 0 {
			return nil, fmt.Errorf("second moments: H[%d,%d] is %v", i, j, row[j])
		}
		if row[i] < 0 {
			return nil, fmt.Errorf("second moments: H[%d,%d] is %v", i, i, row[i])
		}
	}
	f := &Factor{Dim: d, Perm: make([]int, d), Dead: make([]bool, d)}
	var mean float64
	for j := range d {
		if h[j*d+j] == 0 {
			f.Dead[j] = true
			h[j*d+j] = 1
		}
		mean += float64(h[j*d+j]) / float64(d)
		f.Perm[j] = j
	}
	if o.ActOrder {
		slices.SortStableFunc(f.Perm, func(a, b int) int {
			switch x, y := h[a*d+a], h[b*d+b]; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		permute(cfg, h, d, f.Perm)
	}
	if err := f.damp(cfg, h, o.Damp, mean); err != nil {
		return nil, err
	}
	if err := linalg.InvertUpper(cfg, h, d); err != nil {
		return nil, fmt.Errorf("second moments %d×%d with damp %g: %w; try a damp of %g",
			d, d, o.Damp, err, max(10*o.Damp, 0.01))
	}
	f.U = h
	return f, nil
}

// dampings is how often the diagonal is damped before H is given up.
const dampings = 10

// damp adds damp·mean to the diagonal of h, once or as often as it takes, and
// replaces h by its factor R.
func (f *Factor) damp(cfg gemm.Config, h []float32, damp, mean float64) error {
	d := f.Dim
	diagonal := make([]float64, d)
	for j := range diagonal {
		diagonal[j] = float64(h[j*d+j])
	}
	for k := 1; ; k++ {
		f.Damping = float64(k) * damp * mean
		for j, v := range diagonal {
			h[j*d+j] = float32(v + f.Damping)
		}
		err := linalg.UpperFactor(cfg, h, d)
		if err == nil {
			return nil
		}
		if damp == 0 || k == dampings {
			times := ""
			if k > 1 {
				times = fmt.Sprintf(" added %d times", k)
			}
			return fmt.Errorf("second moments %d×%d with damp %g%s (%.3g on the diagonal): %w; try a damp of %g",
				d, d, damp, times, f.Damping, err, max(100*damp, 0.01))
		}
		mirror(cfg, h, d)
	}
}

// mirror copies the strictly lower triangle of h to the upper one.
func mirror(cfg gemm.Config, h []float32, d int) {
	cfg.Parallel((d+stripe-1)/stripe, func(s int) {
		for r := s * stripe; r < min((s+1)*stripe, d); r++ {
			for c := r + 1; c < d; c++ {
				h[r*d+c] = h[c*d+r]
			}
		}
	})
}

// stripe is the number of rows or columns that permute takes at a time.
const stripe = 64

// permute takes rows and columns of h in the order of perm, in place.
func permute(cfg gemm.Config, h []float32, d int, perm []int) {
	stripes := (d + stripe - 1) / stripe
	cfg.Parallel(stripes, func(s int) {
		row := make([]float32, d)
		for r := s * stripe; r < min((s+1)*stripe, d); r++ {
			a := h[r*d : (r+1)*d]
			copy(row, a)
			for k, j := range perm {
				a[k] = row[j]
			}
		}
	})
	cfg.Parallel(stripes, func(s int) {
		lo, hi := s*stripe, min((s+1)*stripe, d)
		permuteRows(h, d, lo, hi, perm)
	})
}

// permuteRows takes rows of columns [lo,hi) of h in the order of perm.
func permuteRows(h []float32, d, lo, hi int, perm []int) {
	first, done := make([]float32, hi-lo), make([]bool, d)
	for start := range d {
		if done[start] {
			continue
		}
		// Row k becomes row perm[k], along the cycle of start.
		copy(first, h[start*d+lo:start*d+hi])
		k := start
		for perm[k] != start {
			copy(h[k*d+lo:k*d+hi], h[perm[k]*d+lo:perm[k]*d+hi])
			done[k] = true
			k = perm[k]
		}
		copy(h[k*d+lo:k*d+hi], first)
		done[k] = true
	}
}

// DeadChannels returns the number of dead channels.
func (f *Factor) DeadChannels() int {
	n := 0
	for _, dead := range f.Dead {
		if dead {
			n++
		}
	}
	return n
}

// ClearDead sets the weights of dead channels to 0 in w, rows of f.Dim.
func (f *Factor) ClearDead(w []float32) {
	for j, dead := range f.Dead {
		for i := j; dead && i < len(w); i += f.Dim {
			w[i] = 0
		}
	}
}

// Diagonal returns U_jj by original index. Its square is the diagonal of the
// inverse Hessian after all columns that are processed before j are gone.
func (f *Factor) Diagonal() []float64 {
	u := make([]float64, f.Dim)
	for k, j := range f.Perm {
		u[j] = float64(f.U[k*f.Dim+k])
	}
	return u
}

// InverseDiagonal returns the diagonal of H⁻¹ by original index, H with its
// damping: [H⁻¹]_jj is the sum of squares of a column of U.
func (f *Factor) InverseDiagonal() []float64 {
	sum := make([]float64, f.Dim)
	for i := range f.Dim {
		for k, u := range f.U[i*f.Dim+i : (i+1)*f.Dim] {
			sum[i+k] += float64(u) * float64(u)
		}
	}
	d := make([]float64, f.Dim)
	for k, j := range f.Perm {
		d[j] = sum[k]
	}
	return d
}
