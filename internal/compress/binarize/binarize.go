// Package binarize makes the binary matrices of BiLLM and STBLLM (methods.md
// 4.7): block by block it searches salient columns, which get two signs a
// weight, and the bounds that cut the other weights into regions of one sign
// each, and moves the error of a block into the later ones. Which weights are
// pruned is the caller's choice.
package binarize

import (
	"fmt"
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// The measures of how salient a weight is.
const (
	Hessian   = "hessian"   // w²/U_jj²
	Magnitude = "magnitude" // |w|
)

// The matrices that the searches compare with their binarisation.
const (
	OnSaliency = "saliency" // that of the measures, as the published code does
	OnWeights  = "weights"
)

// Options say how a matrix is binarised.
type Options struct {
	Block    int    // columns that are searched, and share scalars, together
	Regions  int    // of the weights in columns that are not salient: 2 or 3
	Saliency string // Hessian or Magnitude
	Search   string // OnSaliency or OnWeights
	// Keep of every 8 adjacent columns of a row are stored, those that Kept
	// has true, out×in. All with Keep = 8, and Kept is nil.
	Keep int
	Kept []bool
	// MovePruned moves the errors of pruned weights into later blocks as well;
	// else they count as 0 from the start.
	MovePruned bool
}

// CheckWords returns faults of the words among o's fields.
func CheckWords(saliency, search string) []error {
	var faults []error
	if saliency != Hessian && saliency != Magnitude {
		faults = append(faults, fmt.Errorf("saliency: %q, want one of %s, %s", saliency, Hessian, Magnitude))
	}
	if search != OnSaliency && search != OnWeights {
		faults = append(faults, fmt.Errorf("search: %q, want one of %s, %s", search, OnSaliency, OnWeights))
	}
	return faults
}

// Choices returns the words that the fields may be, by scenario name.
func Choices() map[string][]string {
	return map[string][]string{"saliency": {Hessian, Magnitude}, "search": {OnSaliency, OnWeights}}
}

// Diagnostics say how the binarisation of a matrix went.
type Diagnostics struct {
	Salient float64 // share of columns that are salient
}

// Compress binarises w, an out×in row-major matrix, with the factor f of its
// input's second moments, made without act-order. Weights of dead channels
// count as 0. Scalars are rounded to f16 before errors are moved on. An error
// names a weight that is not finite, or the row and block of a scalar beyond
// f16. The result does not depend on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, f *compensate.Factor, o Options) (*packed.Binary, Diagnostics, error) {
	p := &packed.Binary{Out: out, In: in, Block: o.Block, Regions: o.Regions, Keep: o.Keep,
		Salient: make([]byte, packed.PlaneBytes(in))}
	p.Scalars = make([]uint16, out*p.Blocks()*p.RowScalars())
	b := &binarizer{cfg: cfg, o: o, out: out, in: in, p: p, u: f.Diagonal(), codes: make([]uint8, out*in)}
	start := w
	if o.Kept != nil && !o.MovePruned {
		start = make([]float32, len(w))
		for i, keep := range o.Kept {
			if keep || w[i]-w[i] != 0 { // what is not finite is to be found
				start[i] = w[i]
			}
		}
	}
	if err := compensate.RunLater(cfg, start, out, in, f, o.Block, b.block); err != nil {
		return nil, Diagnostics{}, err
	}
	b.pack()
	return p, Diagnostics{Salient: float64(b.salient) / float64(in)}, nil
}

// binarizer is the work on one matrix.
type binarizer struct {
	cfg     gemm.Config
	o       Options
	out, in int
	p       *packed.Binary
	u       []float64 // U_jj
	codes   []uint8   // out×in: minus + 2·low + 4·high, see packed.BinaryLevels
	salient int       // columns so far
}

// rowsAtOnce is the number of rows that go to a goroutine at a time.
const rowsAtOnce = 16

// rows calls f for all rows, with memory for a goroutine's own use.
func (b *binarizer) rows(n int, f func(r int, m *memory)) {
	b.cfg.Parallel((b.out+rowsAtOnce-1)/rowsAtOnce, func(i int) {
		m := &memory{values: make([]float64, n), rest: make([]float64, n), order: make([]int, n)}
		for r := i * rowsAtOnce; r < min((i+1)*rowsAtOnce, b.out); r++ {
			f(r, m)
		}
	})
}

