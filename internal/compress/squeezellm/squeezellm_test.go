package squeezellm

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/kmeans"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func problem(out, in int, seed uint64) (w []float32, v []float64) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	w, v = make([]float32, out*in), make([]float64, in)
	for i := range w {
		w[i] = float32(rnd.NormFloat64() / math.Pow(rnd.ExpFloat64(), 0.3))
	}
	for j := range v {
		v[j] = math.Exp(rnd.NormFloat64())
	}
	return w, v
}

func compress(t *testing.T, w []float32, out, in int, v []float64, o Options) (packed.Weight, []float32, Diagnostics) {
	t.Helper()
	p, d, err := Compress(gemm.Config{}, w, out, in, v, o, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	what := make([]float32, len(w))
	p.Dequantize(what, 0, out)
	return p, what, d
}

// TestCheck12Formula: b + 16·2^b/d + 48·f + 32·(n+1)/(n·d) bits for whole weights
// kept apart and whole bytes of codes are the bytes of what Compress makes, of
// its parts, and of what Draw makes.
func TestCheck12Formula(t *testing.T) {
	for _, shape := range [][2]int{{24, 172}, {5, 96}, {7, 30}, {3, 1}} {
		n, d := shape[0], shape[1]
		w, v := problem(n, d, 1)
		for _, bits := range widths {
			for _, f := range []float64{0, 0.0045, 0.1} {
				o := DefaultOptions()
				o.Bits, o.Sparse = bits, f
				p, _, _ := compress(t, w, n, d, v, o)
				apart := math.Floor(f * float64(n*d))
				want := float64(n)*(math.Ceil(float64(bits*d)/8)+2*float64(int(1)<<bits)) + 6*apart
				if apart > 0 {
					want += 4 * float64(n+1)
				}
				var parts int64
				for _, part := range p.Parts() {
					parts += int64(len(part.Data))
				}
				drawn := Draw(o, n, d, rand.New(rand.NewPCG(1, 1)))
				if err := drawn.Check(); err != nil {
					t.Error(err)
				}
				if float64(p.Bytes()) != want || parts != p.Bytes() || StoredBytes(o, n, d) != p.Bytes() || drawn.Bytes() != p.Bytes() {
					t.Errorf("%d×%d, %d bits, %v apart: formula %v, stored %d, parts %d, StoredBytes %d, drawn %d", n, d, bits, f, want, p.Bytes(), parts, StoredBytes(o, n, d), drawn.Bytes())
				}
			}
		}
	}
}

// TestPublishedBits: averages over the linear layers of Llama-2-7B. The paper
// prints them without the positions of rows, which are 0.007 bits, 3 bits as 3.02
// and 2 bits with 0.45 % as 2.22.
func TestPublishedBits(t *testing.T) {
	const hidden, mlp = 4096, 11008
	for _, c := range []struct {
		bits   int
		sparse float64
		want   float64
	}{{4, 0, 4.05}, {4, 0.0045, 4.27}, {3, 0, 3.03}, {3, 0.0045, 3.24}, {2, 0, 2.01}, {2, 0.0045, 2.23}} {
		o := DefaultOptions()
		o.Bits, o.Sparse = c.bits, c.sparse
		var stored, weights float64
		for _, s := range [][2]int{{hidden, hidden}, {hidden, hidden}, {hidden, hidden}, {hidden, hidden}, {mlp, hidden}, {mlp, hidden}, {hidden, mlp}} {
			stored += 8 * float64(StoredBytes(o, s[0], s[1]))
			if c.sparse > 0 {
				stored -= 32 * float64(s[0]+1)
			}
			weights += float64(s[0] * s[1])
		}
		if got := math.Round(100*stored/weights) / 100; got != c.want {
			t.Errorf("%d bits, %v apart: %v bits, want %v", c.bits, c.sparse, got, c.want)
		}
	}
}

// TestKeptApart: the right weights are kept apart, by sorting all, and come back
// but for the rounding of what their code leaves of them; all others have the
// nearest entry.
func TestKeptApart(t *testing.T) {
	const out, in = 30, 60
	w, v := problem(out, in, 2)
	w[100], w[200], w[300] = 9, 9, -9 // equal magnitudes
	o := DefaultOptions()
	o.Bits, o.Sparse = 3, 90.5/(out*in)
	p, what, _ := compress(t, w, out, in, v, o)
	sum := p.(*packed.Sum)
	dense, sparse := sum.Terms[0].(*packed.Codebook), sum.Terms[1].(*packed.Sparse)
	order := make([]int, len(w))
	for i := range order {
		order[i] = i
	}
	by := func(list []int, score func(i int) float64) {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(score(b), score(a)) })
	}
	by(order, func(i int) float64 { return math.Abs(float64(w[i])) })
	slices.Sort(order[80:])
	by(order[80:], func(i int) float64 { return v[i%in] * float64(w[i]) * float64(w[i]) })
	want := slices.Clone(order[:90])
	slices.Sort(want)
	var got []int
	for r := range out {
		for k := sparse.Start[r]; k < sparse.Start[r+1]; k++ {
			got = append(got, r*in+int(sparse.Columns[k]))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("kept apart %v, want %v", got, want)
	}
	base := make([]float32, len(w))
	dense.Dequantize(base, 0, out)
	for i, x := range w {
		nearest := math.Inf(1)
		for _, h := range dense.Table[i/in<<3:][:8] {
			nearest = min(nearest, math.Abs(float64(packed.F16ToF32(h))-float64(x)))
		}
		if math.Abs(float64(base[i])-float64(x)) != nearest {
			t.Fatalf("weight %d, %v: entry %v, the nearest is %v away", i, x, base[i], nearest)
		}
		// Half a unit of an f16 of the rest, and of a float32 of the sum.
		if _, apart := slices.BinarySearch(want, i); apart && math.Abs(float64(what[i])-float64(x)) > 0x1p-11*nearest+0x1p-24*math.Abs(float64(x)) {
			t.Errorf("weight %d, kept apart: %v comes back as %v", i, x, what[i])
		}
	}
}

