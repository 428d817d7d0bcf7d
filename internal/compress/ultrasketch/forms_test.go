package ultrasketch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// naiveShared sketches matrices with the same cells as methods.md writes it
// down, weight by weight in float64, from the addressing that packed.Cells
// documents. Infinity stands for a cell that no weight fell into.
func naiveShared(members []*packed.Cells, ws [][]float32) []float64 {
	first := members[0]
	l := first.Layout()
	cells := make([]float64, first.Rows*l.Row)
	for i := range cells {
		cells[i] = math.Inf(1)
	}
	for i, s := range members {
		l := s.Layout()
		side := max(s.Tile, 1)
		for a, x := range ws[i] {
			r, c := a/s.In, a%s.In
			g := int(s.Class[c/side])
			address := uint64(r/side)*l.Counts[g] + uint64(l.Position[c/side])
			n := uint64((s.Out+side-1)/side) * l.Counts[g]
			if s.Shared != nil {
				address, n = address+s.Shared.Base[g], s.Shared.Addresses[g]
			}
			for k := range s.Rows {
				negative := k >= s.Rows/2
				if s.Reading == "S" && math.Signbit(float64(x)) != negative {
					continue
				}
				h := packed.NewHash(s.Hash, s.Seeds[k], n, s.Sizes[g])
				j := int(h.Cell(address))
				if s.Tile > 0 {
					shift := int(packed.CellIndex(packed.Mix64(s.Seeds[k]), uint64(r%side), uint32(s.Window)))
					j = (j + (shift+c%side)%s.Window) % int(s.Sizes[g])
				}
				v := float64(x)
				if s.Reading == "B" || s.Reading == "S" {
					v = math.Abs(v)
				}
				if p := &cells[k*l.Row+int(l.Offsets[g])+j]; math.Abs(v) < math.Abs(*p) {
					*p = v
				}
			}
		}
	}
	return cells
}

// checkCells compares stored cells with what they are to hold: 16-bit ones are
// rounded toward zero; of others the magnitude is at most that, and less than a
// step below it unless it is the largest that a code can be.
func checkCells(t *testing.T, s *packed.Cells, want []float64) {
	t.Helper()
	l := s.Layout()
	codes := make([]uint8, l.Row)
	for k := range s.Rows {
		if s.Bits < 16 {
			n := packed.RowBytes(l.Row, s.Bits)
			packed.UnpackRow(codes, s.Codes[k*n:], l.Row, s.Bits)
		}
		for g, size := range s.Sizes {
			for i := int(l.Offsets[g]); i < int(l.Offsets[g]+size); i++ {
				v := want[k*l.Row+i]
				if s.Bits == 16 {
					if got := s.Cells[k*l.Row+i]; got != packed.F32ToF16TowardZero(float32(v)) {
						t.Fatalf("row %d, cell %d is %v, want %v", k, i, packed.F16ToF32(got), v)
					}
					continue
				}
				got := float64(s.CodeValue(k, g, int(codes[i])))
				if math.IsInf(v, 0) {
					if empty := math.IsInf(got, 1); empty != (s.Reading == "S") {
						t.Fatalf("row %d, cell %d, which is empty, reads %v", k, i, got)
					}
					continue
				}
				scale := float64(packed.F16ToF32(s.Scales[k*len(s.Sizes)+g]))
				positive, negative := limits(s)
				limit := scale * float64(positive)
				if v < 0 {
					limit = scale * float64(negative)
				}
				if a, b := math.Abs(got), math.Abs(v); a > b || got*v < 0 || a < b-scale && a != limit {
					t.Fatalf("row %d, cell %d reads %v for %v, scale %v, at most %v", k, i, got, v, scale, limit)
				}
			}
		}
	}
}

// forms are options of every kind, at some bits for small matrices.
func forms() (list []Options) {
	for _, cell := range packed.CellWidths() {
		for _, reading := range packed.Readings() {
			list = append(list, with(func(o *Options) { o.Bits, o.Rows, o.Cell, o.Reading = 4, 2, cell, reading }))
		}
	}
	for _, hash := range packed.HashFamilies() {
		list = append(list,
			with(func(o *Options) { o.Bits, o.Hash = 6, hash }),
			with(func(o *Options) { o.Bits, o.Hash, o.Tile, o.Window = 6, hash, 4, 7 }),
			with(func(o *Options) { o.Bits, o.Hash, o.Tile, o.Window, o.Reading, o.Cell = 6, hash, 5, 5, "S", 4 }))
	}
	return list
}

