package hashed

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	return w
}

type namedForm struct {
	name string
	Form
}

// forms lists one form of each method at 2 bits, 3 with stored signs.
func forms(out, in int) []namedForm {
	weights := func(rows int, combine, sign string, fill Fill, seeds int) Form {
		f := Form{Bits: 2, Fill: fill, Seeds: seeds, Matrix: packed.Hashed{Out: out, In: in, Rows: rows,
			Addressing: packed.AddressWeights, Combine: combine, Sign: sign}}
		if sign == packed.SignPlane {
			f.Bits = 3
		}
		return f
	}
	linear := func(m packed.Hashed, seeds int, modulus uint64) Form {
		m.Out, m.In, m.Rows, m.Combine, m.Sign = out, in, 1, packed.CombineSingle, packed.SignNone
		return Form{Bits: 2, Fill: Mean, Seeds: seeds, Modulus: modulus, Matrix: m}
	}
	return []namedForm{
		{"hashednets", weights(1, packed.CombineSingle, packed.SignHash, Mean, 2)},
		{"robe", linear(packed.Hashed{Addressing: packed.AddressChunks, Chunk: min(32, in)}, 4, 2038074743)},
		{"rzlinear", linear(packed.Hashed{Addressing: packed.AddressTiles, TileIn: min(8, in), TileOut: min(16, out)}, 4, 45007)},
		{"rzlinear two-level", linear(packed.Hashed{Addressing: packed.AddressTiles, TileIn: min(8, in), TileOut: min(16, out)}, 7, 45007)},
		{"countsketch", weights(3, packed.CombineMedian, packed.SignHash, Sum, 6)},
		{"countsketch of means in 5 rows", weights(5, packed.CombineMedian, packed.SignHash, Mean, 10)},
		{"countmin", weights(3, packed.CombineMin, packed.SignPlane, Magnitude, 3)},
		{"countmin without signs", weights(1, packed.CombineSingle, packed.SignNone, Magnitude, 1)},
		{"minmax", weights(3, packed.CombineMin, packed.SignPlane, Greatest, 3)},
	}
}