// TestTables: a table is the k-means of the weights that are not 0, by the
// column weights; the row of zeros has zeros.
func TestTables(t *testing.T) {
	const out, in = 3, 400
	w, v := problem(out, in, 3)
	clear(w[in : 2*in])
	for c := 0; c < in; c += 3 {
		w[2*in+c] = 0
	}
	o := DefaultOptions()
	o.Start = string(kmeans.Exact)
	p, what, d := compress(t, w, out, in, v, o)
	largest := slices.Max(v)
	for r := range out {
		var x []float32
		var u []float64
		for c, f := range w[r*in : (r+1)*in] {
			if f != 0 {
				x, u = append(x, f), append(u, v[c]/largest)
			}
		}
		want := make([]float64, 16)
		if len(x) > 0 {
			kmeans.NewSolver(len(x), kmeans.Options{K: 16, Start: kmeans.Exact}).Solve(want, x, u, 0)
		}
		for i, c := range want {
			if got := p.(*packed.Codebook).Table[r*16+i]; got != packed.F32ToF16(float32(c)) {
				t.Errorf("row %d: entry %d is %v, want %v", r, i, packed.F16ToF32(got), c)
			}
		}
	}
	if slices.ContainsFunc(what[in:2*in], func(f float32) bool { return f != 0 }) {
		t.Error("the row of zeros is not zero")
	}
	// 15 of the 16 entries of the row of zeros have no code.
	if d.Unused != 15./48 || d.OverOptimum != 1 || !d.HasOverOptimum {
		t.Errorf("%+v", d)
	}
}

// TestHeavyColumn: where one column has nearly all of the weight, each of its
// weights is kept to the rounding of an entry.
func TestHeavyColumn(t *testing.T) {
	const out, in, heavy = 20, 90, 13
	w, v := problem(out, in, 5)
	v[heavy] = 1e12
	o := DefaultOptions()
	o.Bits = 2
	_, what, d := compress(t, w, out, in, v, o)
	for i := heavy; i < len(w); i += in {
		if math.Abs(float64(what[i]-w[i])) > 0x1p-10*math.Abs(float64(w[i])) {
			t.Errorf("weight %d, %v, comes back as %v", i, w[i], what[i])
		}
	}
	o.Weights = Equal
	_, plain, _ := compress(t, w, out, in, v, o)
	if _, want, _ := compress(t, w, out, in, slices.Repeat([]float64{3}, in), Options{Bits: 2, Start: o.Start, Weights: DiagH}); !slices.Equal(plain, want) {
		t.Error("equal weights are not those of inputs of equal mean square")
	}
	if d.MaxIterations > iterations || d.MaxIterations < 2 {
		t.Errorf("%d iterations", d.MaxIterations)
	}
}