// TestCheck3Forms checks for every form of the sketch, on matrices that leave
// tiles and bytes over, that cells are those of weights inserted one by one,
// that no weight reads greater than it is, and that the size is the one stated.
func TestCheck3Forms(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 6))
	for _, d := range [][2]int{{67, 1}, {33, 8}, {50, 101}} {
		out, in := d[0], d[1]
		w := normal(out*in, uint64(in))
		w[3] = 0
		importance := make([]float64, in)
		for j := range importance {
			importance[j] = math.Exp(rng.NormFloat64())
		}
		for _, o := range forms() {
			t.Run(fmt.Sprintf("%d×%d/%+v", out, in, o), func(t *testing.T) {
				s := compress(t, w, out, in, importance, o, 9)
				if err := s.Check(); err != nil {
					t.Fatal(err)
				}
				if got, want := s.Bytes(), StoredBytes(o, out, in); got != want {
					t.Errorf("%d bytes, want %d", got, want)
				}
				checkCells(t, s, naiveShared([]*packed.Cells{s}, [][]float32{w}))
				for i, v := range decode(s) {
					if !(math.Abs(float64(v)) <= math.Abs(float64(w[i]))) {
						t.Fatalf("|ŵ[%d]| = |%v| exceeds |%v|", i, v, w[i])
					}
				}
			})
		}
	}
}

// TestConstant: rows of zeros and of one value come out as such, or smaller.
func TestConstant(t *testing.T) {
	const out, in = 24, 9
	ones := make([]float64, in)
	for j := range ones {
		ones[j] = 1
	}
	for _, v := range []float32{0, 0.3, -0.3} {
		w := make([]float32, out*in)
		for i := range w {
			w[i] = v
		}
		for _, o := range forms() {
			s := compress(t, w, out, in, ones, o, 2)
			if err := s.Check(); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			// The one value is the largest, so all multiples of a scale hold it but
			// for the rounding of the scale to f16, which is toward zero; of two
			// limits only the larger does, and a 2-bit code has half of it at least.
			least := float32(0.29)
			if o.Cell < 16 && (o.Reading == "A" || o.Reading == "C") {
				least = 0.29 / 2
			}
			for i, got := range decode(s) {
				if abs := got * v; v == 0 && got != 0 || v != 0 && !(abs >= least*0.3 && abs <= v*v) {
					t.Fatalf("%+v: ŵ[%d] is %v of %v", o, i, got, v)
				}
			}
		}
	}
}

// TestShared does the same for a sketch of three matrices, and checks that
// their addresses follow one another and what each is billed.
func TestShared(t *testing.T) {
	shapes := [][2]int{{30, 12}, {9, 40}, {41, 12}}
	for _, o := range forms() {
		o.Scope = ScopeLayer
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			var members []Member
			var ws [][]float32
			for i, d := range shapes {
				m := Member{Out: d[0], In: d[1], Bits: o.Bits + float64(i)/4, Importance: make([]float64, d[1])}
				for j := range m.Importance {
					m.Importance[j] = float64(i + j*7%5 + 1)
				}
				members, ws = append(members, m), append(ws, normal(d[0]*d[1], uint64(i)))
			}
			s, err := NewShared(o, members, 4)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range ws {
				if err := s.Insert(gemm.Config{Threads: 2}, i, w); err != nil {
					t.Fatal(err)
				}
			}
			made := s.Finish(gemm.Config{})
			checkCells(t, made[0], naiveShared(made, ws))
			next := make([]uint64, len(made[0].Sizes))
			var billed, stored int64
			for i, c := range made {
				if err := c.Check(); err != nil {
					t.Fatal(err)
				}
				o.Bits = members[i].Bits
				if limit := StoredBytes(o, c.Out, c.In); c.Bytes() > limit {
					t.Errorf("matrix %d: %d bytes, at most %d were foretold", i, c.Bytes(), limit)
				}
				billed += c.Bytes()
				for _, p := range c.Parts() {
					if _, shared := c.Share(p.Name); i == 0 || !shared {
						stored += int64(len(p.Data))
					}
				}
				rows, _ := c.Units()
				for g, n := range c.Layout().Counts {
					if c.Shared.Base[g] != next[g] {
						t.Errorf("matrix %d, class %d: addresses from %d on, want %d", i, g, c.Shared.Base[g], next[g])
					}
					next[g] += uint64(rows) * n
				}
				for j, v := range decode(c) {
					if !(math.Abs(float64(v)) <= math.Abs(float64(ws[i][j]))) {
						t.Fatalf("matrix %d: |ŵ[%d]| = |%v| exceeds |%v|", i, j, v, ws[i][j])
					}
				}
			}
			if billed != stored || fmt.Sprint(next) != fmt.Sprint(made[0].Shared.Addresses) {
				t.Errorf("%d bytes billed of %d, addresses %v of %v", billed, stored, next, made[0].Shared.Addresses)
			}
		})
	}
}

