package ultrasketch

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A Member is a matrix of a sketch that several share.
type Member struct {
	Out, In    int
	Importance []float64 // of each input channel: E[a²], on one scale for all members
	Bits       float64   // what it brings to the cells, in bits per weight: Options.Bits, or what Fit made of it
}

// A Shared is the sketch of some matrices in work. It holds the cells in
// float32, and no weights: they are inserted matrix by matrix.
//
// The classes are those of the channels of all members together, so cells are
// allocated across matrices by the rule that holds inside one (methods.md 3.6):
// a matrix of important inputs has its channels in classes of more cells. In a
// class the addresses of the members follow one another.
type Shared struct {
	o       Options
	members []*packed.Cells // without cells until Finish
	wide    []uint32        // cells of all sketch rows as float32 bits
	weights int64           // inserted
	columns []Column
	empty   int64 // cells that no weight fell into, after Finish
}

// NewShared plans the sketch of members: classes, cells and addresses. Of one
// member it is that of Compress. The error names a field of the options or the
// first importance that is not usable.
func NewShared(o Options, members []Member, seed uint64) (*Shared, error) {
	s := &Shared{o: o}
	var cells []int64 // that each member brings, in a row
	var total int64
	for _, m := range members {
		for j, v := range m.Importance {
			if !(v >= 0 && v <= math.MaxFloat64) {
				return nil, fmt.Errorf("ultrasketch: importance[%d] is %v, want a finite number of 0 or more", j, v)
			}
		}
		o.Bits = m.Bits
		n := o.rowCells(m.Out, m.In)
		cells, total = append(cells, n), total+n
		s.columns = append(s.columns, o.columns(m)...)
	}
	if total > math.MaxInt32 {
		return nil, fmt.Errorf("ultrasketch: bits: %d cells in a row of the shared sketch, want at most %d", total, math.MaxInt32)
	}
	count := o.classCount(len(s.columns), total)
	classify(s.columns, count)
	sizes, err := Allocate(o.Allocation, s.columns, o.least(), total)
	if err != nil {
		return nil, fmt.Errorf("ultrasketch: %w", err)
	}
	seeds := Seeds(seed, o.sketchRows())
	rest := s.columns
	for _, m := range members {
		c := &packed.Cells{
			Out: m.Out, In: m.In, Rows: o.sketchRows(), Bits: o.Cell, Reading: o.Reading, Hash: o.Hash,
			Seeds: seeds, Sizes: sizes, Class: make([]uint8, o.unitColumns(m.In)),
		}
		if o.Tile > 0 {
			c.Tile, c.Window = o.Tile, o.Window
		}
		for j := range c.Class {
			c.Class[j] = rest[j].Class
		}
		rest = rest[len(c.Class):]
		s.members = append(s.members, c)
	}
	if o.Scope != ScopeMatrix {
		s.address(cells, total)
	}
	s.wide = make([]uint32, int64(o.sketchRows())*total)
	for i := range s.wide {
		s.wide[i] = infinity
	}
	return s, nil
}

// columns returns the columns of a member, or its columns of tiles.
func (o Options) columns(m Member) []Column {
	list := make([]Column, o.unitColumns(m.In))
	side := max(o.Tile, 1)
	for j := range list {
		channels := m.Importance[j*side : min((j+1)*side, m.In)]
		var sum float64
		for _, v := range channels {
			sum += v / float64(len(channels))
		}
		list[j] = Column{Weights: int64(m.Out) * int64(len(channels)), Importance: sum}
	}
	return list
}

// classify sorts columns by importance, ascending and stable, and cuts them
// into count classes as equal as possible, the larger ones first.
func classify(columns []Column, count int) {
	order := make([]int, len(columns))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(columns[a].Importance, columns[b].Importance) })
	size, larger := len(order)/count, len(order)%count
	for g := range count {
		n := size
		if g < larger {
			n++
		}
		for _, j := range order[:n] {
			columns[j].Class = uint8(g)
		}
		order = order[n:]
	}
}

// address gives the members their places in the addresses of each class, and
// their parts of the bytes: in proportion to the cells that they bring.
func (s *Shared) address(cells []int64, total int64) {
	next := make([]uint64, len(s.members[0].Sizes))
	var from int64
	for i, m := range s.members {
		m.Shared = &packed.SharedCells{Base: slices.Clone(next), From: from, To: from + cells[i], Total: total}
		from += cells[i]
		rows, _ := m.Units()
		for g, n := range m.Layout().Counts {
			next[g] += uint64(rows) * n
		}
	}
	for _, m := range s.members {
		m.Shared.Addresses = next
	}
}

// Insert puts the weights of member i, out×in, into the cells. Members go in in
// order, each once. The error names a weight that is not finite.
func (s *Shared) Insert(cfg gemm.Config, i int, w []float32) error {
	m := s.members[i]
	if len(w) != m.Out*m.In {
		panic(fmt.Sprintf("ultrasketch: %d weights, want %d×%d", len(w), m.Out, m.In))
	}
	if err := checkFinite(cfg, w, m.Out, m.In); err != nil {
		return err
	}
	s.weights += int64(len(w))
	if m.Reading == packed.ReadingPlane {
		m.Signs = signPlane(cfg, w, m.Out, m.In)
	}
	insertAll(cfg, m, s.wide, w)
	return nil
}

// Finish rounds the cells and returns the members' matrices, which share them.
func (s *Shared) Finish(cfg gemm.Config) []*packed.Cells {
	for _, b := range s.wide {
		if b == infinity {
			s.empty++
		}
	}
	first := s.members[0]
	if s.o.Cell == 16 {
		first.Cells = narrow16(cfg, s.wide)
	} else {
		encode(cfg, first, s.wide)
	}
	for _, m := range s.members[1:] {
		m.Cells, m.Codes, m.Scales = first.Cells, first.Codes, first.Scales
	}
	return s.members
}

// signPlane returns a bit for every weight, 1 for a negative one.
func signPlane(cfg gemm.Config, w []float32, out, in int) []byte {
	n := packed.RowBytes(in, 1)
	plane := make([]byte, out*n)
	cfg.Parallel(out, func(r int) {
		row := plane[r*n : (r+1)*n]
		for c, x := range w[r*in : (r+1)*in] {
			row[c/8] |= byte(math.Float32bits(x)>>31) << (c % 8)
		}
	})
	return plane
}
