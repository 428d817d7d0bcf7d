package ultrasketch

import (
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

// plain sketches w as one class of cells per row.
func plain(w []float32, out, in, rows, cells int, seed uint64) *packed.Cells {
	s := &packed.Cells{
		Out: out, In: in, Rows: rows, Bits: 16, Reading: packed.ReadingMagnitude, Hash: packed.HashMix64, Seeds: Seeds(seed, rows),
		Class: make([]uint8, in), Sizes: []uint32{uint32(cells)},
	}
	fill(s, w)
	return s
}

// fill sets the cells of s to those of w, and returns them before rounding.
func fill(s *packed.Cells, w []float32) []uint32 {
	wide := make([]uint32, s.Rows*s.Layout().Row)
	for i := range wide {
		wide[i] = infinity
	}
	insertAll(gemm.Config{}, s, wide, w)
	if s.Bits == 16 {
		s.Cells = narrow16(gemm.Config{}, wide)
	} else {
		encode(gemm.Config{}, s, wide)
	}
	return wide
}

// emptyShare returns the share of 16-bit cells that no weight fell into.
func emptyShare(s *packed.Cells) float64 {
	empty := 0
	for _, h := range s.Cells {
		if h == 0x7c00 {
			empty++
		}
	}
	return float64(empty) / float64(len(s.Cells))
}

// with returns the defaults, edited.
func with(edit func(o *Options)) Options {
	o := DefaultOptions()
	edit(&o)
	return o
}

// compress is Compress of one level, which makes cells.
func compress(t *testing.T, w []float32, out, in int, importance []float64, o Options, seed uint64) *packed.Cells {
	t.Helper()
	s, _, err := Compress(gemm.Config{}, w, out, in, importance, o, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*packed.Cells)
}

// measure returns relF, the mean of |ŵ|/|w| and the share of right signs.
func measure(w, v []float32) [3]float64 {
	var d, n, ratio, sign float64
	for i := range w {
		x, y := float64(w[i]), float64(v[i])
		d += (x - y) * (x - y)
		n += x * x
		ratio += math.Abs(y) / math.Abs(x)
		if math.Signbit(x) == math.Signbit(y) && y != 0 {
			sign++
		}
	}
	return [3]float64{math.Sqrt(d / n), ratio / float64(len(w)), sign / float64(len(w))}
}

// table is methods.md 3.5: rows, λ, then relF, ratio and share of right signs
// for readings A and C. relF (A) of the row 3, 2 is the mean over seeds,
// 0.8101.
var table = []struct {
	rows, lambda int
	a, c         [3]float64
}{
	{1, 2, [3]float64{0.949, 0.636, 0.716}, [3]float64{0.949, 0.636, 0.716}},
	{1, 4, [3]float64{1.012, 0.469, 0.623}, [3]float64{1.012, 0.469, 0.623}},
	{1, 8, [3]float64{1.013, 0.316, 0.562}, [3]float64{1.013, 0.316, 0.562}},
	{3, 2, [3]float64{0.8101, 0.877, 0.864}, [3]float64{0.974, 0.662, 0.683}},
	{3, 4, [3]float64{1.006, 0.702, 0.722}, [3]float64{1.024, 0.509, 0.603}},
	{3, 8, [3]float64{1.027, 0.497, 0.614}, [3]float64{1.018, 0.352, 0.552}},
	{3, 16, [3]float64{1.011, 0.326, 0.557}, [3]float64{1.006, 0.227, 0.526}},
	{3, 24, [3]float64{1.005, 0.247, 0.538}, [3]float64{1.003, 0.172, 0.518}},
	{3, 96, [3]float64{1.000, 0.089, 0.510}, [3]float64{1.000, 0.061, 0.505}},
}

// TestCheck1Gaussian compares with the Monte-Carlo table, whose tolerances are 0.012
// at 2^16 weights and 0.003 at 2^20 (methods.md 6).
func TestCheck1Gaussian(t *testing.T) {
	for side, tol := range map[int]float64{256: 0.012, 1024: 0.003} {
		if testing.Short() && side > 256 {
			continue
		}
		w := normal(side*side, 1)
		for _, c := range table {
			if side > 256 && (c.rows != 3 || c.lambda != 2) {
				continue
			}
			s := plain(w, side, side, c.rows, side*side/c.lambda, 2)
			for reading, want := range map[string][3]float64{packed.ReadingMagnitude: c.a, packed.ReadingSigned: c.c} {
				s.Reading = reading
				got := measure(w, decode(s))
				for i, name := range []string{"relF", "ratio", "signs"} {
					if !(math.Abs(got[i]-want[i]) <= tol) {
						t.Errorf("2^%d weights, %d rows, λ = %d, reading %s: %s = %.4f, want %v ± %v", 2*int(math.Log2(float64(side))), c.rows, c.lambda, reading, name, got[i], want[i], tol)
					}
				}
			}
		}
	}
}

// TestCheck2EmptyShare checks each row against e^-λ within three standard
// deviations. The number of empty cells of m after N = λm throws has the
// variance m·e^-λ·(1 − (1+λ)·e^-λ) (Kolchin, Sevast'yanov and Chistyakov,
// Random Allocations, 1978, chapter 1).
func TestCheck2EmptyShare(t *testing.T) {
	const side = 256
	w := normal(side*side, 4)
	for _, lambda := range []float64{2, 4, 8} {
		m := int(side * side / lambda)
		p := math.Exp(-lambda)
		sd := math.Sqrt(p * (1 - (1+lambda)*p) / float64(m))
		for seed := range uint64(5) {
			if got := emptyShare(plain(w, side, side, 1, m, seed)); !(math.Abs(got-p) <= 3*sd) {
				t.Errorf("λ = %g, seed %d: share %.5f, want %.5f ± %.5f", lambda, seed, got, p, 3*sd)
			}
		}
	}
}

// naive sketches w as methods.md 3.3 writes it down, in the given order of
// weights, in float64.
func naive(s *packed.Cells, w []float32, order []int) []float32 {
	layout := s.Layout()
	cells := make([]float64, s.Rows*layout.Row)
	for i := range cells {
		cells[i] = math.Inf(1)
	}
	index := func(k, a int) int {
		r, c := a/s.In, a%s.In
		g := s.Class[c]
		rank := uint64(r)*layout.Counts[g] + uint64(layout.Position[c])
		return k*layout.Row + int(layout.Offsets[g]) + int(packed.CellIndex(s.Seeds[k], rank, s.Sizes[g]))
	}
	for _, a := range order {
		for k := range s.Rows {
			if p := &cells[index(k, a)]; math.Abs(float64(w[a])) < math.Abs(*p) {
				*p = float64(w[a])
			}
		}
	}
	out := make([]float32, len(cells))
	for i, v := range cells {
		out[i] = float32(v)
	}
	return out
}

// TestCheck3Invariants checks, over shapes, classes, readings and rules: the cells
// are those of weights inserted one by one in any order; |ŵ| ≤ |w| everywhere,
// with equality, before rounding, at the smallest; the size is the one stated.
func TestCheck3Invariants(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, d := range [][2]int{{64, 1}, {40, 3}, {33, 8}, {50, 100}, {17, 61}} {
		out, in := d[0], d[1]
		w := normal(out*in, uint64(in)) // no two magnitudes are equal
		importance := make([]float64, in)
		for j := range importance {
			importance[j] = math.Exp(rng.NormFloat64())
		}
		for _, o := range []Options{
			with(func(o *Options) { o.Bits, o.Rows = 16, 1 }),
			with(func(o *Options) { o.Bits, o.Rows, o.Reading, o.Allocation = 8, 2, "C", SquareRoot }),
			with(func(o *Options) { o.Bits, o.Allocation = 9, Uniform }),
			with(func(o *Options) { o.Bits, o.Rows, o.Reading = 64, 4, "C" }),
		} {
			t.Run(fmt.Sprintf("%d×%d/%+v", out, in, o), func(t *testing.T) {
				s := compress(t, w, out, in, importance, o, 9)
				if err := s.Check(); err != nil {
					t.Fatal(err)
				}
				if got, want := s.Bytes(), StoredBytes(o, out, in); got != want {
					t.Errorf("%d bytes, want %d", got, want)
				}
				if got, want := len(s.Cells), min(int(o.Bits*float64(out*in)/16)/o.Rows, out*in)*o.Rows; got != want {
					t.Errorf("%d cells, want %d", got, want)
				}
				for i, v := range naive(s, w, rng.Perm(len(w))) {
					if s.Cells[i] != packed.F32ToF16TowardZero(v) {
						t.Fatalf("cell %d is %v, want %v", i, packed.F16ToF32(s.Cells[i]), v)
					}
				}
				checkUnderestimate(t, w, decode(s))
			})
		}
	}
}

func checkUnderestimate(t *testing.T, w, v []float32) {
	t.Helper()
	smallest := 0
	for i := range w {
		if math.Abs(float64(w[i])) < math.Abs(float64(w[smallest])) {
			smallest = i
		}
		if !(math.Abs(float64(v[i])) <= math.Abs(float64(w[i]))) {
			t.Fatalf("|ŵ[%d]| = |%v| exceeds |%v|", i, v[i], w[i])
		}
	}
	if want := packed.F16ToF32(packed.F32ToF16TowardZero(w[smallest])); v[smallest] != want {
		t.Errorf("the smallest weight, %v, reads %v, want %v", w[smallest], v[smallest], want)
	}
}

// TestCheck3PerfectHash: where no two weights share a cell, the matrix comes back.
func TestCheck3PerfectHash(t *testing.T) {
	w := []float32{1, -2, 0.5, 3, -0.25, 8}
	for seed := range uint64(5000) {
		s := plain(w, 2, 3, 1, 6, seed)
		if emptyShare(s) == 0 {
			if got := decode(s); !slices.Equal(got, w) {
				t.Errorf("seed %d: %v, want %v", seed, got, w)
			}
			return
		}
	}
	t.Error("no seed without collisions")
}

// TestThreads checks that strips and their merging change nothing, ties
// included: few distinct magnitudes of both signs.
func TestThreads(t *testing.T) {
	const out, in = 301, 90
	w := normal(out*in, 7)
	for i := range w {
		w[i] = float32(math.Round(float64(w[i])*4)) / 4
	}
	importance := make([]float64, in)
	for j := range importance {
		importance[j] = float64(j % 7)
	}
	o := DefaultOptions()
	var first *packed.Cells
	for _, threads := range []int{1, 2, 7, 30} {
		one, _, err := Compress(gemm.Config{Threads: threads}, w, out, in, importance, o, 3)
		if err != nil {
			t.Fatal(err)
		}
		s := one.(*packed.Cells)
		if first == nil {
			first = s
			layout := s.Layout()
			want := make([]float32, 0, len(s.Cells))
			order := make([]int, len(w)) // by address: the lowest stays
			for i := range order {
				order[i] = i
			}
			slices.SortStableFunc(order, func(a, b int) int {
				return a/in*in + int(layout.Position[a%in]) - b/in*in - int(layout.Position[b%in])
			})
			want = append(want, naive(s, w, order)...)
			for i, v := range want {
				if s.Cells[i] != packed.F32ToF16TowardZero(v) {
					t.Fatalf("cell %d is %v, want %v", i, packed.F16ToF32(s.Cells[i]), v)
				}
			}
		}
		if !slices.Equal(s.Cells, first.Cells) {
			t.Errorf("%d threads differ from 1", threads)
		}
	}
}

// TestCheck13Budgets: weights that share a cell at 0.5 bits in 3 rows.
func TestCheck13Budgets(t *testing.T) {
	o := DefaultOptions()
	for cell, lambda := range map[int]int64{16: 96, 8: 48, 4: 24, 2: 12} {
		o.Cell = cell
		if got := o.rowCells(2048, 6144); got != 2048*6144/lambda {
			t.Errorf("cells of %d bits in a row at 0.5 bits in 3 rows: %d, want N/%d", cell, got, lambda)
		}
	}
	// 0.29·1600/16 = 29 is 28.999999999999996 in float64.
	if got := (Options{Bits: 0.29, Rows: 1, Cell: 16}).rowCells(16, 100); got != 29 {
		t.Errorf("0.29 bits of 1600 weights: %d cells, want 29", got)
	}
}

// TestCheck16Llama1B: the compressed matrices of Llama-3.2-1B, q, k, v, gate, up
// and down of 16 layers, and what they and the whole model take at 0.5 bits.
func TestCheck16Llama1B(t *testing.T) {
	o := DefaultOptions()
	var weights, bytes int64
	for _, d := range [][2]int{{2048, 2048}, {512, 2048}, {512, 2048}, {8192, 2048}, {8192, 2048}, {2048, 8192}} {
		weights += 16 * int64(d[0]) * int64(d[1])
		bytes += 16 * StoredBytes(o, d[0], d[1])
	}
	if weights != 905969664 {
		t.Errorf("%d weights, want 905969664", weights)
	}
	// 905969664/32 cells of 2 bytes are 56.62 MB. Class maps are 3 bits for
	// each of 16·(5·2048+8192) channels, 0.11 MB; seeds and sizes 0.005 MB.
	if mb := float64(bytes) / 1e6; math.Abs(mb-56.62-0.115) > 0.01 {
		t.Errorf("%.3f MB, want 56.735", mb)
	}
	// All 1,235,814,400 parameters, the others in 16 bits.
	if mb := float64(2*(1235814400-weights)+bytes) / 1e6; math.Abs(mb-716.31-0.115) > 0.01 {
		t.Errorf("whole model %.3f MB, want 716.427", mb)
	}
}

// TestCheckShape: the bits that the error names do, and a bit less does not.
func TestCheckShape(t *testing.T) {
	o := DefaultOptions()
	for _, d := range [][2]int{{64, 64}, {172, 64}, {10, 3}, {8192, 2048}} {
		o.Bits = 1e-9
		err := CheckShape(o, d[0], d[1])
		if err == nil {
			t.Fatalf("%v: no error", d)
		}
		text := err.Error()
		if !strings.HasPrefix(text, fmt.Sprintf("bits: 1e-09 gives 0 cells in a row for the %d channel classes of a %d×%d matrix, want at least ", min(8, d[1]), d[0], d[1])) {
			t.Errorf("%v: %s", d, text)
		}
		fmt.Sscanf(text[strings.LastIndex(text, "least ")+6:], "%g", &o.Bits)
		if err := CheckShape(o, d[0], d[1]); err != nil {
			t.Errorf("%v: %v", d, err)
		}
		o.Bits *= 0.998
		if CheckShape(o, d[0], d[1]) == nil {
			t.Errorf("%v: %v bits are enough too", d, o.Bits)
		}
	}
}

func TestSeeds(t *testing.T) {
	// The first outputs of SplitMix64 from 1234567, as Rosetta Code prints them
	// for its task "Pseudo-random numbers/Splitmix64".
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431}
	if got := Seeds(1234567, 4); !slices.Equal(got, want) {
		t.Errorf("Seeds = %v, want %v", got, want)
	}
}