// TestSharedAllocation: across matrices cells follow importance as they do
// inside one. Two matrices alike but for their inputs, one's sixteen times as
// important: the classes of either are apart, and of sizes in proportion 16:1,
// square root 4:1, uniform 1:1.
func TestSharedAllocation(t *testing.T) {
	const out, in = 64, 64
	for rule, ratio := range map[string]float64{Proportional: 16, SquareRoot: 4, Uniform: 1} {
		o := with(func(o *Options) { o.Bits, o.Scope, o.Allocation = 0.5, ScopeModel, rule })
		var members []Member
		for _, v := range []float64{1, 16} {
			m := Member{Out: out, In: in, Bits: o.Bits}
			for range in {
				m.Importance = append(m.Importance, v)
			}
			members = append(members, m)
		}
		s, err := NewShared(o, members, 1)
		if err != nil {
			t.Fatal(err)
		}
		var of [2]float64
		for i, m := range s.members {
			for g, n := range m.Layout().Counts {
				if n > 0 {
					of[i] += float64(m.Sizes[g])
				}
			}
		}
		// Rounding moves each of four classes by less than a cell.
		if got := of[1] / of[0]; !(math.Abs(got-ratio) <= ratio*8/of[0]) {
			t.Errorf("%s: %v cells, ratio %v, want %v", rule, of, got, ratio)
		}
	}
}

// TestBalancedLoads: in a sketch with the balanced hash no cell is empty, and at
// two weights a cell and R rows a weight reads with the right sign with the
// probability 1 − 1/(2(R+1)). For a weight whose magnitude is the quantile u
// shares every cell with one other, which is less with probability u; it is
// lost if that is so in all rows, E u^R = 1/(R+1), and half of the time reads
// another's sign then. With an ideal hash, of Poisson loads, it is lost with
// probability E (1−e^(−2u))³ = 0.2730.
func TestBalancedLoads(t *testing.T) {
	const side = 512
	w := normal(side*side, 8)
	ones := make([]float64, side)
	for j := range ones {
		ones[j] = 1
	}
	for hash, lost := range map[string]float64{packed.HashBalanced: 0.25, packed.HashMix64: 0.2730} {
		o := with(func(o *Options) { o.Bits, o.Hash = 24, hash })
		s, d, err := Compress(gemm.Config{}, w, side, side, ones, o, 3)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]float64{packed.HashBalanced: 0, packed.HashMix64: math.Exp(-2)}[hash]; !(math.Abs(d.Unoccupied-want) <= 0.005) || want == 0 && d.Unoccupied > 0 {
			t.Errorf("%s: share of empty cells %v, want %v", hash, d.Unoccupied, want)
		}
		// Of 3·N insertions 1.5·N cells keep one each, but for the empty ones.
		if want := 1 - (1-d.Unoccupied)/2; !(math.Abs(d.Collisions-want) <= 1e-12) {
			t.Errorf("%s: collisions %v, want %v", hash, d.Collisions, want)
		}
		// The standard deviation is some 0.0007.
		if got := measure(w, decode(s.(*packed.Cells)))[2]; !(math.Abs(got-(1-lost/2)) <= 0.004) {
			t.Errorf("%s: share of right signs %v, want %v", hash, got, 1-lost/2)
		}
		if d.AllocationVariance > 1e-9 {
			t.Errorf("%s: allocation variance %v for equal importance", hash, d.AllocationVariance)
		}
	}
}

