package squeezellm

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// iterations of Lloyd at most, as in the published code.
const iterations = 50

// sampled is the number of weights in the rows whose inertia is compared with
// the exact optimum.
const sampled = 1 << 16

// Diagnostics say how the compression of a matrix went.
type Diagnostics struct {
	MaxIterations int     // of Lloyd, over all rows
	Unused        float64 // share of the table entries that no code names
	EmptyTables   int     // tables of which a cluster was ever empty
	// OverOptimum is the inertia over the least possible one, both summed over
	// rows evenly spaced in the matrix; absent where the latter is 0.
	OverOptimum    float64
	HasOverOptimum bool
}

// Note tells the diagnostics by the names of metrics.
func (d Diagnostics) Note(note func(metric string, value float64)) {
	note("kmeans_iterations", float64(d.MaxIterations))
	note("kmeans_empty_tables", float64(d.EmptyTables))
	note("unused_codes", d.Unused)
	if d.HasOverOptimum {
		note("kmeans_over_optimum", d.OverOptimum)
	}
}

// Compress compresses w, out×in row-major. The weight of a number in k-means is
// the mean square of its input channel, meanSquare, in values ≥ 0; a weight of 0
// has none, nor has one that is kept apart. The result is a Codebook or, if
// weights are kept apart, the Sum of it and a Sparse, which holds what the
// nearest table entry leaves of them. An error is a fault of o, or names by its
// place a weight that is not finite or a value beyond f16. The result depends
// on the seed, but not on threads.
func Compress(cfg gemm.Config, w []float32, out, in int, meanSquare []float64, o Options, seed uint64) (packed.Weight, Diagnostics, error) {
	fail := func(err error) (packed.Weight, Diagnostics, error) {
		return nil, Diagnostics{}, fmt.Errorf("squeezellm: %w", err)
	}
	if faults := Check(o); faults != nil {
		return fail(faults[0])
	}
	if len(w) != out*in || len(meanSquare) != in {
		panic(fmt.Sprintf("squeezellm: %d weights and %d mean squares for %d×%d", len(w), len(meanSquare), out, in))
	}
	if err := compensate.Finite(w, in); err != nil {
		return fail(err)
	}
	m := &matrix{cfg: cfg, w: w, out: out, in: in, v: sampleWeights(meanSquare, o), o: o, seed: seed}
	m.keepApart()
	p, err := m.cluster()
	if err != nil {
		return fail(err)
	}
	if m.kept == 0 {
		return p, m.diagnose(), nil
	}
	s, err := m.sparse(p)
	if err != nil {
		return fail(err)
	}
	return &packed.Sum{Terms: []packed.Weight{p, s}}, m.diagnose(), nil
}

// matrix is one compression in work.
type matrix struct {
	cfg     gemm.Config
	w       []float32
	out, in int
	v       []float64 // weight of a column
	o       Options
	seed    uint64
	apart   []bool // out×in, what is kept apart; nil if nothing is
	kept    int
	rows    []row
}

// row says how the clustering of a row went.
type row struct {
	kmeans.Stats
	unused  int
	optimum float64 // least inertia, of sampled rows
	err     error
}

// sampleWeights scales the mean squares to a largest of 1 and a least of 1e-200,
// so that k-means stays within float64. Inputs that are all zero weigh the same.
func sampleWeights(meanSquare []float64, o Options) []float64 {
	v, largest := slices.Clone(meanSquare), slices.Max(meanSquare)
	for j := range v {
		if o.Weights == Equal || largest == 0 {
			v[j] = 1
		} else {
			v[j] = max(v[j]/largest, 1e-200)
		}
	}
	return v
}

// cluster makes tables and codes.
func (m *matrix) cluster() (*packed.Codebook, error) {
	size, rb := 1<<m.o.Bits, packed.RowBytes(m.in, m.o.Bits)
	p := &packed.Codebook{Out: m.out, In: m.in, Bits: m.o.Bits, Group: m.in,
		Codes: make([]byte, m.out*rb), Table: make([]uint16, m.out*size)}
	m.rows = make([]row, m.out)
	workers := sync.Pool{New: func() any { return m.newWorker() }}
	m.cfg.Parallel(m.out, func(r int) {
		k := workers.Get().(*worker)
		defer workers.Put(k)
		m.rows[r] = k.row(r, p.Codes[r*rb:(r+1)*rb], p.Table[r*size:(r+1)*size])
	})
	for r := range m.rows {
		if err := m.rows[r].err; err != nil {
			return nil, err
		}
	}
	return p, nil
}

