// Package grid makes the evenly spaced grids that round-to-nearest methods
// use (methods.md 4.1): a scale and a zero for one row and group of input
// channels. It picks no groups, packs nothing and compensates no errors.
package grid

import (
	"errors"
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// A Grid has the levels Scale·(q − Zero) for q = 0 … Max.
type Grid struct {
	Scale float64
	Zero  float64 // an integer in [0, Max]
	Max   float64 // 2^bits - 1
}

// smallestScale is the smallest positive f16 value. Groups whose scale would
// round to 0 get it; all of their weights are below a half of it times Max.
const smallestScale = 0x1p-24

// ErrScale reports a group whose range is too wide for an f16 scale.
var ErrScale = errors.New("scale overflows f16")

// New16 returns the grid of 2^bits levels for values from lo to hi, lo ≤ hi,
// both finite, with the scale rounded to f16 before anything uses it, as in an
// artefact, and the f16 bits. Zero is always a level: the range of an asymmetric
// grid is [min(0,lo), max(0,hi)] and its zero round(-lo/scale), half to even; a
// symmetric one has ±max(|lo|,|hi|) and the zero 2^bits/2. Values that are all 0
// get the range [-1,1]. The error is ErrScale.
func New16(lo, hi float64, bits int, symmetric bool) (Grid, uint16, error) {
	lo, hi = span(lo, hi, symmetric)
	g := Grid{Max: float64(int(1)<<bits - 1)}
	// Rounding to float32 on the way could round twice; only a scale within
	// 2^-24 of the middle between two f16 values would notice, and either is
	// then as near.
	scale := max((hi-lo)/g.Max, smallestScale)
	half := packed.F32ToF16(float32(scale))
	g.Scale = float64(packed.F16ToF32(half))
	if math.IsInf(g.Scale, 0) {
		return Grid{}, 0, fmt.Errorf("%w: %.4g, largest 65504", ErrScale, scale)
	}
	g.zero(lo, symmetric)
	return g, half, nil
}

// span widens [lo,hi] to the range of a grid.
func span(lo, hi float64, symmetric bool) (float64, float64) {
	lo, hi = min(0, lo), max(0, hi)
	if symmetric {
		hi = max(-lo, hi)
		lo = -hi
	}
	if lo == 0 && hi == 0 {
		return -1, 1
	}
	return lo, hi
}

// zero sets the zero from the scale. A scale that was rounded down can push
// -lo/scale above Max by less than a half, rounding stays in range; the clamp
// is for the few that reach it, and for scales raised to smallestScale.
func (g *Grid) zero(lo float64, symmetric bool) {
	g.Zero = (g.Max + 1) / 2
	if !symmetric {
		g.Zero = min(max(math.RoundToEven(-lo/g.Scale), 0), g.Max)
	}
}

// Code returns the code of the level nearest to w, half to even in units of
// the scale: clamp(round(w/Scale) + Zero, 0, Max).
func (g Grid) Code(w float64) uint8 {
	return uint8(min(max(math.RoundToEven(w/g.Scale)+g.Zero, 0), g.Max))
}

// Value returns the level of a code.
func (g Grid) Value(code uint8) float64 { return g.Scale * (float64(code) - g.Zero) }