func compress(t *testing.T, w []float32, f Form, threads int) (*packed.Hashed, Diagnostics) {
	t.Helper()
	h, d, err := Compress(gemm.Config{Threads: threads}, w, f, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	return h, d
}

func decode(h *packed.Hashed) []float32 {
	v := make([]float32, h.Out*h.In)
	h.Dequantize(v, 0, h.Out)
	return v
}

// members returns, for sketch row k, the weights of each cell: the matrix is
// read with cells that are 1 in one bit of their number at a time, so that what
// is read tells the number.
func members(h *packed.Hashed, k int) [][]int {
	probe := *h
	probe.Rows, probe.Combine, probe.Sign, probe.Signs = 1, packed.CombineSingle, packed.SignNone, nil
	if h.Addressing == packed.AddressWeights {
		probe.Seeds = h.Seeds[k : k+1]
	}
	index := make([]int, h.Out*h.In)
	for bit := 0; h.Size>>bit > 0; bit++ {
		probe.Cells = make([]uint16, h.Size)
		for i := range probe.Cells {
			if i>>bit&1 == 1 {
				probe.Cells[i] = packed.F32ToF16(1)
			}
		}
		for i, v := range decode(&probe) {
			index[i] |= int(v) << bit
		}
	}
	cells := make([][]int, h.Size)
	for i, c := range index {
		cells[c] = append(cells[c], i)
	}
	return cells
}

// TestFill holds every cell to the definition of its fill, over the weights
// that read it, to the nearest f16 value, or for magnitudes the next above:
// sums in float64 of at most a few hundred terms are off by less than 2^-40,
// which may move a value to its neighbour but no further.
func TestFill(t *testing.T) {
	const out, in = 48, 100
	w := normal(out*in, 1)
	for _, f := range forms(out, in) {
		h, d := compress(t, w, f.Form, 2)
		alone, empty := 0, 0
		for k := range h.Rows {
			for i, list := range members(h, k) {
				switch len(list) {
				case 0:
					empty++
				case 1:
					alone++
				}
				var want float64
				for _, a := range list {
					x := float64(w[a])
					if h.Sign == packed.SignHash && h.HashSign(k, uint64(a)) != 0 {
						x = -x
					}
					switch f.Fill {
					case Mean:
						want += x / float64(len(list))
					case Sum:
						want += x
					case Magnitude:
						want += math.Abs(x)
					case Greatest:
						want = max(want, math.Abs(x))
					}
				}
				got := float64(packed.F16ToF32(h.Cells[k*h.Size+i]))
				ulp := math.Ldexp(1, int(math.Floor(math.Log2(max(math.Abs(want), 0x1p-14))))-10)
				low, high := want-ulp/2, want+ulp/2
				if f.Fill == Magnitude || f.Fill == Greatest {
					low, high = want, want+ulp
				}
				if slack := math.Abs(want) * 0x1p-40; !(got >= low-slack && got <= high+slack) {
					t.Fatalf("%s: row %d, cell %d of %d weights is %v, want %v", f.name, k, i, len(list), got, want)
				}
			}
		}
		total := out * in * h.Rows
		want := Diagnostics{float64(total-alone) / float64(total), float64(empty) / float64(h.Size*h.Rows),
			float64(len(h.Cells)) / (out * in), out * in / float64(h.Size)}
		if math.Abs(d.CollisionRate-want.CollisionRate) > 1e-12 || math.Abs(d.Unoccupied-want.Unoccupied) > 1e-12 ||
			d.CellsPerWeight != want.CellsPerWeight || d.Lambda != want.Lambda {
			t.Errorf("%s: %+v, want %+v", f.name, d, want)
		}
	}
}

// TestSorted: weights sorted by bucket make the cells that they make one by
// one, by rising address in both, in more rows than are sorted at a time.
func TestSorted(t *testing.T) {
	const out, in = 1100, 2000
	if out*in <= maxBatches*batchWeights {
		t.Fatal("one round of batches takes it all")
	}
	w := normal(out*in, 6)
	for _, f := range forms(out, in) {
		if f.Matrix.Addressing != packed.AddressWeights || f.Matrix.Rows == 5 {
			continue
		}
		f.Cells = sortedCells + 7000
		h, _ := compress(t, w, f.Form, 3)
		for k := range h.Rows {
			cells := make([]cell, h.Size)
			gather(cells, h, k, w, [2]int{0, out}, f.Fill)
			for i, c := range cells {
				if c.load == 0 {
					c = cell{load: 1}
				}
				if got, want := h.Cells[k*h.Size+i], closed(c, f.Fill); got != want {
					t.Fatalf("%s: row %d, cell %d: %#04x, want %#04x", f.name, k, i, got, want)
				}
			}
		}
	}
}

// TestThreads: the bytes are the same whatever the number of threads.
func TestThreads(t *testing.T) {
	const out, in = 96, 130
	w := normal(out*in, 3)
	for _, f := range forms(out, in) {
		one, _ := compress(t, w, f.Form, 1)
		for _, threads := range []int{2, 5} {
			more, _ := compress(t, w, f.Form, threads)
			for i, p := range one.Parts() {
				if !bytes.Equal(p.Data, more.Parts()[i].Data) {
					t.Errorf("%s: %s differ between 1 and %d threads", f.name, p.Name, threads)
				}
			}
		}
	}
}

// TestBytes: 16·rows·m bits of cells, 64 of each seed, and a bit for each sign
// in whole bytes for each row of the matrix (methods.md 4.9), at three shapes.
func TestBytes(t *testing.T) {
	for _, shape := range [][2]int{{32, 64}, {33, 100}, {128, 41}} {
		out, in := shape[0], shape[1]
		n := float64(out * in)
		for _, f := range forms(out, in) {
			h, _ := compress(t, normal(out*in, 4), f.Form, 2)
			signs := 0.
			if h.Sign == packed.SignPlane {
				signs = float64(8 * out * ((in + 7) / 8))
			}
			m := math.Floor(math.Floor((f.Bits*n-signs)/16) / float64(h.Rows))
			want := int64(16*m*float64(h.Rows)+64*float64(f.Seeds)+signs) / 8
			var parts int64
			for _, p := range h.Parts() {
				parts += int64(len(p.Data))
			}
			if h.Bytes() != want || parts != want || f.StoredBytes() != want {
				t.Errorf("%s %d×%d: %d bytes, parts of %d, formula %d; want %d", f.name, out, in, h.Bytes(), parts, f.StoredBytes(), want)
			}
			if d := f.Draw(rand.New(rand.NewPCG(1, 2))); d.Bytes() != want || d.Check() != nil {
				t.Errorf("%s %d×%d: drawn %d bytes, %v", f.name, out, in, d.Bytes(), d.Check())
			}
		}
	}
}

// TestCheck21EqualBytes: m = B·N/16 cells (methods.md 4.0), seeds and signs
// apart; the fitted size is the largest that fits, and gives its own bytes back.
func TestCheck21EqualBytes(t *testing.T) {
	const out, in = 64, 96
	for _, f := range forms(out, in) {
		for target := int64(500); target < 4000; target += 7 {
			cells, err := f.Fit(target)
			f.Cells = cells
			if err != nil {
				if f.Cells = f.Smallest(); f.StoredBytes() <= target {
					t.Errorf("%s: %d bytes: %v, but the smallest takes %d", f.name, target, err, f.StoredBytes())
				}
				continue
			}
			bytes := f.StoredBytes()
			f.Cells++
			if bytes > target || f.StoredBytes() <= target {
				t.Errorf("%s: %d cells take %d bytes, one more %d; target %d", f.name, cells, bytes, f.StoredBytes(), target)
			}
			f.Cells = 0
			f.Bits = 8 * float64(bytes-8*int64(f.Seeds)) / (out * in)
			if f.Size() != cells {
				t.Errorf("%s: %v bits give %d cells, want %d", f.name, f.Bits, f.Size(), cells)
			}
		}
		if cells, err := f.Fit(1 << 40); err != nil || cells != out*in {
			t.Errorf("%s: %d cells in a terabyte, %v; want one for each weight", f.name, cells, err)
		}
	}
	// 0.29·1600/16 = 29 is 28.999999999999996 in float64.
	f := forms(16, 100)[0].Form
	if f.Bits = 0.29; f.Size() != 29 {
		t.Errorf("0.29 bits of 1600 weights: %d cells, want 29", f.Size())
	}
	f = forms(4, 8)[0].Form
	if _, err := f.Fit(17); err == nil || err.Error() != "17 bytes are too few for 1 cells in a row of a 4×8 matrix, which take 18" {
		t.Errorf("%v", err)
	}
}

// TestEdges: constant and zero matrices, one column, one weight.
func TestEdges(t *testing.T) {
	for _, shape := range [][2]int{{200, 1}, {1, 200}, {1, 1}, {16, 40}} {
		out, in := shape[0], shape[1]
		for _, f := range forms(out, in) {
			f.Cells = min(out*in, max(f.Smallest(), out*in/4))
			if f.CheckShape() != nil && out*in == 1 {
				continue // a tile needs a cell more than it has weights
			}
			for _, value := range []float32{0, 1.5, -1.5} {
				w := slices.Repeat([]float32{value}, out*in)
				h, _ := compress(t, w, f.Form, 2)
				for i, v := range decode(h) {
					// Maxima, and means without signs by hash, are exact.
					exact := value == 0 || f.Fill == Greatest || f.Fill == Mean && h.Sign == packed.SignNone
					if exact && v != value || v-v != 0 {
						t.Errorf("%s %d×%d of %v: weight %d is %v", f.name, out, in, value, i, v)
						break
					}
				}
			}
		}
	}
}

// TestLarge: what f16 has no value for becomes its largest.
func TestLarge(t *testing.T) {
	for _, f := range forms(32, 40) {
		w := slices.Repeat([]float32{math.MaxFloat32}, 32*40)
		h, _ := compress(t, w, f.Form, 2)
		for _, v := range decode(h) {
			if a := math.Abs(float64(v)); a > 65504 {
				t.Fatalf("%s: %v", f.name, v)
			}
		}
	}
}

// TestNotFinite names the first weight.
func TestNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		w := normal(6*8, 1)
		w[3*8+5], w[5*8] = float32(bad), float32(bad)
		_, _, err := Compress(gemm.Config{}, w, forms(6, 8)[0].Form, 1)
		if want := fmt.Sprintf("weight [3,5] is %v, want a finite number", float32(bad)); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestCheckShape: settings that a matrix cannot have, with what it can.
func TestCheckShape(t *testing.T) {
	const out, in = 20, 30
	all := forms(out, in)
	for _, c := range []struct {
		form  int
		bits  float64
		cells int
		want  string
	}{
		{0, 0.02, 0, "bits: 0.02 gives 0 cells in a row for a 20×30 matrix, want at least 1, which take 0.02667 bits"},
		{0, 2, 601, "cells: 601 for a 20×30 matrix, want at most one for each weight"},
		{1, 0.5, 0, "bits: 0.5 gives 18 cells in a row for a 20×30 matrix, want at least 30, which take 0.8 bits"},
		{1, 0.5, 29, "cells: 29 in a row for a 20×30 matrix, want at least 30"},
		{2, 3, 0, "bits: 3 gives 112 cells in a row for a 20×30 matrix, want at least 129, which take 3.44 bits"},
		{6, 1.1, 0, "bits: 1.1 gives 0 cells in a row for a 20×30 matrix, want at least 1, which take 1.147 bits"},
	} {
		f := all[c.form].Form
		f.Bits, f.Cells = c.bits, c.cells
		if err := f.CheckShape(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
		if _, _, err := Compress(gemm.Config{}, normal(out*in, 1), f, 1); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Compress: %v, want %s", err, c.want)
		}
	}
	f := forms(2, 3)[2].Form
	if err := f.CheckShape(); err == nil || err.Error() != "tile_in: 3 by tile_out 2 needs 7 cells, more than a 2×3 matrix has weights; want smaller tiles" {
		t.Errorf("%v", err)
	}
}

func TestCheckBudget(t *testing.T) {
	for _, c := range []struct {
		bits        float64
		cells, rows int
		signs       bool
		want        string
	}{
		{0.5, 0, 1, false, "[]"},
		{48, 0, 3, false, "[]"},
		{49, 0, 3, true, "[]"},
		{0.5, 9, 3, true, "[]"},
		{17, 0, 1, false, "[bits: 17, want above 0 and at most 16]"},
		{0, -1, 1, false, "[bits: 0, want above 0 and at most 16 cells: -1, want at least 1, or 0 for as many as bits leave]"},
		{1, 0, 3, true, "[bits: 1, want above 1: the signs that are carried take 1]"},
		{math.NaN(), 0, 3, true, "[bits: NaN, want above 1 and at most 49]"},
	} {
		if got := fmt.Sprint(CheckBudget(c.bits, c.cells, c.rows, c.signs)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