// worker is what one goroutine needs.
type worker struct {
	m             *matrix
	solver, exact *kmeans.Solver
	x             []float32
	v             []float64
	centres       []float64
	mids          []float64
	codes         []uint8
}

func (m *matrix) newWorker() *worker {
	k := 1 << m.o.Bits
	return &worker{m: m,
		solver:  kmeans.NewSolver(m.in, kmeans.Options{K: k, Start: kmeans.Start(m.o.Start), Seed: m.seed, Iterations: iterations}),
		exact:   kmeans.NewSolver(m.in, kmeans.Options{K: k, Start: kmeans.Exact}),
		centres: make([]float64, k), mids: make([]float64, k-1), codes: make([]uint8, m.in)}
}

// row clusters the weights of row r that count and writes its table and codes.
func (k *worker) row(r int, codes []byte, table []uint16) row {
	m := k.m
	w := m.w[r*m.in : (r+1)*m.in]
	k.x, k.v = k.x[:0], k.v[:0]
	for c, x := range w {
		if x != 0 && (m.apart == nil || !m.apart[r*m.in+c]) {
			k.x, k.v = append(k.x, x), append(k.v, m.v[c])
		}
	}
	var out row
	clear(k.centres)
	if len(k.x) > 0 {
		if r%m.step() == 0 {
			out.optimum = k.exact.Solve(k.centres, k.x, k.v, 0).Inertia
		}
		out.Stats = k.solver.Solve(k.centres, k.x, k.v, uint64(r))
	}
	for i, c := range k.centres {
		if table[i] = packed.F32ToF16(float32(c)); table[i]&0x7fff == 0x7c00 {
			out.err = fmt.Errorf("centroid %d of row %d is %.4g, largest in f16 65504", i, r, c)
			return out
		}
	}
	out.unused = k.encode(w, table)
	packed.PackRow(codes, k.codes, m.o.Bits)
	return out
}

// step is that from one sampled row to the next.
func (m *matrix) step() int { return max(1, len(m.w)/sampled) }

// encode finds the nearest entry of every weight, of several the first, and
// returns how many entries no code names.
func (k *worker) encode(w []float32, table []uint16) int {
	next := math.Inf(1) // the middle between an entry and the next that differs
	for i := len(k.mids) - 1; i >= 0; i-- {
		if table[i] != table[i+1] {
			next = (float64(packed.F16ToF32(table[i])) + float64(packed.F16ToF32(table[i+1]))) / 2
		}
		k.mids[i] = next
	}
	var seen [256]bool
	for c, x := range w {
		i, _ := slices.BinarySearch(k.mids, float64(x))
		k.codes[c], seen[i] = uint8(i), true
	}
	unused := 0
	for _, s := range seen[:len(table)] {
		if !s {
			unused++
		}
	}
	return unused
}

// sparse holds what the codes leave of the weights that are kept apart.
func (m *matrix) sparse(p *packed.Codebook) (*packed.Sparse, error) {
	s := &packed.Sparse{Out: m.out, In: m.in, Start: make([]uint32, 1, m.out+1)}
	what := make([]float32, m.in)
	for r := range m.out {
		p.Dequantize(what, r, r+1)
		for c := range m.in {
			i := r*m.in + c
			if !m.apart[i] {
				continue
			}
			rest := m.w[i] - what[c]
			h := packed.F32ToF16(rest)
			if h&0x7fff == 0x7c00 {
				return nil, fmt.Errorf("weight [%d,%d], kept apart, is %.4g beside its code, largest in f16 65504", r, c, rest)
			}
			s.Columns, s.Values = append(s.Columns, uint32(c)), append(s.Values, h)
		}
		s.Start = append(s.Start, uint32(len(s.Columns)))
	}
	return s, nil
}

func (m *matrix) diagnose() Diagnostics {
	var d Diagnostics
	var unused int
	var got, least float64
	for r, s := range m.rows {
		d.MaxIterations = max(d.MaxIterations, s.Iterations)
		unused += s.unused
		if s.Empty {
			d.EmptyTables++
		}
		if r%m.step() == 0 {
			got, least = got+s.Inertia, least+s.optimum
		}
	}
	d.Unused = float64(unused) / float64(m.out<<m.o.Bits)
	switch d.HasOverOptimum = least > 0 || got == 0; {
	case least > 0:
		d.OverOptimum = got / least
	case got == 0:
		d.OverOptimum = 1
	}
	return d
}