func TestCompresses(t *testing.T) {
	for name, want := range map[string]bool{
		"model.layers.0.self_attn.q_proj.weight": true, "model.layers.0.self_attn.k_proj.weight": true,
		"model.layers.3.self_attn.v_proj.weight": true, "model.layers.0.self_attn.o_proj.weight": false,
		"model.layers.0.mlp.gate_proj.weight": true, "model.layers.0.mlp.up_proj.weight": true,
		"model.layers.0.mlp.down_proj.weight": true, "model.embed_tokens.weight": false,
		"lm_head.weight": false, "model.norm.weight": false,
		"model.layers.0.input_layernorm.weight": false,
	} {
		if got := Compresses(name); got != want {
			t.Errorf("Compresses(%q) = %v", name, got)
		}
	}
}

func TestErrors(t *testing.T) {
	good := with(func(o *Options) { o.Bits, o.Rows, o.Allocation = 4, 2, Uniform })
	ones := []float64{1, 1, 1, 1, 1}
	nan := normal(100, 1)
	nan[7*5+2] = float32(math.NaN())
	inf := normal(100, 1)
	inf[4] = float32(math.Inf(1))
	w := normal(100, 1)
	few := good
	few.Bits = 0.1
	for _, c := range []struct {
		w          []float32
		importance []float64
		o          Options
		want       string
	}{
		{nan, ones, good, "ultrasketch: weight [7,2] is NaN, want a finite number"},
		{inf, ones, good, "ultrasketch: weight [0,4] is +Inf, want a finite number"},
		{w, []float64{1, 1, math.NaN(), 1, 1}, good, "ultrasketch: importance[2] is NaN, want a finite number of 0 or more"},
		{w, []float64{1, 1, 1, 1, -1}, good, "ultrasketch: importance[4] is -1, want a finite number of 0 or more"},
		{w, ones, few, "ultrasketch: bits: 0.1 gives 0 cells in a row for the 5 channel classes of a 20×5 matrix, want at least 1.6 bits"},
		{w, ones, Options{}, "ultrasketch: bits: 0, want above 0 and at most 64"},
	} {
		_, _, err := Compress(gemm.Config{}, c.w, 20, 5, c.importance, c.o, 0)
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	got := fmt.Sprint(Options{Bits: -1, Rows: 5, Reading: "D", Allocation: "x", Hash: "y", Scope: "z", Cell: 3, Tile: 9, Window: 8}.Check())
	want := `[bits: -1, want above 0 and at most 64 rows: 5, want 1 to 4 reading: "D", want one of A, B, C, S ` +
		`allocation: "x", want one of proportional, square-root, uniform hash: "y", want one of mix64, two-universal, balanced ` +
		`scope: "z", want one of matrix, layer, model cell: 3, want one of 16, 8, 4, 2 window: 8, want 9, the side of a tile, to 65536 levels: 0, want 1 or 2]`
	if got != want {
		t.Errorf("Check = %s, want %s", got, want)
	}
	if faults := DefaultOptions().Check(); faults != nil {
		t.Error(faults)
	}
}

func BenchmarkCompress(b *testing.B) {
	const out, in = 4096, 4096
	w := normal(out*in, 1)
	importance := make([]float64, in)
	for j := range importance {
		importance[j] = 1 + float64(j*7919%in)
	}
	for _, bits := range []float64{0.5, 1} {
		b.Run(fmt.Sprintf("bits=%g", bits), func(b *testing.B) {
			o := DefaultOptions()
			o.Bits = bits
			for b.Loop() {
				if _, _, err := Compress(gemm.Config{}, w, out, in, importance, o, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(out*in*float64(b.N)/1e6/b.Elapsed().Seconds(), "Mweights/s")
		})
	}
}