// memory holds a value for each column of a block, of each kind.
type memory struct {
	values, rest []float64
	order        []int
}

// block is the compensate.BlockRounder.
func (b *binarizer) block(lo, hi int, w, values []float32) error {
	s := b.newSearch(lo, hi, w)
	bounds := s.run()
	for _, j := range s.order[:s.count] {
		packed.SetBits(b.p.Salient, lo+j, 1, 1)
	}
	b.salient += s.count
	failed := make([]error, b.out)
	b.rows(hi-lo, func(r int, m *memory) { failed[r] = b.row(s, r, w, values, bounds, m) })
	i := slices.IndexFunc(failed, func(err error) bool { return err != nil })
	if i >= 0 {
		return failed[i]
	}
	return nil
}

// row binarises one row of a block: its scalars, codes and values.
func (b *binarizer) row(s *search, r int, w, values []float32, bounds []float64, m *memory) error {
	n := s.n
	region := func(j int) int {
		x := math.Abs(s.q[r*n+j])
		g := 0
		for g < len(bounds) && x >= bounds[g] {
			g++
		}
		return g
	}
	block := s.lo / b.o.Block
	at := (r*b.p.Blocks() + block) * b.p.RowScalars()
	scalars := b.p.Scalars[at : at+b.p.RowScalars()]
	set := func(i int, v float64) { scalars[i] = packed.F32ToF16(float32(v)) }
	group := func(in func(j int) bool) []float64 {
		v := m.values[:0]
		for j := range n {
			if in(j) && s.kept(r, j) {
				v = append(v, float64(w[r*n+j]))
			}
		}
		return v
	}
	for g := range b.o.Regions {
		t, _ := fit(group(func(j int) bool { return !s.salient[j] && region(j) == g }))
		set(2*g, t.mean)
		set(2*g+1, t.size)
	}
	first, second, _ := fitTwo(m.rest, group(func(j int) bool { return s.salient[j] }))
	set(2*b.o.Regions, first.mean+second.mean)
	set(2*b.o.Regions+1, first.size)
	set(2*b.o.Regions+2, second.size)
	for i, h := range scalars {
		if h&0x7c00 == 0x7c00 {
			return fmt.Errorf("scalar %d of row %d, columns %d to %d is beyond f16, whose largest is 65504", i, r, s.lo, s.lo+n-1)
		}
	}
	levels := packed.LevelsOf(scalars, b.o.Regions)
	for j := range n {
		if !s.kept(r, j) {
			values[r*n+j] = 0
			continue
		}
		var code uint8
		x := float64(w[r*n+j])
		if s.salient[j] {
			code = salientCode(x, first, second)
			values[r*n+j] = levels[8+code]
		} else {
			g := region(j)
			code = uint8(2 * g)
			if x < float64(packed.F16ToF32(scalars[2*g])) {
				code++
			}
			values[r*n+j] = levels[code]
		}
		b.codes[r*b.in+s.lo+j] = code
	}
	return nil
}

// salientCode returns the signs of the two terms of a weight, 1 the first's
// minus and 2 the second's.
func salientCode(x float64, first, second term) uint8 {
	var code uint8
	d := x - first.mean
	if d < 0 {
		code, d = 1, d+first.size
	} else {
		d -= first.size
	}
	if d < second.mean {
		code |= 2
	}
	return code
}

// pack makes the planes and the mask of the codes.
func (b *binarizer) pack() {
	codes := b.codes
	if b.o.Kept != nil {
		b.p.Mask = packed.PackMask(b.o.Kept, b.out, b.in, b.o.Keep)
		codes = codes[:0]
		for i, keep := range b.o.Kept {
			if keep {
				codes = append(codes, b.codes[i]) // never ahead of i
			}
		}
	}
	bits := make([]uint8, len(codes))
	plane := func(k int) []byte {
		for i, c := range codes {
			bits[i] = c >> k & 1
		}
		dst := make([]byte, packed.PlaneBytes(len(bits)))
		packed.PackRow(dst, bits, 1)
		return dst
	}
	b.p.Minus, b.p.Low = plane(0), plane(1)
	if b.o.Regions > 2 {
		b.p.High = plane(2)
	}
}