// TestCheck21Cells: at B bits of N weights the cells of all rows are B·N/c of c
// bits, and the bytes of that fit just as many.
func TestCheck21Cells(t *testing.T) {
	const out, in = 2048, 6144
	for _, cell := range packed.CellWidths() {
		for _, bits := range []float64{0.25, 0.5, 1, 2} {
			o := with(func(o *Options) { o.Cell, o.Bits, o.Rows = cell, bits, 3 })
			want := int64(bits*out*in) / int64(3*cell)
			fitted, err := Fit(o, out, in, StoredBytes(o, out, in))
			if got := o.rowCells(out, in); got != want || err != nil || fitted.rowCells(out, in) != want {
				t.Errorf("cells of %d at %v bits: %d in a row, fitted %d, %v; want %d", cell, bits, got, fitted.rowCells(out, in), err, want)
			}
		}
	}
}

// TestLevels: the second level is the sketch of what the first leaves.
func TestLevels(t *testing.T) {
	const out, in = 40, 30
	w := normal(out*in, 2)
	ones := make([]float64, in)
	o := with(func(o *Options) { o.Bits, o.Levels = 8, 2 })
	s, _, err := Compress(gemm.Config{}, w, out, in, ones, o, 5)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Bytes(), StoredBytes(o, out, in); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	terms := s.(*packed.Sum).Terms
	one := compress(t, w, out, in, ones, with(func(o *Options) { o.Bits = 4 }), 5)
	left := decode(one)
	for i := range left {
		left[i] = w[i] - left[i]
	}
	checkCells(t, terms[0].(*packed.Cells), naiveShared([]*packed.Cells{one}, [][]float32{w}))
	two := terms[1].(*packed.Cells)
	checkCells(t, two, naiveShared([]*packed.Cells{two}, [][]float32{left}))
	if terms[1].(*packed.Cells).Seeds[0] == one.Seeds[0] {
		t.Error("both levels have the same hashes")
	}
}

// TestFit: the most cells that fit, and one more in a row do not.
func TestFit(t *testing.T) {
	for _, o := range append(forms(), with(func(o *Options) { o.Levels = 2 })) {
		for _, d := range [][2]int{{64, 48}, {40, 172}} {
			out, in := d[0], d[1]
			for _, target := range []int64{700, 1000, 1555} {
				f, err := Fit(o, out, in, target)
				if err != nil {
					if StoredBytes(o, out, in) < target {
						t.Errorf("%+v: %v", o, err)
					}
					continue
				}
				one := f.level()
				more := f
				more.Bits += float64(f.Levels) * 1.01 * float64(one.sketchRows()*o.Cell) / float64(out*in)
				if got := StoredBytes(f, out, in); got > target || CheckShape(f, out, in) != nil || StoredBytes(more, out, in) <= target {
					t.Errorf("%+v of %d×%d in %d bytes: %v bits take %d, and %v take %d (%v)", o, out, in, target, f.Bits, got, more.Bits, StoredBytes(more, out, in), CheckShape(f, out, in))
				}
			}
		}
	}
	_, err := Fit(DefaultOptions(), 64, 48, 100)
	if want := "100 bytes are too few for the sketch of a 64×48 matrix, which takes at least 122"; err == nil || err.Error() != want {
		// 3·8 cells of 2 bytes, 3 seeds of 8, 18 of classes, 8 sizes of 4.
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTileShape: a window needs its cells.
func TestTileShape(t *testing.T) {
	o := with(func(o *Options) { o.Bits, o.Tile = 0.1, 16 })
	for _, c := range []struct {
		out, in int
		want    string
	}{
		{64, 64, "bits: 0.1 gives 8 cells in a row for a window of 64 of a 64×64 matrix, want at least 0.75 bits"},
		{5, 5, "window: 64 cells for a 5×5 matrix, want at most its 25 weights"},
		{256, 768, ""},
	} {
		if err := CheckShape(o, c.out, c.in); (err != nil) != (c.want != "") || err != nil && err.Error() != c.want {
			t.Errorf("%d×%d: %v, want %q", c.out, c.in, err, c.want)
		}
	}
}
