// Package countmin compresses a weight matrix to a count-min sketch of the
// weights' magnitudes in 16-bit cells (Cormode and Muthukrishnan, J. Algorithms
// 2005; methods.md 4.9): an over-estimate, the opposite of the sketch of
// ultrasketch, to test whether an under-estimate is better.
package countmin

import "github.com/sketchbench/sketchbench/internal/compress/hashed"

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options = hashed.Magnitudes

// DefaultOptions returns 2 bits per weight, of which 1 is the sign, in 3 rows.
func DefaultOptions() Options { return hashed.DefaultMagnitudes() }

// Form returns what becomes of an out×in matrix: cells are sums of
// magnitudes, rounded upward, and a query the least of them over the rows.
func Form(o Options, out, in int) hashed.Form { return o.Form(out, in, hashed.Magnitude) }
