// Package minmax compresses a weight matrix to a sketch of the weights'
// magnitudes in 16-bit cells that keep the greatest, of which a query returns
// the least (methods.md 4.9): an over-estimate, but a smaller one than that of
// countmin, and the mirror image of ultrasketch. The MinMaxSketch of SketchML
// (Jiang, Fu, Yang and Cui, SIGMOD 2018) is named the other way round: its code
// inserts the least magnitude and returns the greatest, as ultrasketch does.
package minmax

import "github.com/sketchbench/sketchbench/internal/compress/hashed"

// Version changes when the same options give other bytes.
const Version = 1

// Options are the method's settings in a scenario.
type Options = hashed.Magnitudes

// DefaultOptions returns 2 bits per weight, of which 1 is the sign, in 3 rows.
func DefaultOptions() Options { return hashed.DefaultMagnitudes() }

// Form returns what becomes of an out×in matrix: cells are greatest
// magnitudes, rounded upward, and a query the least of them over the rows.
func Form(o Options, out, in int) hashed.Form { return o.Form(out, in, hashed.Greatest) }
