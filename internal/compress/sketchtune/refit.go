package sketchtune

import (
	"fmt"
	"math"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

const (
	// refitBlock is the number of columns of H that are summed at a time.
	refitBlock = 128
	// refitRows is the number of rows whose sums share a block of H.
	refitRows = 32
	// ridge, relative to the diagonal of the normal equations, holds an entry
	// where it is while H hardly says where it should be. It is above what
	// float32 sums of largestRefit unknowns may miss, 2^-24 each.
	ridge = 1e-4
)

// refit moves the table entries of every row to where they give the row the
// least error on the calibration inputs, the codes being what they are
// (methods.md 2.11 B8). With a row's residual e = w - ŵ and its one-hot matrix C,
// in × entries, the step δ solves (CᵀHC + ridge·diag)·δ = CᵀH·e. The error
// (e-Cδ)ᵀH(e-Cδ) is at most that of δ = 0, before rounding to f16. An entry that
// no code names stays. The tables need not ascend afterwards.
func refit(cfg gemm.Config, p *packed.Codebook, w, h []float32) error {
	out, in := p.Out, p.In
	if len(h) != in*in {
		panic(fmt.Sprintf("sketchtune: H of %d values for %d channels", len(h), in))
	}
	// E·H of all rows, E the residuals.
	residual, pull := make([]float32, out*in), make([]float32, out*in)
	cfg.Parallel(out, func(r int) {
		row := residual[r*in : (r+1)*in]
		p.Dequantize(row, r, r+1)
		for c, x := range w[r*in : (r+1)*in] {
			row[c] = x - row[c]
		}
	})
	cfg.Gemm(false, false, out, in, in, 1, residual, in, h, in, 0, pull, in)
	entries := p.Groups() << p.Bits
	// All sums of a chunk's rows lie in memory together.
	rows := max(1, min(refitRows, 1<<22/(entries*entries)))
	errs := make([]error, (out+rows-1)/rows)
	cfg.Parallel(len(errs), func(i int) {
		s := refitter{p: p, h: h, entries: entries, r0: i * rows, rows: min(rows, out-i*rows)}
		s.sums()
		errs[i] = s.move(pull)
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// refitter is the work on a chunk of rows.
type refitter struct {
	p        *packed.Codebook
	h        []float32
	entries  int
	r0, rows int
	order    [][]int32   // of a row: the columns by entry
	starts   [][]int32   // of a row: where an entry's columns start in order
	entry    [][]int32   // of a row: the entry of every column
	normal   [][]float64 // of a row: CᵀHC, entries×entries
}

// sums fills the normal equations.
func (s *refitter) sums() {
	for r := range s.rows {
		s.sort(s.r0 + r)
		s.normal = append(s.normal, make([]float64, s.entries*s.entries))
	}
	sum := make([]float32, refitBlock)
	for lo := 0; lo < s.p.In; lo += refitBlock {
		hi := min(lo+refitBlock, s.p.In)
		for r := range s.rows {
			s.block(r, lo, hi, sum[:hi-lo])
		}
	}
	for _, a := range s.normal { // what lay above the diagonal of blocks
		for i := range s.entries {
			for j := range i {
				sum := a[i*s.entries+j] + a[j*s.entries+i]
				a[i*s.entries+j], a[j*s.entries+i] = sum, sum
			}
			a[i*s.entries+i] *= 2
		}
	}
}

// sort orders the columns of a row by their entry.
func (s *refitter) sort(r int) {
	in, bits := s.p.In, s.p.Bits
	rb := packed.RowBytes(in, bits)
	codes := make([]uint8, in)
	packed.UnpackRow(codes, s.p.Codes[r*rb:(r+1)*rb], in, bits)
	entry, starts, order := make([]int32, in), make([]int32, s.entries+1), make([]int32, in)
	for c, code := range codes {
		entry[c] = int32(c/s.p.Group<<bits + int(code))
		starts[entry[c]+1]++
	}
	for i := range s.entries {
		starts[i+1] += starts[i]
	}
	next := append([]int32(nil), starts[:s.entries]...)
	for c, e := range entry {
		order[next[e]] = int32(c)
		next[e]++
	}
	s.order, s.starts, s.entry = append(s.order, order), append(s.starts, starts), append(s.entry, entry)
}

// block adds the part of H in columns [lo,hi) and the rows down to them to the
// normal equations of row r: those of earlier columns whole, since their
// transpose is never visited, and those within the block by half.
func (s *refitter) block(r, lo, hi int, sum []float32) {
	a, entry := s.normal[r], s.entry[r]
	for e := range s.entries {
		columns := s.order[r][s.starts[r][e]:s.starts[r][e+1]] // ascending
		before := 0
		for before < len(columns) && int(columns[before]) < lo {
			before++
		}
		within := before
		for within < len(columns) && int(columns[within]) < hi {
			within++
		}
		for part, list := range [][]int32{columns[:before], columns[before:within]} {
			if len(list) == 0 {
				continue
			}
			clear(sum)
			s.add(sum, list, lo)
			half := 1 - 0.5*float64(part)
			for c, v := range sum {
				a[e*s.entries+int(entry[lo+c])] += half * float64(v)
			}
		}
	}
}

// add sums rows of H, from column lo on.
func (s *refitter) add(sum []float32, rows []int32, lo int) {
	in, n := s.p.In, len(sum)
	at := func(r int32) []float32 { return s.h[int(r)*in+lo:][:n] }
	for ; len(rows) >= 4; rows = rows[4:] {
		h0, h1, h2, h3 := at(rows[0]), at(rows[1]), at(rows[2]), at(rows[3])
		for c := range sum {
			sum[c] += (h0[c] + h1[c]) + (h2[c] + h3[c])
		}
	}
	for _, r := range rows {
		for c, v := range at(r) {
			sum[c] += v
		}
	}
}

// move solves the normal equations of the chunk and moves the entries.
func (s *refitter) move(pull []float32) error {
	n, in := s.entries, s.p.In
	step := make([]float64, n)
	for r, a := range s.normal {
		clear(step)
		for c, v := range pull[(s.r0+r)*in : (s.r0+r+1)*in] {
			step[s.entry[r][c]] += float64(v)
		}
		for i := range n {
			if a[i*n+i] *= 1 + ridge; a[i*n+i] <= 0 { // no code, or of dead channels
				a[i*n+i], step[i] = 1, 0
			}
		}
		if !solve(a, step) {
			continue // beyond float32: the row keeps its tables
		}
		table := s.p.Table[(s.r0+r)*n : (s.r0+r+1)*n]
		for i, d := range step {
			if d == 0 {
				continue
			}
			v := float64(packed.F16ToF32(table[i])) + d
			if math.Abs(v) > 65504 {
				return fmt.Errorf("refit: entry %d of row %d is %.4g, largest in f16 65504", i, s.r0+r, v)
			}
			table[i] = packed.F32ToF16(float32(v))
		}
	}
	return nil
}

// solve solves A·x = b for the symmetric n×n matrix a, whose lower triangle it
// overwrites with its Cholesky factor, and writes x to b. It reports whether a
// is positive definite.
func solve(a, b []float64) bool {
	n := len(b)
	for i := range n {
		row := a[i*n : i*n+i+1]
		for j := range i + 1 {
			sum, other := row[j], a[j*n:j*n+j+1]
			for k := range j {
				sum -= row[k] * other[k]
			}
			if j < i {
				row[j] = sum / other[j]
				continue
			}
			if !(sum > 0) {
				return false
			}
			row[j] = math.Sqrt(sum)
		}
		for k := range i {
			b[i] -= row[k] * b[k]
		}
		b[i] /= row[i]
	}
	for i := n - 1; i >= 0; i-- {
		b[i] /= a[i*n+i]
		for k := range i {
			b[k] -= a[i*n+k] * b[i]
		}
	}
	return true
}