func TestSeedsAndThreads(t *testing.T) {
	const out, in = 40, 300
	w, v := problem(out, in, 6)
	o := DefaultOptions()
	o.Sparse = 0.01
	bytesOf := func(threads int, seed uint64) []byte {
		p, _, err := Compress(gemm.Config{Threads: threads}, w, out, in, v, o, seed)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		for _, part := range p.Parts() {
			b = append(b, part.Data...)
		}
		return b
	}
	want := bytesOf(1, 1)
	if !bytes.Equal(bytesOf(3, 1), want) {
		t.Error("depends on threads")
	}
	if bytes.Equal(bytesOf(1, 2), want) {
		t.Error("another seed gives the same")
	}
}

// TestOddShapes: constant and zero rows, width 1, inputs that are all zero.
func TestOddShapes(t *testing.T) {
	for _, in := range []int{1, 5} {
		w := make([]float32, 3*in)
		for c := range in {
			w[in+c], w[2*in+c] = -0.5, float32(c)-0.25
		}
		for _, start := range kmeans.Starts() {
			o := DefaultOptions()
			o.Bits, o.Start, o.Sparse = 3, string(start), mostSparse
			_, what, _ := compress(t, w, 3, in, make([]float64, in), o)
			// An even start may leave centres off the values.
			if start != kmeans.Linspace && !slices.Equal(what, w) {
				t.Errorf("width %d, %s: %v comes back as %v", in, start, w, what)
			}
		}
	}
}

func TestCheck21Fit(t *testing.T) {
	const out, in = 10, 172
	o := DefaultOptions()
	base := StoredBytes(o, out, in) // 1180: 86 bytes of codes and 32 of a table a row
	for target, want := range map[int64]int{base: 0, base + 44 + 5: 0, base + 44 + 6: 1, base + 44 + 6*171 + 5: 171, 1 << 40: out * in / 3} {
		got, err := Fit(o, out, in, target)
		if err != nil || got.kept(out, in) != want || StoredBytes(got, out, in) > target || Check(got) != nil {
			t.Errorf("%d bytes: %+v keeps %d, %v, want %d", target, got, got.kept(out, in), err, want)
		}
	}
	for k := range out*in/3 + 1 { // whatever float64 makes of a share
		target := base + 6*int64(k)
		if k > 0 {
			target += 44
		}
		if got, err := Fit(o, out, in, target); err != nil || got.kept(out, in) != k {
			t.Fatalf("%d bytes keep %d, %v, want %d", target, got.kept(out, in), err, k)
		}
	}
	const want = "1179 bytes are too few for the tables and codes of a 10×172 matrix at 4 bits, which take 1180"
	if _, err := Fit(o, out, in, base-1); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestIterations: a row whose centres still move after 50 iterations is left
// there, as in the published code.
func TestIterations(t *testing.T) {
	const n = 20000
	rng := rand.New(rand.NewPCG(1, 2))
	w, square := make([]float32, n), make([]float64, n)
	for i := range w {
		w[i], square[i] = float32(rng.ExpFloat64()*math.Exp(rng.NormFloat64())), 1
	}
	o := DefaultOptions()
	o.Start = "linspace"
	_, d, err := Compress(gemm.Config{Threads: 1}, w, 1, n, square, o, 1)
	if err != nil || d.MaxIterations != 50 {
		t.Errorf("%d iterations, %v, want 50", d.MaxIterations, err)
	}
}

func TestErrors(t *testing.T) {
	with := func(change func(o *Options)) Options {
		o := DefaultOptions()
		change(&o)
		return o
	}
	for _, c := range []struct {
		o    Options
		bad  float32
		want string
	}{
		{DefaultOptions(), float32(math.Inf(1)), "squeezellm: weight [1,2] is +Inf"},
		{DefaultOptions(), 1e6, "squeezellm: centroid 3 of row 1 is 1e+06, largest in f16 65504"},
		{with(func(o *Options) { o.Sparse = 0.2 }), 1e6, "squeezellm: weight [1,2], kept apart, is 1e+06 beside its code, largest in f16 65504"},
		{with(func(o *Options) { o.Bits = 5 }), 0, "squeezellm: bits: 5, want one of 2, 3, 4, 8"},
		{with(func(o *Options) { o.Sparse = 0.5 }), 0, "squeezellm: sparse: 0.5, want a share of 0 to 0.3333"},
		{with(func(o *Options) { o.Start = "random" }), 0, `squeezellm: start: "random", want one of histogram, linspace, published, exact, k-means++`},
	} {
		w := []float32{1, 2, 3, 4, -1, -2, c.bad, -4}
		if _, _, err := Compress(gemm.Config{}, w, 2, 4, []float64{1, 1, 1, 1}, c.o, 0); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	if faults := Check(Options{}); len(faults) != 3 { // bits, start, weights
		t.Errorf("faults of the zero options: %v", faults)
	}
}
